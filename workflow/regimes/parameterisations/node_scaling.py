"""Asymmetrical node scaling: (1) and (4) of Caron et al. (2023).

f(x) = sum_j lambda_j^(1/2) a_j act(w_j . x / d^(1/2)) with scales lambda_j of the nodes that sum to
1: a share gamma of them is the same for all nodes, the rest falls with j as a Zipf law.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import zeta

from regimes.parameterisations.scales import Scales


def node_scales(
    width: int, gamma: float, alpha: float | None = None, *, skip_first: bool = False
) -> np.ndarray:
    """lambda_mj (m,) of (1): gamma / m + (1 - gamma) times the Zipf weights over their sum.

    alpha: exponent of (4), between 0 and 1; not needed at gamma = 1. skip_first: the first node
    gets none of the Zipf weights and the second the largest, as in the authors' code.
    Raises ValueError for gamma outside [0, 1] or alpha outside (0, 1).
    """
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma = {gamma} is not between 0 and 1")
    scales = np.full(width, gamma / width)
    if gamma == 1:
        return scales
    alpha = _checked(alpha)
    weights = np.arange(1 - skip_first, width + 1 - skip_first, dtype=float)
    with np.errstate(divide="ignore"):
        weights = np.where(weights > 0, weights ** (-1 / alpha), 0.0)
    return scales + (1 - gamma) * weights / weights.sum()


def scales(setting: Mapping[str, Any]) -> Scales:
    """Scales of one setting, whose `node_scaling` has gamma, alpha and skip_first.

    The output weights are fixed.
    """
    nodes = node_scales(setting["width"], **setting["node_scaling"])
    d = setting["n_features"]
    return Scales(
        output=1.0,
        rate_a=None,
        rate_w=1.0 / d,
        deviation_a=1.0,
        deviation_w=d**-0.5,
        node=np.sqrt(nodes),
    )


def recorded(gamma: float, alpha: float | None, scales: np.ndarray) -> dict[str, Any]:
    """What files say of a scaling: gamma, alpha (NaN where there is no Zipf law) and the scales."""
    has_law = gamma != 1 and alpha is not None
    return {"gamma": gamma, "alpha": alpha if has_law else np.nan, "node_scale": scales}


def zipf_sum_of_squares(alpha: float) -> float:
    """Return sum_j lambda~_j^2 = zeta(2 / alpha) / zeta(1 / alpha)^2.

    It is the distance from the kernel regime in (12) at gamma = 0 (Section 3.2, Fig. 5).
    """
    alpha = _checked(alpha)
    return float(zeta(2 / alpha) / zeta(1 / alpha) ** 2)


def _checked(alpha: float | None) -> float:
    if alpha is None or not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha} is not between 0 and 1")
    return alpha
