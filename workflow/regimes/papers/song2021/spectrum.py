"""Lemma 3 and condition (9) of Song et al. (2021) at random starts, and Hermite coefficients."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.special import expit

from regimes.activations.derivatives import ACTIVATIONS as FUNCTIONS
from regimes.kernels.hermite import (
    NODES,
    norm,
    normalised_coefficients,
    normalised_polynomials,
)
from regimes.kernels.near_isometry import Constants
from regimes.papers.song2021.lemma3 import least_hidden_singular_value, locality
from regimes.storage.layout import described, labelled

# Code of the training points in `split` of a data set.
TRAIN = 0
ACTIVATIONS = ("gelu", "relu", "tanh")
DEGREES = 12
# Powers t of (20) that are tried.
POWERS = range(1, 9)
# Exponents are fitted over widths of at least this many times n: near n the smallest singular value
# is below its limit.
LEAST_WIDTH = 8


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Compare the random starts of `engines.at_initialisation.jacobian_spectrum` with the theory.

    data: what the runs were drawn with. Over n_features, n_train, width and seed:

    - all variables of the runs; mu_ratio: mu over sigma_min of the Jacobian's adjoint, nu_ratio:
      sigma_max over nu, and beta_ratio: the largest change of the Jacobian over beta times the
      distance, over all pairs: Lemma 3 holds where they are at most 1;
    - locality: h(Theta_0) over the right side of (9), whose constant is 1 here;
    - mu_bound: the lower bound (c_t^2 d_1 / t!)^(1/2) sigma_min(X^(*t)) of Section 5.3, the largest
      over t = 1 to 8, and its power t (n_features, n_train, seed);
    - mu_exponent, locality_exponent (n_features, n_train, seed): slopes of their logarithms against
      that of the width, from 8 n on; NaN with fewer than two widths;
    - least_width: width at which a line of this slope through the widest network makes locality 1;
    - hermite (activation, degree): c_i / (i!)^(1/2) of Definition 4, and hermite_norm.

    Of the activations that the text names, NAMED, in closed form or by quadrature:

    - value_at_zero; hermite_growth: sum of c_i^2 for i < 40 over that for i < 20, 1 or little more
      where it converges, and normalised_growth: the same of c_i^2 / i!;
    - least_power: the least ln(|act(tau a)| / |act(a)|) / ln tau for |a| <= 20 and 40 (range),
      tau < 1: r_2 of Theorem 3 is to be no more.
    """
    result = runs.copy()
    result["mu_ratio"] = labelled(
        runs["mu"] / runs["initial_smallest_singular_value"], "mu of Lemma 3 over sigma_min"
    )
    result["nu_ratio"] = labelled(
        runs["initial_largest_singular_value"] / runs["nu"], "sigma_max over nu of Lemma 3"
    )
    result["beta_ratio"] = labelled(
        runs["change_over_bound"].max(["direction", "distance"]),
        "largest change of the Jacobian over beta of Lemma 3 times the distance",
    )
    found = Constants(runs["mu"], runs["nu"], runs["beta"])
    result["locality"] = labelled(
        locality(found, runs["initial_loss"]),
        "h(Theta_0) over alpha_f mu^6 / (beta^2 nu^2), the right side of (9) without its constant",
    )
    root_bound, power = _mu_bounds(runs, data)
    result["mu_bound"] = labelled(
        root_bound * np.sqrt(runs["width"]), "lower bound of Section 5.3 on mu, for omega_1 = 1"
    )
    result["mu_bound_power"] = labelled(power, "power t of the lower bound on mu")
    mu_exponent, _ = _power_law(runs["mu"])
    result["mu_exponent"] = labelled(mu_exponent, "exponent of mu as a power of the width")
    exponent, at_widest = _power_law(result["locality"])
    result["locality_exponent"] = labelled(exponent, "exponent of locality in the width")
    widest = int(runs["width"].max())
    result["least_width"] = labelled(
        widest * np.exp(-at_widest / exponent), "width at which condition (9) would hold"
    )
    return result.merge(_hermite()).merge(_named())


