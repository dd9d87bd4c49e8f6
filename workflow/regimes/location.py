"""Where a two-layer network lies on the phase plane of Luo et al. (2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import sympy
import xarray as xr

from regimes.config.layers import hint
from regimes.errors import ConfigError, DataError
from regimes.expressions.formulas import parse
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.initialisations import N_FEATURES, WIDTH, exponent
from regimes.papers.luo2021.regime_map import regime
from regimes.parameterisations.schemes import SCHEMES, Scheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

    # A number, a law as text in m and d, or a number for each width.
    Quantity = float | str | Sequence[float]

# nn.Linear draws from U(-1, 1) / sqrt(fan-in), whose variance is 1 / (3 fan-in).
LAWS = SCHEMES | {"pytorch": Scheme("1", "sqrt(1/(3*m))", "sqrt(1/(3*d))", symmetric=True)}
# Scales agree with those of a scheme up to this, or so many standard errors of measured ones.
AGREEMENT, ERRORS = 0.02, 4.0
LARGEST = 10**9
# Widths at which laws have to be positive, and the number of features where none is given.
LARGE, SOME_FEATURES = (10**6, 10**9), 10
SYMBOLS = {"m": WIDTH, "d": N_FEATURES}
# The quantities by their names in `locate`.
NAMES = ("std_w", "std_a", "factor", "rate_w", "rate_a")


@dataclass(frozen=True)
class Location:
    """A place on the phase plane, and what it was found from.

    gamma, gamma_prime: exponents of kappa = beta1 beta2 / alpha ~ m^-gamma and of kappa' = beta1 /
    beta2 ~ m^-gamma', with their standard errors (0 for those of a law). regime: "linear",
    "critical" or "condensed", which theory predicts as the width grows. boundary_gamma: the gamma
    of the boundary at this gamma'. alpha, beta1, beta2: of f = (1/alpha) sum_k a_k act(w_k . x)
    with a ~ N(0, beta1^2), w ~ N(0, beta2^2) and equal learning rates, at the (largest) width;
    None where a law was given without width. assumptions: what was taken for granted.
    """

    gamma: float
    gamma_prime: float
    regime: str
    boundary_gamma: float
    alpha: float | None
    beta1: float | None
    beta2: float | None
    gamma_stderr: float = 0.0
    gamma_prime_stderr: float = 0.0
    width: int | None = None
    n_features: int | None = None
    assumptions: tuple[str, ...] = field(default=(), repr=False)

    @property
    def distance(self) -> float:
        """The gamma minus that of the boundary: negative in the linear regime."""
        return self.gamma - self.boundary_gamma

    def plot(self, axes: Axes | None = None, diagram: xr.Dataset | None = None) -> Axes:
        r"""Draw the place on the phase diagram, and return the axes.

        axes: to draw on; by default new ones. diagram: measured slopes behind it, in place of the
        regimes of theory, such as `regimes.open("phase_diagram")`.

        For example:

        >>> import regimes
        >>> regimes.locate(scheme="he").plot().get_xlabel()
        "$\\gamma'$"
        """
        import matplotlib.pyplot as plt

        from regimes.papers.luo2021.fig01_regimes import (
            GAMMA_PRIME_RANGE,
            GAMMA_RANGE,
            draw_boundary,
            shade,
        )
        from regimes.papers.luo2021.plane import draw_plane

        if axes is None:
            axes = plt.subplots(figsize=(5.4, 4.8), layout="constrained")[1]
        if diagram is None:
            shade(axes)
            draw_boundary(axes)
            limits = GAMMA_PRIME_RANGE, GAMMA_RANGE
        else:
            if missing := {"gamma", "gamma_prime", "slope_w"} - {
                *getattr(diagram, "variables", ())
            }:
                raise DataError(
                    'diagram must be measures as regimes.open("phase_diagram"); it lacks '
                    f"{', '.join(sorted(missing))}"
                )
            drawn = {"slope": "slope_w", "symbol": "S_w", "boundary": "boundary_gamma"}
            draw_plane(
                cast("Figure", axes.get_figure(root=True)),
                axes,
                diagram,
                theory=boundary_gamma,
                **drawn,
            )
            limits = axes.get_xlim(), axes.get_ylim()
        axes.errorbar(
            self.gamma_prime,
            self.gamma,
            xerr=2 * self.gamma_prime_stderr or None,
            yerr=2 * self.gamma_stderr or None,
            fmt="o",
            color="black",
            markeredgecolor="white",
            markersize=9,
            capsize=3,
            zorder=6,
        )
        # A place outside of what is drawn is seen all the same.
        across, up = (
            (min(low, one - 0.25), max(high, one + 0.25))
            for (low, high), one in zip(limits, (self.gamma_prime, self.gamma), strict=True)
        )
        axes.set(xlabel=r"$\gamma'$", ylabel=r"$\gamma$", xlim=across, ylim=up)
        return axes

    def __str__(self) -> str:
        def error(value: float) -> str:
            return f" +- {value:.2g}" if value else ""

        where = "on it" if self.regime == "critical" else f"{abs(self.distance):.3g} from it"
        lines = [
            f"gamma = {self.gamma:.4g}{error(self.gamma_stderr)}, "
            f"gamma' = {self.gamma_prime:.4g}{error(self.gamma_prime_stderr)}: {self.regime} as "
            "the width grows",
            f"boundary: gamma = {self.boundary_gamma:.4g} at this gamma', {where}",
        ]
        if self.alpha is not None:
            lines.append(
                f"alpha = {self.alpha:.4g}, beta1 = {self.beta1:.4g}, beta2 = {self.beta2:.4g} at "
                f"width {self.width}"
            )
        return "\n".join([*lines, *(f"assumed: {one}" for one in self.assumptions)])


def locate(
    *networks: nn.Module,
    scheme: str | None = None,
    width: int | Sequence[int] | None = None,
    n_features: int | None = None,
    std_w: Quantity | None = None,
    std_a: Quantity | None = None,
    factor: Quantity | None = None,
    rate_w: Quantity = 1.0,
    rate_a: Quantity = 1.0,
) -> Location:
    """Where a two-layer network f(x) = factor * sum_k a_k act(w_k . x) lies on the phase plane.

    gamma and gamma' are powers of the width m, which no single network fixes: they come from a
    named scheme, from laws, or from networks of two or more widths.

    networks: torch modules with two linear layers, not yet trained, whose weights are measured; a
    single one is compared with the named schemes. scheme: lecun, he, xavier, ntk, mean_field
    (Table 1 of the paper), unscaled, or pytorch, the default of nn.Linear. width, n_features: m and
    d, the fan-in; several widths with a list of each number that changes. std_w, std_a: standard
    deviations of the initial weights, as numbers, or as laws in m and d such as "sqrt(2/m)".
    factor: what the sum is multiplied by, 1 unless the scheme says otherwise. rate_w, rate_a:
    learning rates of the layers; only their ratio counts.

    With rates eta the network moves as one of equal rates with beta1 = std_a / sqrt(eta_a), beta2 =
    std_w / sqrt(eta_w) and 1/alpha = factor sqrt(eta_a eta_w), so that kappa = factor std_a std_w
    and kappa' = std_a / std_w sqrt(eta_w / eta_a): equations (2), (8) and (14) of Luo et al.
    (2021).
    Raises ConfigError, naming the argument, for what is missing, unknown or contradictory.

    For example:

    >>> import regimes
    >>> place = regimes.locate(scheme="mean_field")
    >>> place.gamma, place.gamma_prime, place.regime
    (1.0, 0.0, 'critical')
    >>> regimes.locate(std_w="1", std_a="1/m", factor="1/m", rate_a="1/m").regime
    'condensed'
    """
    assumed = ["the activation is ReLU, or homogeneous as that is"]
    given = {"std_w": std_w, "std_a": std_a, "factor": factor, "rate_w": rate_w, "rate_a": rate_a}
    errors: dict[str, np.ndarray] = {}
    widths = _widths(width)
    if networks:
        if any(one is not None for one in (scheme, std_w, std_a, width, n_features)):
            raise ConfigError("give networks, or scheme, width, n_features, std_w, std_a; not both")
        widths, n_features, measured, errors = _measured(networks, assumed)
        given |= measured
    if n_features is not None:
        (n_features,) = _whole("n_features", [n_features])
    given = {name: _quantity(name, one, max(1, len(widths))) for name, one in given.items()}
    if scheme is not None:
        given |= _of_scheme(scheme, given)
    elif given["std_w"] is None or given["std_a"] is None:
        missing = [name for name in ("std_w", "std_a") if given[name] is None]
        raise ConfigError(
            f"{' and '.join(missing)} missing: give std_w and std_a, a scheme "
            f"({', '.join(LAWS)}), or torch modules with two linear layers"
        )
    if given["factor"] is None:
        given["factor"] = 1.0
        assumed.append("nothing in front of the sum: factor = 1")
    # Of several widths, whose slopes are not needed where all are laws.
    if len(widths) > 1 and any(isinstance(one, list) for one in given.values()):
        return _of_widths(widths, n_features, given, errors, assumed)
    numbers = [name for name in NAMES[:3] if not isinstance(given[name], str)]
    if scheme is None and (networks or len(numbers) == 3):
        found = _matching(widths, n_features, {name: given[name] for name in numbers}, errors)
        given |= {name: law for name, law in _of_scheme(found, {}).items() if name in numbers}
        assumed.append(f"the scales follow the law of scheme {found}, with which they agree")
    return _of_laws(max(widths) if widths else None, n_features, given, assumed)


def _widths(width: Any) -> list[int]:
    """The widths that were given."""
    if width is None:
        return []
    widths = _whole("width", [width] if np.ndim(width) == 0 else list(width))
    if len(set(widths)) < len(widths):
        raise ConfigError(f"width = {width!r}; several widths must be different ones")
    return widths


def _whole(name: str, values: list[Any]) -> list[int]:
    """Whole numbers from 1 to LARGEST, as the argument of this name is to have."""
    for value in values or [None]:
        if (
            isinstance(value, bool | np.bool_)
            or not isinstance(value, int | np.integer)
            or not 1 <= value <= LARGEST
        ):
            raise ConfigError(f"{name} = {value!r}; must be a whole number, 1 to {LARGEST:g}")
    return [int(value) for value in values]


def _quantity(name: str, value: Any, count: int) -> Any:
    """A quantity as None, a law as text, a positive number, or a list of such for all widths."""
    if value is None or isinstance(value, str):
        return value
    listed = [value] if np.ndim(value) == 0 else list(value)
    if any(
        isinstance(one, bool | np.bool_)
        or not isinstance(one, int | float | np.number)
        or not 0 < one < math.inf
        for one in listed
    ):
        raise ConfigError(
            f"{name} = {value!r}; must be a positive number, a law in m and d as text, or a list "
            "of numbers, one for each width"
        )
    if np.ndim(value) == 0 or (len(listed) == 1 == count):
        return float(listed[0])
    if len(listed) != count:
        raise ConfigError(f"{name} has {len(listed)} values; needed are {count}, as of width")
    return [float(one) for one in listed]


def _measured(
    networks: Sequence[Any], assumed: list[str]
) -> tuple[list[int], int, dict[str, list[float]], dict[str, np.ndarray]]:
    """Widths, fan-in and root mean squares of the weights of modules, with relative errors."""
    from torch import nn

    rows = []
    for network in networks:
        if not isinstance(network, nn.Module):
            raise ConfigError(
                f"networks: {type(network).__name__} is no torch.nn.Module; name a scheme as "
                "scheme=..."
            )
        layers = [one for one in network.modules() if isinstance(one, nn.Linear)]
        counted = sum(one.numel() for layer in layers for one in layer.parameters())
        if (
            len(layers) != 2
            or layers[0].out_features != layers[1].in_features
            or counted != sum(one.numel() for one in network.parameters())
        ):
            raise ConfigError(
                "networks: a module must have two linear layers, of which the second takes what "
                f"the first gives, and no other parameters; this one has {len(layers)} such layers"
            )
        if any(one.weight.is_meta or one.weight.is_complex() for one in layers):
            raise ConfigError("networks: the weights of a module must be real numbers, in memory")
        squares = [float(one.weight.detach().double().square().mean()) for one in layers]
        counts = [one.weight.numel() for one in layers]
        if not all(0 < one < math.inf for one in squares):
            raise ConfigError("networks: the weights of a layer are all 0, or not finite")
        has_bias = layers[0].bias is not None
        rows.append(
            (layers[0].out_features, layers[0].in_features, *np.sqrt(squares), *counts, has_bias)
        )
    widths, n_features, std_w, std_a, count_w, count_a, biased = zip(*rows, strict=True)
    if len(set(widths)) < len(widths) or len(set(n_features)) > 1:
        raise ConfigError(
            "networks: give one, or several of different widths and the same number of inputs"
        )
    assumed.append("the modules are as they were initialised, not trained")
    if any(biased):
        assumed.append("biases are the weights of a constant input, or left out")
    # Of root mean squares of normal weights; those of uniform ones are smaller.
    errors = {
        "std_w": 1 / np.sqrt(2 * np.array(count_w)),
        "std_a": 1 / np.sqrt(2 * np.array(count_a)),
    }
    return list(widths), n_features[0], {"std_w": list(std_w), "std_a": list(std_a)}, errors


def _of_scheme(scheme: Any, given: Mapping[str, Any]) -> dict[str, str]:
    """The laws of a named scheme."""
    if not isinstance(scheme, str) or scheme not in LAWS:
        raise ConfigError(
            f"scheme = {scheme!r}; {hint(scheme, list(LAWS))}allowed: {', '.join(LAWS)}"
        )
    for name in ("std_w", "std_a", "factor"):
        if given.get(name) is not None:
            raise ConfigError(f"{name}: scheme {scheme} says it already; give one of the two")
    law = LAWS[scheme]
    return {"std_w": law.beta2, "std_a": law.beta1, "factor": f"1/({law.alpha})"}


def _matching(
    widths: Sequence[int],
    n_features: int | None,
    given: Mapping[str, Any],
    errors: Mapping[str, np.ndarray],
) -> str:
    """The scheme whose scales, of those given, a single network has; ConfigError if none has."""
    matching = {}
    if widths and n_features is not None:
        values = {name: np.atleast_1d(one)[0] for name, one in given.items()}
        for name in LAWS:
            laws = {key: _law(key, one) for key, one in _of_scheme(name, {}).items()}
            place = {WIDTH: widths[0], N_FEATURES: n_features}
            if all(
                math.isclose(
                    values[key],
                    float(laws[key].subs(place)),
                    rel_tol=max(AGREEMENT, ERRORS * float(errors.get(key, [0.0])[0])),
                )
                for key in values
            ):
                known = laws["factor"] if "factor" in values else 1
                matching[name] = (
                    exponent(known * laws["std_a"] * laws["std_w"]),
                    exponent(laws["std_a"] / laws["std_w"]),
                )
    if len(set(matching.values())) == 1:
        return next(iter(matching))
    found = f"they agree with {', '.join(matching)} alike" if matching else "no scheme has them"
    if not (widths and n_features is not None):
        found = "width and n_features are needed to compare them with the named schemes"
    raise ConfigError(
        "std_w, std_a: a single network fixes no power of the width: these may be constants as "
        f'well as laws such as "sqrt(1/m)", and {found}; give laws as text in m and d, a scheme '
        f"({', '.join(LAWS)}), or networks of two widths"
    )


def _of_widths(
    widths: list[int],
    n_features: int | None,
    given: Mapping[str, Any],
    errors: Mapping[str, np.ndarray],
    assumed: list[str],
) -> Location:
    """The place of networks of several widths: slopes of log kappa and log kappa' over log m."""
    values = {}
    for name in NAMES:
        if isinstance(given[name], str):
            values[name] = np.array([_at(name, given[name], one, n_features) for one in widths])
        else:
            values[name] = np.broadcast_to(given[name], len(widths))
    x = np.log(widths) - np.mean(np.log(widths))
    weights = -x / (x @ x)
    logs = {name: np.log(one) for name, one in values.items()}
    kappa = logs["factor"] + logs["std_a"] + logs["std_w"]
    kappa_prime = logs["std_a"] - logs["std_w"] + 0.5 * (logs["rate_w"] - logs["rate_a"])
    slopes = {name: float(np.sqrt(weights**2 @ one**2)) for name, one in errors.items()}
    error_w, error_a = (slopes.get(name, 0.0) for name in ("std_w", "std_a"))
    # Of exact powers, without what rounding adds; 0.0 is not to be -0.0.
    gamma, gamma_prime = (round(float(weights @ one), 12) + 0.0 for one in (kappa, kappa_prime))
    listed = ", ".join(map(str, widths))
    assumed.append(f"the powers of m between widths {listed} go on to all larger ones")
    last = int(np.argmax(widths))
    scales = {name: float(one[last]) for name, one in values.items()}
    # Where gamma' moves the boundary, the distance is that of kappa / kappa', in std_w^2.
    of_distance = 2 * error_w if gamma_prime > 0 else math.hypot(error_w, error_a)
    if abs(gamma - float(boundary_gamma(xr.DataArray(gamma_prime)))) < 2 * of_distance:
        assumed.append("the boundary is within two standard errors: wider networks would tell")
    error = math.hypot(error_w, error_a)
    return _location(gamma, gamma_prime, error, scales, widths[last], n_features, assumed)


