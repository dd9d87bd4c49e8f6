"""The measures of Section 6 of Song et al. (2021): accuracies of every student."""

import numpy as np
import xarray as xr

from regimes.errors import DataError

# Variables of the runs that are kept where they exist: name in the runs, and name here.
KEPT = {
    "train_loss": "train_loss",
    "test_loss": "test_loss",
    "train_accuracy": "train_accuracy",
    "test_accuracy": "test_accuracy",
    "final_relative_distance_w": "relative_distance_w",
    "final_relative_distance_a": "relative_distance_a",
    "omega_1": "omega_1",
    "step_size": "step_size",
    "diverged": "diverged",
}
NEEDED = ("train_accuracy", "test_accuracy", "omega_1", "diverged")
# Variables whose value at the end of training becomes a variable of its own.
WITH_END = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
# Variables of the data set that describe the teacher.
TEACHER = (
    "teacher_epochs",
    "teacher_converged",
    "teacher_train_agreement",
    "teacher_test_agreement",
)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Measures of each student: losses, accuracies and scales.

    These are the variables of KEPT that the runs have, over loss, omega_2 and seed, losses and
    accuracies also over `epoch`, with

    - final_train_accuracy, final_test_accuracy, final_train_loss, final_test_loss: at the end;
    - omega_1, over omega_2 alone, and omega_ratio, omega_2/omega_1;
    - the variables of TEACHER, if a teacher labelled the data.

    NaN after a run has diverged. Losses are in the order of their names. The attributes have
    `width` and the numbers of points and features of the data. Raises DataError for runs of several
    widths or without test points.
    """
    if runs.sizes["width"] != 1:
        raise DataError(f"students are measured at one width, not {runs.sizes['width']}")
    if missing := [name for name in NEEDED if name not in runs]:
        raise DataError(f"students are measured on runs with {', '.join(missing)}")
    width = int(runs["width"][0])
    runs = runs.isel(width=0, drop=True).sortby(["loss", "omega_2", "seed"])
    renamed = {there: here for there, here in KEPT.items() if there in runs}
    result = runs[list(renamed)].rename(renamed).swap_dims(step="epoch")
    # Where jobs had some of the losses and seeds each, merging them has given it axes of these.
    others = {name: 0 for name in ("loss", "seed") if name in result["omega_1"].dims}
    result["omega_1"] = result["omega_1"].isel(others, drop=True)
    for name in WITH_END:
        if name in result:
            result[f"final_{name}"] = _at_the_end(result[name])
    result["omega_ratio"] = (result["omega_2"] / result["omega_1"]).assign_attrs(
        long_name="ratio omega_2 / omega_1 of the initial deviations of the layers", units="1"
    )
    result["diverged"] = result["diverged"].astype(np.float64).assign_attrs(runs["diverged"].attrs)
    for name in TEACHER:
        if name in data:
            result[name] = data[name]
    split = data["split"].values
    result.attrs = {
        "width": width,
        "n_train": int(np.sum(split == 0)),
        "n_test": int(np.sum(split == 1)),
        "n_features": data.sizes["feature"],
    }
    return result.transpose("loss", "omega_2", "seed", "epoch", missing_dims="ignore")


def _at_the_end(history: xr.DataArray) -> xr.DataArray:
    return history.isel(epoch=-1, drop=True).assign_attrs(
        long_name=history.attrs["long_name"].replace("along the run", "at the end"),
        units=history.attrs["units"],
    )