def _mu_bounds(runs: xr.Dataset, data: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """The bound on mu for one neuron, and its power, (n_features, n_train, seed)."""
    coefficients = normalised_coefficients(runs.attrs["activation"], max(POWERS) + 1)

    def bounds(inputs: np.ndarray) -> list[float]:
        return [least_hidden_singular_value(inputs, 1, t, coefficients[t]) for t in POWERS]

    largest = of_points(runs, data, lambda inputs: max(bounds(inputs)))
    power = of_points(runs, data, lambda inputs: POWERS[int(np.argmax(bounds(inputs)))])
    return largest, power


def of_points(
    runs: xr.Dataset, data: xr.Dataset, quantity: Callable[[np.ndarray], float]
) -> xr.DataArray:
    """A quantity of the inputs X (d_0, n) of the runs, over n_features, n_train and seed."""
    points = data.isel(point=data["split"].values == TRAIN)
    axes = {name: runs[name] for name in ("n_features", "n_train", "seed")}
    values = xr.DataArray(np.empty([len(axis) for axis in axes.values()]), axes)
    for index in np.ndindex(values.shape):
        n_features, n_train, seed = (
            int(axis[at]) for axis, at in zip(axes.values(), index, strict=True)
        )
        one = points.isel(draw=seed) if "draw" in points.dims else points
        inputs = one["inputs"].transpose("feature", "point").values[:n_features, :n_train]
        values[index] = quantity(inputs / np.linalg.norm(inputs, axis=0))
    return values


def _power_law(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Slope of ln values against ln width, and ln values at the widest by the fit."""
    logs = np.log(values.where(values["width"] >= LEAST_WIDTH * values["n_train"]))
    widest = np.log(float(values["width"].max()))

    def line(log_values: np.ndarray, log_width: np.ndarray) -> tuple[float, float]:
        known = np.isfinite(log_values)
        if known.sum() < 2:
            return np.nan, np.nan
        slope, constant = np.polyfit(log_width[known] - widest, log_values[known], 1)
        return slope, constant

    return xr.apply_ufunc(
        line,
        logs,
        np.log(values["width"].astype(np.float64)),
        input_core_dims=[["width"], ["width"]],
        output_core_dims=[[], []],
        vectorize=True,
    )


def _hermite() -> xr.Dataset:
    names = ("activation", "degree")
    values = [normalised_coefficients(name, DEGREES + 1) for name in ACTIVATIONS]
    coords = {
        "activation": ("activation", list(ACTIVATIONS), described("activation function")),
        "degree": ("degree", np.arange(DEGREES + 1), described("degree i of the polynomial")),
    }
    variables = {
        "hermite": (names, values, described("c_i / (i!)^(1/2), c_i of Definition 4")),
        "hermite_norm": (
            "activation",
            [norm(name) for name in ACTIVATIONS],
            described("(E act(z)^2)^(1/2), z standard normal"),
        ),
    }
    return xr.Dataset(variables, coords)


# Activations of Assumption 2 and of footnote 3, and GELU of the experiments.
NAMED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": FUNCTIONS["gelu"].value,
    "sigmoid": expit,
    "tanh": np.tanh,
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
}
RANGES = (20.0, 40.0)
TERMS = (20, 40)


def _named() -> xr.Dataset:
    places, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights /= weights.sum()
    polynomials = normalised_polynomials(places, TERMS[1])
    # i! up to i = 39.
    factorials = np.concatenate([[1.0], np.cumprod(np.arange(1.0, TERMS[1]))])
    names = list(NAMED)
    at_zero, powers = [], []
    growth: list[float] = []
    normalised: list[float] = []
    for act in NAMED.values():
        at_zero.append(float(act(np.zeros(1))[0]))
        squares = (polynomials @ (weights * act(places))) ** 2
        for kept, terms in ((growth, squares * factorials), (normalised, squares)):
            kept.append(terms.sum() / terms[: TERMS[0]].sum())
        powers.append([_least_power(act, largest) for largest in RANGES])
    return xr.Dataset(
        {
            "value_at_zero": ("named", at_zero, described("act(0)")),
            "hermite_growth": ("named", growth, described("sum of c_i^2 to i = 39 over to 19")),
            "normalised_growth": (
                "named",
                normalised,
                described("sum of c_i^2 / i! to i = 39 over to 19"),
            ),
            "least_power": (("named", "range"), powers, described("least exponent in tau")),
        },
        {
            "named": ("named", names, described("activation that the text names")),
            "range": ("range", list(RANGES), described("largest |a|")),
        },
    )


def _least_power(act: Callable[[np.ndarray], np.ndarray], largest: float) -> float:
    places = np.linspace(0.5, largest, 80)
    places = np.concatenate([-places, places])[:, None]
    shares = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(np.abs(act(shares * places) / act(places))) / np.log(shares)
    # Where act underflows there is none.
    return float(np.min(values[np.isfinite(values)]))
