"""Fit a line to the logarithm of a loss, over the middle of its fall, and say how good it is."""

import numpy as np
import xarray as xr

# Losses below this share of the loss at the start are rounding.
ROUNDING = 1e-26
# The middle of the decay: from here to there, in shares of the total fall of log loss.
MIDDLE = (0.1, 0.9)
LEAST_POINTS = 5


def above_rounding(loss: xr.DataArray) -> xr.DataArray:
    """The loss over `step`, NaN where it is below ROUNDING of its value at the first step."""
    return loss.where(loss >= ROUNDING * loss.isel(step=0, drop=True))


def fitted_decay(loss: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Rate at which a loss decays with the number of steps, and R^2 of the line that says so.

    loss: over `step` and any other dimensions. The rate, per step, is minus the slope of the
    natural logarithm of the loss. The line is fitted to the middle of the decay: the fall of the
    logarithm is counted from the first recorded step to the last, or to where the loss is ROUNDING
    of its start if it ends below; the middle are the recorded steps from the first one after
    MIDDLE[0] of the fall to the last one before MIDDLE[1] is passed. Least squares and R^2 weigh
    all steps evenly, not all recorded points, which are denser at the start: each point counts for
    half the way to its neighbours (trapezoidal rule). Both are NaN for a run that diverged, whose
    loss does not fall, or that has fewer than LEAST_POINTS points there.
    """
    return xr.apply_ufunc(
        _fitted_decay,
        loss["step"].astype(np.float64),
        loss,
        input_core_dims=[["step"], ["step"]],
        output_core_dims=[[], []],
        vectorize=True,
        output_dtypes=[float, float],
    )


def _fitted_decay(steps: np.ndarray, loss: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(loss).all() or (loss < 0).any() or loss[0] == 0:
        return np.nan, np.nan
    # A loss of zero has the logarithm of ROUNDING.
    fallen = -np.log(np.maximum(loss / loss[0], ROUNDING))
    total = fallen[-1]
    if total <= 0:
        return np.nan, np.nan
    first, end = (int(np.argmax(fallen >= share * total)) for share in MIDDLE)
    x, y = steps[first:end], -fallen[first:end]
    if len(x) < LEAST_POINTS:
        return np.nan, np.nan
    gaps = np.diff(x, prepend=x[0], append=x[-1])
    weights = (gaps[:-1] + gaps[1:]) / gaps.sum() / 2
    x, y = x - weights @ x, y - weights @ y
    slope = weights @ (x * y) / (weights @ x**2)
    spread = weights @ y**2
    if spread == 0:
        return np.nan, np.nan
    return float(-slope), float(1 - weights @ (y - slope * x) ** 2 / spread)
