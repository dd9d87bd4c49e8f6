"""How a loss decays with the steps: its rate, whether it is exponential, when it is how small."""

from collections.abc import Callable

import numpy as np
import xarray as xr

# Losses below this share of the loss at the start are rounding.
ROUNDING = 1e-26
# The middle of the decay: from here to there, in shares of the total fall of log loss.
MIDDLE = (0.1, 0.9)
LEAST_POINTS = 5
# Where `power_over_exponential` looks, in shares of the loss at the start. Below the last one, the
# square of the rounding of single precision, no plot of the time shows anything.
FIRST_SHARE, LAST_SHARE = 0.9, 1e-13


def above_rounding(loss: xr.DataArray) -> xr.DataArray:
    """The loss over `step`, NaN where it is below ROUNDING of its value at the first step."""
    return loss.where(loss >= ROUNDING * loss.isel(step=0, drop=True))


def fitted_rate(loss: xr.DataArray) -> xr.DataArray:
    """Rate at which a loss decays with the number of steps.

    loss: over `step` and any other dimensions. The rate, per step, is minus the slope of the
    natural logarithm of the loss. The line is fitted to the middle of the decay: the fall of the
    logarithm is counted from the first recorded step to the last, or to where the loss is ROUNDING
    of its start if it ends below; the middle are the recorded steps from the first one after
    MIDDLE[0] of the fall to the last one before MIDDLE[1] is passed. All steps weigh evenly, see
    `_weights`. NaN for a run that diverged, whose loss does not fall, or that has fewer than
    LEAST_POINTS points there.
    """
    return _of_curves(_fitted_rate, loss)


def linearity(loss: xr.DataArray) -> xr.DataArray:
    """`residual_ratio` of each curve of a loss over `step` and any other dimensions."""
    return _of_curves(residual_ratio, loss)


def _of_curves(function: Callable[..., float], loss: xr.DataArray) -> xr.DataArray:
    return xr.apply_ufunc(
        function,
        loss["step"].astype(np.float64),
        loss,
        input_core_dims=[["step"], ["step"]],
        vectorize=True,
        output_dtypes=[float],
    )


def _fitted_rate(steps: np.ndarray, loss: np.ndarray) -> float:
    if not np.isfinite(loss).all() or (loss < 0).any() or loss[0] == 0:
        return np.nan
    # A loss of zero has the logarithm of ROUNDING.
    fallen = -np.log(np.maximum(loss / loss[0], ROUNDING))
    total = fallen[-1]
    if total <= 0:
        return np.nan
    first, end = (int(np.argmax(fallen >= share * total)) for share in MIDDLE)
    if end - first < LEAST_POINTS:
        return np.nan
    slope, _ = _line(steps[first:end], fallen[first:end], _weights(steps[first:end]))
    return slope


def residual_ratio(steps: np.ndarray, loss: np.ndarray) -> float:
    """Whether a loss (steps,) decays linearly, that is exponentially, rather than as a power.

    It is the residual sum of squares of a line through ln loss against the steps over that of a
    line against the logarithm of the steps: below 1 an exponential fits better than a power law.
    Both are fitted from where the loss is FIRST_SHARE of that at the start to where it is
    LAST_SHARE of it, or to the last step; all steps weigh evenly, see `_weights`. NaN for a run
    that diverged, or with fewer than LEAST_POINTS points there.
    """
    if not np.isfinite(loss).all() or not loss[0] > 0:
        return np.nan
    share = loss / loss[0]
    begun, over = share <= FIRST_SHARE, share < LAST_SHARE
    first = int(np.argmax(begun)) if begun.any() else len(share)
    end = int(np.argmax(over)) if over.any() else len(share)
    if end - first < LEAST_POINTS:
        return np.nan
    x, y = steps[first:end], np.log(share[first:end])
    weights = _weights(x)
    power = _line(np.log(x), y, weights)[1]
    return float(np.divide(_line(x, y, weights)[1], power)) if power > 0 else np.inf


def _weights(steps: np.ndarray) -> np.ndarray:
    """Weights of recorded steps with which all steps count evenly (trapezoidal rule).

    Recorded points are denser at the start.
    """
    gaps = np.diff(steps, prepend=steps[0], append=steps[-1])
    return np.asarray((gaps[:-1] + gaps[1:]) / gaps.sum() / 2)


def _line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope of the least squares of y on x, and the mean square of its residuals."""
    x, y = x - weights @ x, y - weights @ y
    slope = float(weights @ (x * y) / (weights @ x**2))
    return slope, float(weights @ (y - slope * x) ** 2)


def steps_to(loss: xr.DataArray, share: float) -> xr.DataArray:
    """Number of steps after which a loss is a share of its start; NaN if it does not get there.

    loss: over `step` and any other dimensions. Between recorded steps ln loss is taken for linear.
    """
    return _of_curves(lambda steps, values: _steps_to(steps, values, share), loss)


def _steps_to(steps: np.ndarray, loss: np.ndarray, share: float) -> float:
    reached = loss <= share * loss[0]
    if not reached.any():
        return np.nan
    end = int(np.argmax(reached))
    if end == 0:
        return float(steps[0])
    # A loss of zero has the logarithm of ROUNDING.
    logs = np.log(np.maximum(loss[end - 1 : end + 1] / loss[0], ROUNDING))
    way = (logs[0] - np.log(share)) / (logs[0] - logs[1])
    return float(steps[end - 1] + way * (steps[end] - steps[end - 1]))
