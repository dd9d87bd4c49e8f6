"""The layout that the files of all data sets share."""

import numpy as np
import xarray as xr

# Parts of a data set; the index of a part is its code in `split`.
PARTS = ("train", "test", "validation")


def assemble(
    inputs: np.ndarray,
    targets: np.ndarray,
    split: np.ndarray,
    *,
    licence: str,
    citation: str,
    preprocessing: str,
    target_name: str = "target",
    target_units: str = "1",
    **attributes: str,
) -> xr.Dataset:
    """A data set in the layout of results/data.

    inputs: (n_points, n_features). targets: (n_points,), or (n_points, n_outputs). split:
    (n_points,), codes of PARTS. attributes: further global attributes, such as `source_url`.
    Returns `inputs` (point, feature), `targets` (point) or (point, output) and `split` (point)
    with the indices as coordinates.
    """
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    dims = ("point", "output")[: targets.ndim]
    codes = np.arange(len(PARTS), dtype=np.int8)
    coordinates = {
        "point": ("point", np.arange(len(inputs)), described("index of the point")),
        "feature": ("feature", np.arange(inputs.shape[1]), described("index of the feature")),
    }
    if targets.ndim == 2:
        outputs = np.arange(targets.shape[1])
        coordinates["output"] = ("output", outputs, described("index of the output"))
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), inputs, described("network inputs")),
            "targets": (dims, targets, described(target_name, target_units)),
            "split": (
                "point",
                np.asarray(split, dtype=np.int8),
                described("part of the data set that the point belongs to")
                | {"flag_values": codes, "flag_meanings": " ".join(PARTS)},
            ),
        },
        coords=coordinates,
        attrs={
            "licence": licence,
            "citation": citation,
            "preprocessing": preprocessing,
            **attributes,
        },
    )


def train_then_test(n_train: int, n_test: int) -> np.ndarray:
    """Return `split` (n_train + n_test,) of points of which the first n_train are for training."""
    codes = [PARTS.index("train"), PARTS.index("test")]
    return np.repeat(np.array(codes, dtype=np.int8), [n_train, n_test])


def with_bias(inputs: np.ndarray) -> np.ndarray:
    """Inputs (n_points, n_features) with a constant last feature of 1."""
    return np.hstack([inputs, np.ones((len(inputs), 1))])


def described(long_name: str, units: str = "1") -> dict[str, str]:
    """The attributes that every variable needs."""
    return {"long_name": long_name, "units": units}


def labelled(values: xr.DataArray, long_name: str) -> xr.DataArray:
    """Add the attributes that every variable needs to values without units."""
    return values.assign_attrs(described(long_name))
