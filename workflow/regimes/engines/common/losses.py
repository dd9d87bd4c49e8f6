"""Losses that are a factor times the sum of the squared residuals."""

from collections.abc import Callable

# By name: the factor between the loss's gradient in the outputs and the residuals e = f - y, from
# the numbers of outputs k and of points n.
FACTORS: dict[str, Callable[[int, int], float]] = {
    # 1/2 sum e^2
    "half_sum": lambda n_outputs, n_points: 1.0,
    # 1/(2 n) sum e^2
    "half_mean": lambda n_outputs, n_points: 1.0 / n_points,
    # 1/(n k) sum e^2
    "mean": lambda n_outputs, n_points: 2.0 / (n_outputs * n_points),
}


def gradient_factor(loss: str, n_outputs: int, n_points: int) -> float:
    """Return the factor c: the gradient in the outputs is c e, and the loss is c |e|^2 / 2."""
    return FACTORS[loss](n_outputs, n_points)
