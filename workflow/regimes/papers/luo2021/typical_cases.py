"""The measures behind Figure 2 of Luo et al. (2021): learned functions and their neurons."""

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline

from regimes.errors import DataError
from regimes.papers.luo2021.neurons import ANGULAR_BINS, amplitude, angular_bins, orientation

# The functions are drawn and compared on the interval of the training points, widened for drawing.
GRID_POINTS = 481
MARGIN = 0.2
# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_relative_distance_w": "relative_distance_w",
    **{name: name for name in ("converged", "stationary", "capped", "diverged", "solver_steps")},
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Functions and neurons at the snapshots of one-dimensional problems.

    runs: output_weights and input_weights over snapshot and neuron in the normalised
    parameterisation, of one width; data: inputs (point, feature), the last feature constant.
    Returns `function` over `x`, `amplitude` and `orientation` over `neuron`, the training points,
    and how far the function is from their linear and their natural cubic spline: root mean square
    over the points' interval, over the root mean square of the targets.
    """
    inputs, targets = data["inputs"].values, data["targets"].values
    if inputs.shape[1] != 2:
        raise DataError(
            f"luo2021.typical_cases needs one input and a bias, the data have {inputs.shape[1]} "
            "features"
        )
    points = inputs[:, 0]
    low, high = points.min(), points.max()
    x = np.linspace(low - MARGIN, high + MARGIN, GRID_POINTS)
    grid = xr.DataArray(x, dims="x", coords={"x": ("x", x, {"long_name": "input", "units": "1"})})
    function = _function(runs, grid, bias=float(inputs[0, 1]))
    result = xr.Dataset(
        {
            "function": function.assign_attrs(
                long_name="function of the network at the snapshot", units="1"
            ),
            "amplitude": amplitude(runs["output_weights"], runs["input_weights"]),
            "orientation": orientation(runs["input_weights"]),
            "training_input": ("point", points, {"long_name": "training inputs", "units": "1"}),
            "training_target": ("point", targets, {"long_name": "training targets", "units": "1"}),
            **{here: runs[there] for there, here in KEPT.items()},
        }
    )
    inside = (grid >= low) & (grid <= high)
    order = np.argsort(points)
    knots, values = points[order], targets[order]
    splines = {
        "linear": np.interp(x, knots, values),
        "cubic": CubicSpline(knots, values, bc_type="natural")(x),
    }
    size = np.sqrt(np.mean(targets**2))
    for name, spline in splines.items():
        difference = function - xr.DataArray(spline, dims="x")
        distance = np.sqrt((difference.where(inside) ** 2).mean("x")) / size
        result[f"distance_to_{name}_spline"] = distance.assign_attrs(
            long_name=f"root mean square distance to the {name} spline, over that of the targets",
            units="1",
        )
        result[f"{name}_spline"] = (
            "x",
            spline,
            {"long_name": f"{name} spline of the training points", "units": "1"},
        )
    bends = abs(function.where(inside).diff("x").diff("x")) / (x[1] - x[0])
    result["slope_variation"] = bends.sum("x").where(function.notnull().all("x"))
    result["slope_variation"].attrs = {
        "long_name": "total variation of the function's slope between the training points",
        "units": "1",
    }
    result = result.assign(_scatters(result["amplitude"], result["orientation"]))
    return result.assign_coords(snapshot=runs["snapshot"], x=grid["x"])


def _scatters(amplitudes: xr.DataArray, angles: xr.DataArray) -> dict[str, xr.DataArray]:
    """How much scatters move, and how much those of two starts differ."""
    shares = xr.apply_ufunc(
        _shares,
        amplitudes,
        xr.apply_ufunc(angular_bins, angles),
        input_core_dims=[["neuron"], ["neuron"]],
        output_core_dims=[["orientation_bin"]],
        vectorize=True,
    )
    start = shares.isel(snapshot=0, drop=True)
    moved = abs(shares - start).sum("orientation_bin", skipna=False) / 2
    between = abs(start - start.rename(seed="other")).sum("orientation_bin", skipna=False) / 2
    pairs = between.stack(pair=("seed", "other"))
    pairs = pairs.isel(pair=(pairs["seed"] < pairs["other"]).values)
    quantile = pairs.quantile(0.95, "pair").drop_vars("quantile") if pairs.sizes["pair"] else None
    found = {"scatter_distance": moved}
    what = "total-variation distance of the amplitude's shares in angles"
    moved.attrs = {"long_name": f"{what} from the first snapshot", "units": "1"}
    if quantile is not None:
        quantile.attrs = {"long_name": f"{what} between two starts, 95 % quantile", "units": "1"}
        found["scatter_distance_of_starts"] = quantile
    return found


def _shares(sizes: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The bins' shares of the amplitude; NaN where a run diverged, 0 where there is none."""
    total = sizes.sum()
    return np.bincount(bins, sizes, ANGULAR_BINS) / (total if total != 0 else 1.0)


def _function(runs: xr.Dataset, grid: xr.DataArray, bias: float) -> xr.DataArray:
    """Outputs kappa sum_k a_k relu(w_k . (x, bias)), equation (9)."""
    weights = runs["input_weights"]
    slope, offset = weights.isel(feature=0, drop=True), weights.isel(feature=1, drop=True) * bias
    kappa = runs["width"].astype(float) ** -runs["gamma"]
    values = [
        (runs["output_weights"] * (slope * x + offset).clip(min=0)).sum("neuron", skipna=False)
        for x in grid.values
    ]
    return xr.concat(values, grid).astype(np.float64) * kappa
