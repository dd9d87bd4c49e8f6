"""Claims of Luo et al. (2021) that are bounds of its theorems and their proofs.

Theorem 6 is for m beyond (72) and (73), which no network that can be trained meets (on the four
points m kappa of 1e13): what its bounds do here is outside its hypothesis. Proofs use |x| <= 1 in
each feature and |y| <= 1 only, where the text has [0, 1].
"""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    BOUND,
    CORRECTED,
    ERRATUM,
    TEST,
    THEOREM,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_least,
    at_most,
    claim,
)
from regimes.papers.luo2021.claims.points import EDGE, LOG_M, at_points, past_boundary, slopes
from regimes.papers.luo2021.paper import ALONG_THE_FLOW, FOUR_POINTS, PHASE_DIAGRAM, WIDTHS

MARGIN = 0.12
SIZES = Sizes(seeds=3, contains={"width": WIDTHS[FOUR_POINTS]})
# Losses are kept in single precision: below this exponent their rate is not one.
LEAST_EXPONENT = 1e-3
WITH_LOG = at_most(LOG_M, "log m in (39) and (40) adds 0.116 over these widths")
WITH_ROOT = at_most(LOG_M / 2, "sqrt(log m) adds half of what log m does")
WITHOUT_LOG = at_most(0.0, "the proof has no factor log m")
LIKE_A_MEAN = at_most(-0.4, "-1/2 for a mean; a fifth of it for few seeds: a convention of ours")
EXCESS = "slope less the exponent at each point"
AT_LEAST_ONE = at_least(1.0, "the bound itself, without tolerance")
AT_MOST_ONE = at_most(1.0, "the bound itself, without tolerance")


