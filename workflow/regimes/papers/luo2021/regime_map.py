"""The regimes of Luo et al. (2021) at infinite width: linear, critical and condensed."""

from typing import Any

import numpy as np
import sympy

# E et al. (2020) prove that training is linear for beta1 = beta = o(m^-1/6), with alpha and beta2
# of order 1, that is for beta = m^-b with b above this (Luo et al., section 2).
E_ET_AL_LINEAR_ABOVE = sympy.Rational(1, 6)

# Sums of decimals are rounded; no grid is as fine as this.
ROUNDING = 1e-9


def regime(gamma: Any, gamma_prime: Any) -> Any:
    """Regime at (gamma, gamma'): "linear", "condensed" or, on the boundary, "critical".

    gamma, gamma_prime: finite numbers or arrays of shapes that broadcast. Returns a string, or an
    array of strings of the common shape.
    """
    gamma, gamma_prime = np.asarray(gamma, float), np.asarray(gamma_prime, float)
    linear, condensed = _conditions(gamma, gamma_prime, ROUNDING)
    names = np.select([linear, condensed], ["linear", "condensed"], "critical")
    return names if names.ndim else names.item()


def regimes_along(gamma: sympy.Expr, gamma_prime: sympy.Expr, parameter: sympy.Symbol) -> str:
    """Regimes along a line given by its parameter > 0, in words.

    Such as "linear for all b > 0", or which regime for which values.
    """
    # A positive symbol would take the boundary at 0 out of the sets.
    free = sympy.Symbol(parameter.name, real=True)
    line = [sympy.sympify(value).subs(parameter, free) for value in (gamma, gamma_prime)]
    everywhere = sympy.Interval.open(0, sympy.oo)
    linear, condensed = (
        everywhere.intersect(sympy.sympify(condition).as_set())
        for condition in _conditions(line[0], line[1], 0)
    )
    sets = {
        "linear": linear,
        "critical": everywhere - linear - condensed,
        "condensed": condensed,
    }
    for name, values in sets.items():
        if values == everywhere:
            return f"{name} for all {parameter} > 0"
    return ", ".join(
        f"{name} for {values.as_relational(free)}"
        for name, values in sets.items()
        if values is not sympy.S.EmptySet
    )


def _conditions(gamma: Any, gamma_prime: Any, margin: float) -> tuple[Any, Any]:
    """Conditions of the linear and of the condensed regime (section 4.1, Theorems 6 and 8).

    They work for arrays and for symbols alike. margin: distance from the boundary that counts as on
    it.
    """
    linear = (gamma < 1 - margin) | (gamma_prime > gamma - 1 + margin)
    condensed = (gamma > 1 + margin) & (gamma_prime < gamma - 1 - margin)
    return linear, condensed
