"""The normalised parameterisation: Luo et al. (2021), equations (9)-(13).

f(x) = kappa sum_k a_k act(w_k . x) with standard normal weights; a moves with mobility
1/kappa', w with kappa'; kappa = m^-gamma, kappa' = m^-gamma'.
"""

from collections.abc import Mapping
from typing import Any

from regimes.parameterisations.scales import Scales, is_symmetric


def scales(setting: Mapping[str, Any]) -> Scales:
    """Scales of one setting, which has `width`, `gamma` and `gamma_prime`."""
    width = float(setting["width"])
    kappa_prime = width ** -setting["gamma_prime"]
    return Scales(
        output=width ** -setting["gamma"],
        rate_a=1.0 / kappa_prime,
        rate_w=kappa_prime,
        deviation_a=1.0,
        deviation_w=1.0,
        symmetric=is_symmetric(setting["gamma"]),
    )