def _of_laws(
    width: int | None, n_features: int | None, given: Mapping[str, Any], assumed: list[str]
) -> Location:
    """The place that laws give: limits of -log kappa / log m and -log kappa' / log m."""
    laws: dict[str, sympy.Expr] = {}
    for name in NAMES:
        laws[name] = _law(name, given[name])
        if not isinstance(given[name], str) and (
            name not in ("rate_w", "rate_a") or laws[name] != 1
        ):
            assumed.append(f"{name} = {given[name]:g} does not depend on the width")
    kappa = laws["factor"] * laws["std_a"] * laws["std_w"]
    kappa_prime = laws["std_a"] / laws["std_w"] * sympy.sqrt(laws["rate_w"] / laws["rate_a"])
    places = {}
    for name, scale in (("kappa", kappa), ("kappa'", kappa_prime)):
        limit = exponent(sympy.powsimp(scale))
        if not limit.is_number or not limit.is_finite:
            raise ConfigError(f"{name} = {scale} is no power of the width m for large m")
        places[name] = float(limit)
    for name in NAMES:
        for large in LARGE:
            _at(name, given[name], large, n_features or SOME_FEATURES)
    scales = None
    free = set().union(*(law.free_symbols for law in laws.values()))
    if width is not None and (N_FEATURES not in free or n_features is not None):
        scales = {name: _at(name, given[name], width, n_features) for name in NAMES}
    return _location(places["kappa"], places["kappa'"], 0.0, scales, width, n_features, assumed)


