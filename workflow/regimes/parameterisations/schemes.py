"""Schemes of initialisation by their names: Table 1 of Luo et al. (2021), and none.

f(x) = (1/alpha) sum_k a_k act(w_k . x), a ~ N(0, beta1^2), w ~ N(0, beta2^2), both layers trained
at the same rate. The scales are text in m (width) and d (n_features), of which the paper's table
is made too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regimes.parameterisations.scales import Scales


@dataclass(frozen=True)
class Scheme:
    """alpha, beta1 and beta2; and whether alpha lets the initial output be of order one."""

    alpha: str
    beta1: str
    beta2: str
    symmetric: bool = False


SCHEMES = {
    "unscaled": Scheme("1", "1", "1"),
    "lecun": Scheme("1", "sqrt(1/m)", "sqrt(1/d)", symmetric=True),
    "he": Scheme("1", "sqrt(2/m)", "sqrt(2/d)", symmetric=True),
    "xavier": Scheme("1", "sqrt(2/(m + 1))", "sqrt(2/(m + d))"),
    "ntk": Scheme("sqrt(m)", "1", "1", symmetric=True),
    "mean_field": Scheme("m", "1", "1"),
}


def scales(setting: Mapping[str, Any]) -> Scales:
    """Scales of one setting, by the name that is its `parameterisation`."""
    scheme = SCHEMES[setting["parameterisation"]]
    names = {"m": setting["width"], "d": setting["n_features"], "sqrt": math.sqrt}
    alpha, beta1, beta2 = (
        eval(text, {"__builtins__": {}}, names)  # text of the table above, and of nobody else
        for text in (scheme.alpha, scheme.beta1, scheme.beta2)
    )
    return Scales(
        output=1.0 / alpha,
        rate_a=1.0,
        rate_w=1.0,
        deviation_a=float(beta1),
        deviation_w=float(beta2),
        symmetric=scheme.symmetric,
    )
