"""The abc-parameterisation of a two-layer network: Yang and Hu (2021).

f(x) = m^(-a2) sum_k v_k act(m^(-a1) w_k . x) with w ~ N(0, m^(-2 b1)), v ~ N(0, m^(-2 b2)), both
layers trained at m^(-c) times the learning rate.
"""

from collections.abc import Mapping
from typing import Any

from regimes.errors import ConfigError
from regimes.parameterisations.scales import Scales, is_symmetric

EXPONENTS = ("a1", "a2", "b1", "b2", "c")


def scales(setting: Mapping[str, Any]) -> Scales:
    """Scales of one setting, whose `exponents` are a1, a2, b1, b2 and c.

    Raises ConfigError when one of them is missing.
    """
    given = setting["exponents"]
    missing = [name for name in EXPONENTS if name not in given]
    if missing:
        raise ConfigError(
            f"exponents: {', '.join(missing)} left open; parameterisation: abc needs "
            f"{', '.join(EXPONENTS)}"
        )
    width = float(setting["width"])
    a1, a2, b1, b2, c = (given[name] for name in EXPONENTS)
    return Scales(
        output=width**-a2,
        rate_a=width**-c,
        rate_w=width ** (-2 * a1 - c),
        deviation_a=width**-b2,
        deviation_w=width ** (-a1 - b1),
        symmetric=is_symmetric(a1 + a2 + b1 + b2),
    )