def _location(
    gamma: float,
    gamma_prime: float,
    error: float,
    scales: Mapping[str, float] | None,
    width: int | None,
    n_features: int | None,
    assumed: list[str],
) -> Location:
    boundary = float(boundary_gamma(xr.DataArray(gamma_prime)))
    alpha = beta1 = beta2 = None
    if scales is not None:
        alpha = 1 / (scales["factor"] * math.sqrt(scales["rate_a"] * scales["rate_w"]))
        beta1 = scales["std_a"] / math.sqrt(scales["rate_a"])
        beta2 = scales["std_w"] / math.sqrt(scales["rate_w"])
    return Location(
        gamma=gamma,
        gamma_prime=gamma_prime,
        regime=str(regime(gamma, gamma_prime)),
        boundary_gamma=boundary,
        alpha=alpha,
        beta1=beta1,
        beta2=beta2,
        gamma_stderr=error,
        gamma_prime_stderr=error,
        width=width,
        n_features=n_features,
        assumptions=tuple(assumed),
    )


def _law(name: str, value: Any) -> sympy.Expr:
    """A quantity as an expression in m and d."""
    if not isinstance(value, str):
        return sympy.nsimplify(np.atleast_1d(value)[0], rational=True)
    try:
        expression = parse(value, list(SYMBOLS))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    free = {one: SYMBOLS[one.name] for one in expression.free_symbols}
    return expression.subs(free)


def _at(name: str, value: Any, width: int, n_features: int | None) -> float:
    """The value of a quantity for a network."""
    law = _law(name, value)
    if N_FEATURES in law.free_symbols and n_features is None:
        raise ConfigError(f"n_features is missing: {name} = {value!r} has d in it")
    found = law.subs({WIDTH: width} | ({N_FEATURES: n_features} if n_features else {})).evalf()
    if not found.is_real or not found > 0 or not math.isfinite(float(found)):
        raise ConfigError(f"{name} = {value!r} is {found} at width {width:g}; must be positive")
    return float(found)
