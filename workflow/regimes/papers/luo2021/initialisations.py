"""Table 1 of Luo et al. (2021): initialisations in use, as data, and their place in the plane.

Each is a rule for the scales of the unnormalised form (1), (4): f(x) = (1/alpha) sum_k a_k
relu(w_k . x), a_k ~ N(0, beta1^2), w_k ~ N(0, beta2^2 I_d). What the table says about it follows:
kappa and kappa' by equation (8), gamma and gamma' as limits by equations (2) and (14).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy

from regimes.parameterisations.schemes import SCHEMES

WIDTH, N_FEATURES, BETA_EXPONENT = SYMBOLS = sympy.symbols("m d b", positive=True)


@dataclass(frozen=True)
class Initialisation:
    """A rule for the scales; alpha, beta1 and beta2 are text in m (width) and d (n_features).

    A family of rules, a line in the plane, also has b > 0: its scale is beta = m^-b.
    """

    name: str
    references: tuple[str, ...]
    alpha: str
    beta1: str
    beta2: str


def _of_scheme(name: str, key: str, *references: str) -> Initialisation:
    scheme = SCHEMES[key]
    return Initialisation(name, references, scheme.alpha, scheme.beta1, scheme.beta2)


INITIALISATIONS = (
    _of_scheme("LeCun", "lecun", "LeCun et al., 2012"),
    _of_scheme("He", "he", "He et al., 2015"),
    _of_scheme("Xavier", "xavier", "Glorot and Bengio, 2010"),
    _of_scheme("NTK", "ntk", "Jacot et al., 2018"),
    _of_scheme(
        "Mean-field",
        "mean_field",
        "Sirignano and Spiliopoulos, 2020",
        "Rotskoff and Vanden-Eijnden, 2018",
    ),
    Initialisation("E et al.", ("E et al., 2020",), "1", "m**(-b)", "1"),
)


def parse(scale: str) -> sympy.Expr:
    """A scale, as an expression in `SYMBOLS`."""
    return sympy.sympify(scale, locals={symbol.name: symbol for symbol in SYMBOLS})


def kappa(initialisation: Initialisation) -> sympy.Expr:
    """Scale of the output, kappa = beta1 beta2 / alpha: equation (8)."""
    alpha, beta1, beta2 = _scales(initialisation)
    return sympy.simplify(beta1 * beta2 / alpha)


def kappa_prime(initialisation: Initialisation) -> sympy.Expr:
    """Ratio of the layers' scales, kappa' = beta1 / beta2: equation (8)."""
    _, beta1, beta2 = _scales(initialisation)
    return sympy.simplify(beta1 / beta2)


def gamma(initialisation: Initialisation) -> sympy.Expr:
    """Limit of -log kappa / log m for large m: equations (2), (14)."""
    return exponent(kappa(initialisation))


def gamma_prime(initialisation: Initialisation) -> sympy.Expr:
    """Limit of -log kappa' / log m for large m: equations (2), (14)."""
    return exponent(kappa_prime(initialisation))


def slopes(
    initialisation: Initialisation,
    widths: Sequence[int],
    n_features: int,
    b: float | None = None,
) -> tuple[float, float]:
    """Slopes of -log kappa and -log kappa' against log m, by least squares over the widths.

    They tend to gamma and gamma'. widths: those of the networks, (n_widths,); b: needed by a
    family only. NaN with fewer than two widths, or for a family without b.
    """
    values = {N_FEATURES: n_features} | ({} if b is None else {BETA_EXPONENT: b})
    return (
        _slope(kappa(initialisation).subs(values), widths),
        _slope(kappa_prime(initialisation).subs(values), widths),
    )


def _scales(initialisation: Initialisation) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    return parse(initialisation.alpha), parse(initialisation.beta1), parse(initialisation.beta2)


def exponent(scale: sympy.Expr) -> sympy.Expr:
    """Limit of -log scale / log m for large m, of an expression in m and d."""
    # Expanded logarithms make the limit a matter of rational functions of log m.
    logarithm = sympy.expand_log(sympy.log(scale), force=True)
    return sympy.limit(-logarithm / sympy.log(WIDTH), WIDTH, sympy.oo)


def _slope(scale: sympy.Expr, widths: Sequence[int]) -> float:
    if len(set(widths)) < 2 or not scale.free_symbols <= {WIDTH}:
        return float("nan")
    logarithms = [float(-sympy.log(scale.subs(WIDTH, int(width)))) for width in widths]
    return float(np.polyfit(np.log(widths), logarithms, 1)[0])
