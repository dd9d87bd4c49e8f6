"""Printed forms of Song et al. (2021) that are wrong: Lemma 6 with (66), and activations named."""

import numpy as np

from regimes.claims.core import (
    CORRECTED,
    ERRATUM,
    TEST,
    Finding,
    Measures,
    Sizes,
    at_least,
    at_most,
    claim,
    within,
)
from regimes.claims.sampling import deviates_of_means, largest_deviate
from regimes.papers.song2021.paper import LEMMA3

CHANCE = largest_deviate(1)
NO_MORE = "no more than chance, at 95 %"
DRAWS = Sizes(seeds=5, contains={"width": (200, 6400)})
FLUCTUATION = "exponent in d_1 of |M_0 - E M_0|, as a deviate from {}"


def _exponents(measures: Measures) -> np.ndarray:
    """Exponents in d_1 of the fluctuation, (seeds,), means over n and d_0."""
    values = measures[LEMMA3]["fluctuation"].transpose("width", "seed", ...)
    logs = np.log(values.values.reshape(*values.shape[:2], -1)).mean(-1)
    width = np.log(values["width"].values.astype(float))
    width = width - width.mean()
    return np.asarray(width @ logs / (width @ width))


@claim(
    "S31",
    says=(
        "M_0 = act(X^T W^T) act(W X) is Lipschitz in W with a constant of order (ln d_1)^(1/2), so "
        "that it fluctuates by no more"
    ),
    statistic=FLUCTUATION.format("0"),
    wanted=at_most(CHANCE, NO_MORE),
    source="Lemma 6, (66)",
    needs=(LEMMA3,),
    kind=ERRATUM,
    sizes=DRAWS,
    known=True,
)
def fluctuation_printed(measures: Measures) -> Finding:
    """Against the printed exponent 0."""
    exponents = _exponents(measures)
    detail = f"exponent {exponents.mean():.3f}: the constant is that of one row, of d_1"
    return Finding(float(deviates_of_means(exponents)[0]), detail)


@claim(
    "S32",
    says="the sum over d_1 independent rows fluctuates as d_1^(1/2), beside a mean of order d_1",
    statistic=FLUCTUATION.format("1/2"),
    wanted=within(-CHANCE, CHANCE, NO_MORE),
    source="Lemma 6, (59), (66)",
    needs=(LEMMA3,),
    kind=TEST,
    reading=CORRECTED,
    sizes=DRAWS,
    known=True,
)
def fluctuation_corrected(measures: Measures) -> Finding:
    """Against 1/2."""
    exponents = _exponents(measures)
    return Finding(float(deviates_of_means(exponents - 0.5)[0]), f"exponent {exponents.mean():.3f}")


@claim(
    "S33",
    says="GELU, sigmoid and tanh have act(0) = 0",
    statistic="largest |act(0)|",
    wanted=at_most(0.0, "Assumption 2"),
    source="section 5.1, after Assumption 2",
    needs=(LEMMA3,),
    kind=ERRATUM,
    known=True,
)
def at_zero(measures: Measures) -> Finding:
    """Of the three activations."""
    values = abs(measures[LEMMA3]["value_at_zero"]).sel(named=["gelu", "sigmoid", "tanh"])
    return Finding(float(values.max()), f"of {values['named'].values[np.argmax(values.values)]}")


GROWTH = "largest sum to i = 39 over that to i = 19, of GELU, sigmoid and tanh"
CONVERGES = at_most(1.01, "a convention of ours for a sum that converges")


@claim(
    "S34",
    says="GELU, sigmoid and tanh have a finite Hermite norm, the sum of c_i^2",
    statistic=GROWTH,
    wanted=CONVERGES,
    source="Definition 4, Assumption 2",
    needs=(LEMMA3,),
    kind=ERRATUM,
    known=True,
)
def hermite_printed(measures: Measures) -> Finding:
    """With the polynomials of (47)."""
    return _growth(measures, "hermite_growth")


@claim(
    "S35",
    says="they have a finite sum of c_i^2 / i!, which the proofs use",
    statistic=GROWTH,
    wanted=CONVERGES,
    source="Definition 4, (57)",
    needs=(LEMMA3,),
    kind=TEST,
    reading=CORRECTED,
    known=True,
)
def hermite_corrected(measures: Measures) -> Finding:
    """With normalised polynomials."""
    return _growth(measures, "normalised_growth")


def _growth(measures: Measures, name: str) -> Finding:
    values = measures[LEMMA3][name].sel(named=["gelu", "sigmoid", "tanh"])
    return Finding(float(values.max()), f"of {values['named'].values[np.argmax(values.values)]}")


@claim(
    "S36",
    says=(
        "sigmoid, tanh and ELU have |act(tau a)| <= tau^r |act(a)| for all a and tau < 1, with "
        "some r"
    ),
    statistic="change of the largest r from |a| <= 20 to |a| <= 40, the least of the three",
    wanted=at_least(-0.01, "0 where there is one; a convention of ours"),
    source="Theorem 3, footnote 3",
    needs=(LEMMA3,),
    kind=ERRATUM,
    known=True,
)
def power_condition(measures: Measures) -> Finding:
    """Of the three activations; that of GELU, which the experiments have, in the detail."""
    powers = measures[LEMMA3]["least_power"]
    change = powers.isel(range=1) - powers.isel(range=0)
    three = change.sel(named=["sigmoid", "tanh", "elu"])
    shown = ", ".join(
        f"{name} {float(powers.sel(named=name).isel(range=1)):.3g}"
        for name in powers["named"].values
    )
    return Finding(float(three.min()), f"largest r for |a| <= 40: {shown}")