@claim(
    "L4a",
    says="RD(theta_w) <~ log m / (m kappa) for gamma < 1",
    statistic=EXCESS,
    wanted=WITH_LOG,
    source="Theorem 6 (d), (40)",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
def exponent_w(measures: Measures) -> Finding:
    """Excess of slope_w over gamma - 1."""
    diagram = measures[PHASE_DIAGRAM]
    excess = slopes(diagram) - (diagram["gamma"] - 1)
    return at_points(excess, _everywhere(diagram, diagram["gamma"] < 1 - EDGE), WITH_LOG)


@claim(
    "L4b",
    says="RD(theta_w) <~ kappa' log m / (m kappa) for gamma' > gamma - 1, gamma' > 0",
    statistic=EXCESS,
    wanted=WITH_LOG,
    source="Theorem 6 (d), (40); Proposition 25 has gamma' > 0",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
def exponent_w_above(measures: Measures) -> Finding:
    """Excess of slope_w over gamma - gamma' - 1."""
    diagram = measures[PHASE_DIAGRAM]
    excess = slopes(diagram) - (diagram["gamma"] - diagram["gamma_prime"] - 1)
    inside = (past_boundary(diagram) < -EDGE) & (diagram["gamma_prime"] > EDGE)
    return at_points(excess, inside, WITH_LOG)


@claim(
    "L4c",
    says="RD(theta) <~ log m / (m kappa) for gamma < 1 or gamma' > gamma - 1",
    statistic=EXCESS,
    wanted=WITH_LOG,
    source="Theorem 6 (a), (c), (39)",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def exponent_theta(measures: Measures) -> Finding:
    """Excess of slope_theta over gamma - 1."""
    diagram = measures[PHASE_DIAGRAM]
    excess = slopes(diagram, "theta") - (diagram["gamma"] - 1)
    return at_points(excess, past_boundary(diagram) < -EDGE, WITH_LOG)


@claim(
    "L4d",
    says="RD(theta) <~ sqrt(log m) / (m kappa), as the proofs have it, for gamma < 1 or "
    "gamma' > gamma - 1",
    statistic=EXCESS,
    wanted=WITH_ROOT,
    source="proofs of Propositions 23 and 25; (39) and (40) print log m",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    reading=CORRECTED,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def exponent_theta_of_proof(measures: Measures) -> Finding:
    """The same excess, against the smaller factor."""
    diagram = measures[PHASE_DIAGRAM]
    excess = slopes(diagram, "theta") - (diagram["gamma"] - 1)
    return at_points(excess, past_boundary(diagram) < -EDGE, WITH_ROOT)


@claim(
    "L4e",
    says="RD(theta_w) >~ sqrt(min(1, kappa') / (m kappa)) in the condensed regime",
    statistic="(gamma - 1 - max(gamma', 0)) / 2 less slope_w at each point with R <= 1 / (32 n)",
    wanted=WITHOUT_LOG,
    source="last lines of Theorem 8's proof",
    needs=(PHASE_DIAGRAM,),
    kind=THEOREM,
    sizes=SIZES,
    known=True,
    figure="phase_diagram",
)
def exponent_condensed(measures: Measures) -> Finding:
    """How far slope_w is below the exponent of Theorem 8's proof."""
    diagram = measures[PHASE_DIAGRAM]
    lacking = past_boundary(diagram) / 2 - slopes(diagram)
    fitted = (_losses_over_bound(diagram) <= 1).all(("width", "seed"))
    inside = (past_boundary(diagram) > EDGE) & fitted
    return at_points(lacking, inside, WITHOUT_LOG)


@claim(
    "L4f",
    says="RD(theta_a) <~ log m / (m kappa kappa') for gamma' < 1 - gamma, gamma' < 0",
    statistic=EXCESS,
    wanted=WITH_LOG,
    source="Proposition 26 (c), with the region of Remark 28",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    reading=CORRECTED,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def exponent_a(measures: Measures) -> Finding:
    """Excess of slope_a over gamma + gamma' - 1."""
    diagram = measures[PHASE_DIAGRAM]
    gamma, gamma_prime = diagram["gamma"], diagram["gamma_prime"]
    excess = slopes(diagram, "a") - (gamma + gamma_prime - 1)
    inside = (gamma_prime < 1 - gamma - EDGE) & (gamma_prime < -EDGE)
    return at_points(excess, inside, WITH_LOG)


@claim(
    "L4g",
    says="RD(theta_a) <~ log m / (m kappa) for gamma < 1, gamma' >= 0",
    statistic=EXCESS,
    wanted=WITH_LOG,
    source="(57)",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    sizes=SIZES,
    known=True,
    figure="luo2021/fig10_all_parameters",
)
def exponent_a_above(measures: Measures) -> Finding:
    """Excess of slope_a over gamma - 1."""
    diagram = measures[PHASE_DIAGRAM]
    excess = slopes(diagram, "a") - (diagram["gamma"] - 1)
    inside = (diagram["gamma"] < 1 - EDGE) & (diagram["gamma_prime"] > -EDGE)
    return at_points(excess, inside, WITH_LOG)


def _everywhere(diagram: xr.Dataset, along_gamma: xr.DataArray) -> xr.DataArray:
    return along_gamma & xr.ones_like(diagram["gamma_prime"], dtype=bool)


def _losses_over_bound(diagram: xr.Dataset) -> xr.DataArray:
    """R(T) over 1 / (32 n), which Assumption 3 wants."""
    return diagram["final_loss"] * 32 * diagram["n_train"]


@claim(
    "L7a",
    says="R(t) <= exp(-2 m kappa^2 lambda t / n) R(0) in the linear regime",
    statistic=(
        "smallest ratio of the loss's mean rate of decay from 0 to t to the bound's, over the "
        f"widest networks with gamma <= boundary - {MARGIN:g} and t"
    ),
    wanted=AT_LEAST_ONE,
    source="Theorem 6 (b), (38)",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    sizes=SIZES,
    known=True,
)
def decay(measures: Measures) -> Finding:
    """Smallest decay_rate_ratio of the widest networks of the linear regime, over all seeds."""
    diagram = measures[PHASE_DIAGRAM]
    ratio = diagram["decay_rate_ratio"].sel(width=diagram["width"].max())
    inside = past_boundary(diagram) <= -MARGIN + EDGE
    found = _smallest(ratio, inside)
    share = (diagram["decay_rate_ratio"] >= 1).where(inside).mean(("gamma_prime", "gamma", "seed"))
    shares = ", ".join(f"{float(one):.3g}" for one in share)
    return Finding(found.value, f"{found.detail}; share of runs by width: {shares}")


@claim(
    "L7b",
    says=(
        "R(t) <= exp(-(m kappa^2 / n) rate t) R(0), rate lambda_a / kappa' + kappa' lambda_w for "
        "gamma < 1, lambda_a / kappa' for gamma >= 1, gamma' > gamma - 1"
    ),
    statistic="smallest ratio of mean rates, over the widest networks as for L7a and t",
    wanted=AT_LEAST_ONE,
    source="(56), which lacks its t, and (65), Proposition 25 (b)",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    reading=CORRECTED,
    sizes=SIZES,
)
def sharper_decay(measures: Measures) -> Finding:
    """Smallest ratio of decay rates against the sharper bounds of the propositions."""
    diagram = measures[PHASE_DIAGRAM]
    return _smallest(_ratio(diagram, _sharp_rate(diagram)), past_boundary(diagram) < EDGE - MARGIN)


@claim(
    "L7c",
    says="as printed, without t: R(t) <= exp(-(m kappa^2 / n) (lambda_a / kappa' + kappa' "
    "lambda_w)) R(0) at any t",
    statistic="smallest ratio of log(R(0) / R(t)) to the exponent, over the widest networks with "
    "gamma <= 1 - 0.12 and recorded t",
    wanted=AT_LEAST_ONE,
    source="(56)",
    needs=(PHASE_DIAGRAM,),
    kind=ERRATUM,
    sizes=SIZES,
)
def decay_without_time(measures: Measures) -> Finding:
    """Smallest decay over an exponent that does not grow with time."""
    diagram = measures[PHASE_DIAGRAM]
    ratio = (_decay(diagram) / _sharp_rate(diagram)).min("checkpoint")
    inside = _everywhere(diagram, diagram["gamma"] <= 1 - MARGIN + EDGE)
    return _smallest(ratio, inside)


@claim(
    "L7d",
    says="R(t) <= exp(-m kappa^2 kappa' lambda_w t / n) R(0) for gamma' < 1 - gamma, gamma' < 0",
    statistic="smallest ratio of mean rates, over the widest networks more than 0.12 from the "
    "edge and t",
    wanted=AT_LEAST_ONE,
    source="Proposition 26 (b), with the region of Remark 28",
    needs=(PHASE_DIAGRAM,),
    kind=BOUND,
    reading=CORRECTED,
    sizes=SIZES,
)
def decay_first_layer(measures: Measures) -> Finding:
    """Smallest ratio of decay rates where the first layer alone moves."""
    diagram = measures[PHASE_DIAGRAM]
    _, kappa_prime, factor = _scales(diagram)
    rate = factor * kappa_prime * diagram["smallest_eigenvalue_w"]
    gamma_prime = diagram["gamma_prime"]
    inside = (diagram["gamma"] < 1 - gamma_prime - MARGIN + EDGE) & (gamma_prime < -EDGE)
    return _smallest(_ratio(diagram, rate), inside)


def _scales(diagram: xr.Dataset) -> tuple[xr.DataArray, ...]:
    """kappa, kappa' and m kappa^2 / n of the widest networks."""
    width = float(diagram["width"].max())
    kappa, kappa_prime = width ** -diagram["gamma"], width ** -diagram["gamma_prime"]
    return kappa, kappa_prime, width * kappa**2 / diagram["n_train"]


def _sharp_rate(diagram: xr.Dataset) -> xr.DataArray:
    _, kappa_prime, factor = _scales(diagram)
    of_a = diagram["smallest_eigenvalue_a"] / kappa_prime
    of_w = kappa_prime * diagram["smallest_eigenvalue_w"]
    return factor * xr.where(diagram["gamma"] < 1 - EDGE, of_a + of_w, of_a)


def _decay(diagram: xr.Dataset) -> xr.DataArray:
    """log(R(0) / R(t)) of the widest networks."""
    initial = diagram["initial_loss"].sel(width=diagram["width"].max(), drop=True)
    return np.log(initial / diagram["train_loss"])


def _ratio(diagram: xr.Dataset, rate: xr.DataArray) -> xr.DataArray:
    """Smallest mean rate of decay over a rate, along the run."""
    exponent = rate * diagram["time"]
    ratio = _decay(diagram) / exponent.where(exponent > LEAST_EXPONENT)
    return ratio.min("checkpoint")


def _smallest(ratio: xr.DataArray, inside: xr.DataArray) -> Finding:
    """The smallest ratio of the runs in a region, each of which is to fulfil the bound."""
    if not inside.any():
        raise TooSmallError("no point of the grid is in the region")
    kept = ratio.where(inside)
    missing = int((kept.isnull() & inside).sum())
    if missing:
        return Finding(np.nan, f"{missing} runs have no value (diverged)")
    point = kept.isel(kept.argmin(...))
    holding, count = int((kept >= 1).sum()), int((kept.notnull()).sum())
    place = ", ".join(f"{name} = {point[name].item():g}" for name in sorted(kept.dims))
    detail = f"{holding} of {count} runs at 1 or more; smallest at {place}"
    return Finding(float(point), detail.replace("gamma_prime", "gamma'"))


@claim(
    "L19",
    says="for gamma > 1, gamma' < 1 - gamma training succeeds, without supposing it",
    statistic="share of runs with R(T) <= 1 / (32 n)",
    wanted=at_least(1.0, "with any probability 1 - delta, for m large"),
    source="Remark 28, Assumption 3",
    needs=(PHASE_DIAGRAM,),
    sizes=SIZES,
    known=True,
)
def success(measures: Measures) -> Finding:
    """Share of runs that meet Assumption 3 where Remark 28 says that they do."""
    diagram = measures[PHASE_DIAGRAM]
    gamma, gamma_prime = diagram["gamma"], diagram["gamma_prime"]
    inside = (gamma > 1 + EDGE) & (gamma_prime < 1 - gamma - EDGE)
    if not inside.any():
        raise TooSmallError("no point of the grid is in the region")
    fits = (_losses_over_bound(diagram) <= 1).where(inside)
    starts = diagram.sizes["seed"] * diagram.sizes["width"]
    return Finding(
        float(fits.mean()),
        f"{int(fits.sum())} of {int(fits.notnull().sum())} runs, of {starts} starts: if none "
        f"fails, delta <= {3 / starts:.2g}",
    )


@claim(
    "L18",
    says=(
        "if m kappa <= 1 / (3 sqrt d), R <= 1 / (32 n) and gamma > 1, gamma' < gamma - 1, then "
        "|theta_w|^2 >= min(1, kappa') / (16 sqrt(d) kappa)"
    ),
    statistic="smallest ratio of the two, over all such runs and snapshots",
    wanted=AT_LEAST_ONE,
    source="proof of Theorem 8",
    needs=(ALONG_THE_FLOW,),
    kind=TEST,
    sizes=SIZES,
)
def first_layer(measures: Measures) -> Finding:
    """Smallest ratio of the first layer's squared norm to the bound of Theorem 8's proof."""
    ratio = measures[ALONG_THE_FLOW]["first_layer_ratio"]
    if not ratio.notnull().any():
        raise TooSmallError("no run meets the conditions")
    return Finding(float(ratio.min()), f"of {int(ratio.notnull().sum())} snapshots")


@claim(
    "L21",
    says="each weight moves no farther than (57), (58), (66) and (67) with delta = 0.05",
    statistic="largest movement over its bound, over the runs of the linear regime",
    wanted=AT_MOST_ONE,
    source="Propositions 19 and 22",
    needs=(ALONG_THE_FLOW,),
    kind=BOUND,
    sizes=SIZES,
)
def movements(measures: Measures) -> Finding:
    """Largest movement of a weight over its bound."""
    runs = measures[ALONG_THE_FLOW]
    ratios = {layer: runs[f"movement_ratio_{layer}"] for layer in "aw"}
    if not ratios["a"].notnull().any():
        raise TooSmallError("no run is in the linear regime")
    largest = {layer: float(ratio.max()) for layer, ratio in ratios.items()}
    text = ", ".join(f"{layer}: {value:.3g}" for layer, value in largest.items())
    return Finding(max(largest.values()), text)


@claim(
    "L22a",
    says="at the start weights are within (45) and norms within (50) to (52), delta = 0.05",
    statistic="share of starts within all of them",
    wanted=at_least(0.95, "1 - delta, and norms but with a probability that vanishes"),
    source="Lemma 9, Proposition 16",
    needs=(ALONG_THE_FLOW,),
    kind=TEST,
    sizes=Sizes(seeds=5, contains={"width": WIDTHS[FOUR_POINTS]}),
)
def starts(measures: Measures) -> Finding:
    """Share of starts whose weights and norms are within their bounds."""
    runs = _starts(measures)
    within = runs["start_largest_ratio"] <= 1
    for name in ("start_norm", "start_norm_w", "start_norm_a"):
        within = within & (runs[name] >= 0.5) & (runs[name] <= 1.5)
    return Finding(float(within.mean()), f"{int(within.sum())} of {within.size} starts")


@claim(
    "L22b",
    says="at the start the Gram matrices are close to their limit, as a mean over neurons is",
    statistic="slope of log relative distance against log width",
    wanted=LIKE_A_MEAN,
    source="Remark 4, (36)",
    needs=(ALONG_THE_FLOW,),
    kind=TEST,
    sizes=Sizes(seeds=5, contains={"width": WIDTHS[FOUR_POINTS]}),
)
def grams(measures: Measures) -> Finding:
    """Slope of the Gram matrices' error against the width."""
    runs = _starts(measures).rename(start_gram_error="relative_distance_gram")
    runs = runs.expand_dims("gamma_prime")
    everywhere = xr.ones_like(runs["gamma_prime"], dtype=bool)
    return at_points(slopes(runs, "gram"), everywhere, LIKE_A_MEAN)


@claim(
    "L22c",
    says="at the start lambda_min(G) >= 3/4 kappa^2 (lambda_a / kappa' + kappa' lambda_w), and "
    "lambda_min(G_a) >= 3/4 kappa^2 lambda_a / kappa'",
    statistic="smallest ratio of the sides without 3/4, at the largest width",
    wanted=at_least(0.75, "the bound itself"),
    source="Propositions 17 and 20",
    needs=(ALONG_THE_FLOW,),
    kind=BOUND,
    sizes=SIZES,
)
def eigenvalues(measures: Measures) -> Finding:
    """Smallest ratio of the eigenvalues at the start to their limits."""
    runs = measures[ALONG_THE_FLOW]
    names = ("start_eigenvalue_ratio", "start_eigenvalue_ratio_a")
    smallest = [runs[name].min([d for d in runs[name].dims if d != "width"]) for name in names]
    by_width = np.minimum(*smallest).sortby("width")
    said = ", ".join(f"{float(one):.2g} at {int(one['width'])}" for one in by_width)
    return Finding(float(by_width[-1]), said)


@claim(
    "L22d",
    says="R(0) is within (46), delta = 0.05",
    statistic="largest ratio of R(0) to it",
    wanted=AT_MOST_ONE,
    source="Lemma 10, Remark 11",
    needs=(ALONG_THE_FLOW,),
    kind=TEST,
    sizes=SIZES,
)
def initial_loss(measures: Measures) -> Finding:
    """Largest ratio of the initial loss to its bound."""
    ratio = measures[ALONG_THE_FLOW]["start_loss_ratio"]
    return Finding(float(ratio.max(skipna=False)), f"of {ratio.size} runs")


def _starts(measures: Measures) -> xr.Dataset:
    """What belongs to the starts, which the settings share."""
    return measures[ALONG_THE_FLOW].isel(gamma_prime=0, gamma=0)
