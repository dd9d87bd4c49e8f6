"""The unnormalised parameterisation: Luo et al. (2021), equations (1)-(6).

f(x) = (1/alpha) sum_k a_k act(w_k . x), a_k ~ N(0, beta1^2), w_k ~ N(0, beta2^2), both layers
trained at the same rate. With kappa = beta1 beta2 / alpha and kappa' = beta1 / beta2 the
normalised system (9)-(13) moves along the same path, in a time scaled by 1/(beta1 beta2).
"""

import math
from collections.abc import Mapping
from typing import Any

from regimes.errors import ConfigError
from regimes.parameterisations.scales import Scales, is_symmetric


def scales(setting: Mapping[str, Any]) -> Scales:
    """Scales of one setting.

    The setting has `width` and `exponents`, a mapping with two or three of alpha, beta1, beta2:
    each is m to that power. What is missing follows from `gamma` (kappa = m^-gamma) and
    `gamma_prime` (kappa' = m^-gamma'), which must then be in the setting.
    Raises ConfigError when that leaves a scale open or contradicts the rest.
    """
    exponents = _solve(setting)
    width = float(setting["width"])
    alpha, beta1, beta2 = (width ** exponents[name] for name in ("alpha", "beta1", "beta2"))
    return Scales(
        output=1.0 / alpha,
        rate_a=1.0,
        rate_w=1.0,
        deviation_a=beta1,
        deviation_w=beta2,
        symmetric=is_symmetric(exponents["alpha"] - exponents["beta1"] - exponents["beta2"]),
    )


def _solve(setting: Mapping[str, Any]) -> dict[str, float]:
    given = dict(setting.get("exponents", {}))
    gamma, gamma_prime = setting.get("gamma"), setting.get("gamma_prime")
    # kappa' = beta1 / beta2 gives one of the betas from the other.
    if gamma_prime is not None:
        if "beta2" in given and "beta1" not in given:
            given["beta1"] = given["beta2"] - gamma_prime
        elif "beta1" in given and "beta2" not in given:
            given["beta2"] = given["beta1"] + gamma_prime
    if gamma is not None and {"beta1", "beta2"} <= given.keys() and "alpha" not in given:
        given["alpha"] = gamma + given["beta1"] + given["beta2"]
    missing = [name for name in ("alpha", "beta1", "beta2") if name not in given]
    if missing:
        raise ConfigError(
            f"exponents: {', '.join(missing)} left open; give alpha, beta1 and beta2, or "
            "axes gamma and gamma_prime that fix them"
        )
    wanted = {
        "gamma": (gamma, given["alpha"] - given["beta1"] - given["beta2"]),
        "gamma_prime": (gamma_prime, given["beta2"] - given["beta1"]),
    }
    for name, (value, implied) in wanted.items():
        if value is not None and not math.isclose(value, implied, abs_tol=1e-9):
            raise ConfigError(
                f"exponents give {name} = {implied:g}, the axes say {value:g}; "
                "leave out the axis or one of the exponents"
            )
    return given
