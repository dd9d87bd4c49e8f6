"""Claims of Caron et al. (2023) on training: convergence, and what it changes.

Settings (gamma, alpha) are (1, -), (0.5, 0.7), (0.5, 0.5) and (0, 0.4). The change of the weights
is that of the node that moved most by the end, which is the node that the paper shows.
"""

import numpy as np
import xarray as xr

from regimes.claims.core import (
    CODE,
    Finding,
    Measures,
    Sizes,
    at_least,
    at_most,
    claim,
)
from regimes.claims.sampling import mean_of, trend
from regimes.papers.caron2023.orders import (
    ORDERED,
    alpha_pairs,
    as_ratio,
    complete,
    differences,
    gamma_pairs,
    listed,
    ratios,
    symmetric_pairs,
)
from regimes.papers.caron2023.paper import (
    AIRFOIL,
    CIFAR10,
    CONCRETE,
    ENERGY,
    ENERGY_CODE,
    MNIST,
    PAPER,
    PLANT,
    SEEDS,
    SIMULATED,
    SIMULATED_CODE,
    WIDTHS,
    full_size,
)
from regimes.parameterisations.node_scaling import zipf_sum_of_squares
from regimes.statistics import power_law_slope

FIG01 = "caron2023/fig01_simulated"
OF_CODE = (1.0, 0.5, 0.2, 0.0)
BY_GAMMA = "weights and NTG change more with smaller gamma"
BY_ALPHA = "weights and NTG change more with smaller alpha, at gamma = 0.5"
OF_BOTH = (
    "smallest ratio, of seeds, of the final change of the node that moved most, and of the NTG"
)
OF_WEIGHTS = "smallest ratio, of seeds, of the final change of the node that moved most"
HALF = "a convention of ours: half way between 0 and the rate of the bound"


def changes(runs: xr.Dataset) -> dict[str, xr.DataArray]:
    """Final change of the node that moved most, and of the NTG where there is one."""
    found = {"weights": runs["weight_change"].isel(step=-1, neuron=0, drop=True)}
    if "ntg_change" in runs:
        found["NTG"] = runs["ntg_change"].isel(step=-1, drop=True)
    return found


@claim(
    "A1",
    says="with gamma > 0 the training error is near 0 at the end of 50 000 steps",
    statistic="largest final training risk over the first",
    wanted=at_most(
        0.01,
        "a convention of ours: on the paper's linear axis 1 % of the height is the width of a line",
    ),
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
def convergence(measures: Measures) -> Finding:
    """Final training risk over the initial one, of the settings with gamma > 0."""
    runs = complete(measures[SIMULATED])
    left = _left(runs)
    wanted = at_most(0.01)
    return mean_of(
        left[(runs["gamma"] > 0).values].transpose("seed", ...).values,
        wanted,
        listed({"final risk over the first": left}, runs),
    )


def _left(runs: xr.Dataset) -> xr.DataArray:
    risk = runs["train_risk"]
    return risk.isel(step=-1, drop=True) / risk.isel(step=0, drop=True)


@claim(
    "A1-rate",
    says="training is the faster the larger gamma",
    statistic="smallest ratio, of seeds, of the mean rates of decay of the risk",
    wanted=ORDERED,
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
def rates(measures: Measures) -> Finding:
    """Logarithm of the fall of the risk over the number of steps."""
    runs = complete(measures[SIMULATED])
    rate = -np.log(_left(runs)) / float(runs["step"][-1])
    detail = listed({"rate": rate}, runs)
    return ratios([-differences(np.log(rate), gamma_pairs(runs))], detail)


@claim(
    "A1-eigenvalue",
    says="the smallest eigenvalue of the NTG is the larger the larger gamma",
    statistic="smallest ratio, of seeds, of its mean over the recorded steps",
    wanted=ORDERED,
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
def eigenvalues(measures: Measures) -> Finding:
    """Means along the run: the curves are apart at all times."""
    runs = complete(measures[SIMULATED])
    values = runs["ntg_min_eigenvalue"].mean("step", skipna=False)
    detail = listed({"smallest eigenvalue": values}, runs)
    return ratios([-differences(np.log(values), gamma_pairs(runs))], detail)


@claim(
    "A1-linear",
    says="with gamma > 0 the training error goes to 0 at a linear rate",
    statistic="least rate of decay over the last half of the steps, over gamma kappa_n / 2",
    wanted=at_least(1.0, "the rate of Theorem 4.1 (b)"),
    source="section 1.1, Theorem 4.1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    figure=FIG01,
)
def linear_rate(measures: Measures) -> Finding:
    """Whether there is no plateau: the rate of the last half of the steps."""
    runs = complete(measures[SIMULATED])
    runs = runs.isel(node_scaling=(runs["gamma"] > 0).values)
    last = runs["step"] >= runs["step"][-1] / 2
    ends = runs[["train_risk", "flow_time"]].isel(step=last.values).isel(step=[0, -1])
    rate = -(np.log(ends["train_risk"]).diff("step") / ends["flow_time"].diff("step")).isel(step=0)
    ratio = rate / (runs["gamma"] * runs["kappa_n"] / 2)
    ratio = ratio.transpose("node_scaling", "seed")
    return mean_of(
        ratio.values.T, at_least(1.0), listed({"rate over gamma kappa_n / 2": ratio}, runs)
    )


@claim(
    "A2-lazy",
    says="at gamma = 1 weights and NTG hardly change",
    statistic="largest ratio, of seeds, of their final change to that of each gamma < 1",
    wanted=at_most(
        0.2, "a convention of ours: the curves of the paper's Fig. 1 are 8 and 14 times apart"
    ),
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
def lazy(measures: Measures) -> Finding:
    """The change at gamma = 1 over that of the other settings."""
    runs = complete(measures[SIMULATED])
    found = changes(runs)
    logs = [-differences(np.log(values), symmetric_pairs(runs)) for values in found.values()]
    wanted = at_most(np.log(0.2))
    return as_ratio(mean_of(np.concatenate(logs, axis=1), wanted, listed(found, runs)))


@claim(
    "A2-gamma",
    says=BY_GAMMA,
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
@claim(
    "A2-gamma-code",
    says=f"{BY_GAMMA}, of (1, -), (0.5, 0.7), (0.2, 0.5), (0, 0.4)",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.1, Fig. 1",
    needs=(SIMULATED_CODE,),
    reading=CODE,
    sizes=full_size(SIMULATED, gamma=OF_CODE),
)
@claim(
    "A2-gamma-concrete",
    says=f"{BY_GAMMA} on concrete",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 6",
    needs=(CONCRETE,),
    sizes=full_size(CONCRETE),
    known=True,
    figure="caron2023/fig06_concrete",
)
@claim(
    "A2-gamma-energy",
    says=f"{BY_GAMMA} on energy",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY,),
    sizes=full_size(ENERGY),
    known=True,
    figure="caron2023/fig07_energy",
)
@claim(
    "A2-gamma-energy-code",
    says=f"{BY_GAMMA} on energy, of (1, -), (0.5, 0.7), (0.2, 0.5), (0, 0.4)",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY_CODE,),
    reading=CODE,
    sizes=full_size(ENERGY, gamma=OF_CODE),
)
@claim(
    "A2-gamma-airfoil",
    says=f"{BY_GAMMA} on airfoil",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Fig. 8",
    needs=(AIRFOIL,),
    sizes=full_size(AIRFOIL),
    known=True,
    figure="caron2023/fig08_airfoil",
)
@claim(
    "A2-gamma-plant",
    says=f"{BY_GAMMA} on plant",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Fig. 9",
    needs=(PLANT,),
    sizes=full_size(PLANT),
    known=True,
    figure="caron2023/fig09_plant",
)
@claim(
    "A2-gamma-mnist",
    says=f"{BY_GAMMA} on MNIST",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.3, Fig. 10",
    needs=(MNIST,),
    sizes=full_size(MNIST),
    known=True,
    figure="caron2023/fig10_mnist",
)
@claim(
    "A2-gamma-cifar10",
    says="weights change more with smaller gamma on CIFAR-10",
    statistic=OF_WEIGHTS,
    wanted=ORDERED,
    source="section 6.3, Fig. 4",
    needs=(CIFAR10,),
    sizes=full_size(CIFAR10),
    known=True,
    figure="caron2023/fig04_cifar10",
)
def by_gamma(measures: Measures) -> Finding:
    """Final changes of settings of neighbouring gamma, that of the smaller gamma above."""
    (runs,) = map(complete, measures.values())
    found = changes(runs)
    logs = (differences(np.log(values), gamma_pairs(runs)) for values in found.values())
    return ratios(logs, listed(found, runs))


@claim(
    "A2-alpha",
    says=BY_ALPHA,
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.1, Fig. 1",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED, alpha=(0.7, 0.5)),
    known=True,
    figure=FIG01,
)
@claim(
    "A2-alpha-concrete",
    says=f"{BY_ALPHA}, on concrete",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 6",
    needs=(CONCRETE,),
    sizes=full_size(CONCRETE, alpha=(0.7, 0.5)),
    known=True,
    figure="caron2023/fig06_concrete",
)
@claim(
    "A2-alpha-energy",
    says=f"{BY_ALPHA}, on energy",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Figs. 2, 7",
    needs=(ENERGY,),
    sizes=full_size(ENERGY, alpha=(0.7, 0.5)),
    known=True,
    figure="caron2023/fig07_energy",
)
@claim(
    "A2-alpha-airfoil",
    says=f"{BY_ALPHA}, on airfoil",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Fig. 8",
    needs=(AIRFOIL,),
    sizes=full_size(AIRFOIL, alpha=(0.7, 0.5)),
    known=True,
    figure="caron2023/fig08_airfoil",
)
@claim(
    "A2-alpha-plant",
    says=f"{BY_ALPHA}, on plant",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.2, Fig. 9",
    needs=(PLANT,),
    sizes=full_size(PLANT, alpha=(0.7, 0.5)),
    known=True,
    figure="caron2023/fig09_plant",
)
@claim(
    "A2-alpha-mnist",
    says=f"{BY_ALPHA}, on MNIST",
    statistic=OF_BOTH,
    wanted=ORDERED,
    source="section 6.3, Fig. 10",
    needs=(MNIST,),
    sizes=full_size(MNIST, alpha=(0.7, 0.5)),
    known=True,
    figure="caron2023/fig10_mnist",
)
@claim(
    "A2-alpha-cifar10",
    says="weights change more with smaller alpha, at gamma = 0.5, on CIFAR-10",
    statistic=OF_WEIGHTS,
    wanted=ORDERED,
    source="section 6.3, Fig. 4",
    needs=(CIFAR10,),
    sizes=full_size(CIFAR10, alpha=(0.7, 0.5)),
    known=True,
    figure="caron2023/fig04_cifar10",
)
def by_alpha(measures: Measures) -> Finding:
    """Final changes of the settings of gamma = 0.5, that of the smaller alpha above."""
    (runs,) = map(complete, measures.values())
    found = changes(runs)
    logs = (differences(np.log(values), alpha_pairs(runs)) for values in found.values())
    return ratios(logs, listed(found, runs))


@claim(
    "A10-weights",
    says=(
        "the constant (1 - gamma)^2 sum_j lambda~_j^2 measures the amount of feature learning: "
        "the larger it is, the more the weights change"
    ),
    statistic="deviate of Page's test over the four settings",
    wanted=at_least(0.0, "shown where its lower limit is above 0"),
    source="section 3.2, after (12)",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
def weights_by_distance(measures: Measures) -> Finding:
    """Trend of the change of the weights along the distance from the kernel regime."""
    return _by_distance(complete(measures[SIMULATED]), "weights")


@claim(
    "A10-ntg",
    says=(
        "the constant (1 - gamma)^2 sum_j lambda~_j^2 measures the distance from the kernel "
        "regime: the larger it is, the more the NTG changes"
    ),
    statistic="deviate of Page's test over the four settings",
    wanted=at_least(0.0, "shown where its lower limit is above 0"),
    source="section 3.2, after (12)",
    needs=(SIMULATED,),
    sizes=full_size(SIMULATED),
    known=True,
    figure=FIG01,
)
def ntg_by_distance(measures: Measures) -> Finding:
    """Trend of the change of the NTG along the distance from the kernel regime."""
    return _by_distance(complete(measures[SIMULATED]), "NTG")


def _by_distance(runs: xr.Dataset, name: str) -> Finding:
    distances = [
        0.0 if gamma == 1 else (1 - gamma) ** 2 * zipf_sum_of_squares(alpha)
        for gamma, alpha in zip(runs["gamma"].values, runs["alpha"].values, strict=True)
    ]
    values = changes(runs)[name].isel(node_scaling=np.argsort(distances, kind="stable"))
    shown = ", ".join(f"{one:.3g}" for one in distances)
    detail = f"{listed({name: changes(runs)[name]}, runs)}; constants {shown}"
    return trend(values.transpose("seed", "node_scaling").values, detail)


VANISHES = "feature learning in wide networks if and only if gamma < 1: at gamma = 1 the change of"
STAYS = "feature learning in wide networks if and only if gamma < 1: with gamma < 1 the change of"
SLOPE = "slope of the logarithm of the final change over that of m"
OVER_WIDTHS = Sizes(
    SEEDS,
    {"width": (250, 500, 1000, 2000, 4000), "gamma": (1.0, 0.5, 0.0)},
    {"steps": PAPER[SIMULATED].steps, "n_train": PAPER[SIMULATED].n_train},
)


@claim(
    "A8-lazy-weights",
    says=f"{VANISHES} the weights vanishes with the width",
    statistic=f"{SLOPE}, of the node that moved most",
    wanted=at_most(-0.25, f"{HALF} (c), m^(-1/2)"),
    source="abstract, section 1.1, after Theorem 4.1",
    needs=(WIDTHS,),
    sizes=OVER_WIDTHS,
)
def weights_vanish(measures: Measures) -> Finding:
    """Slope at gamma = 1."""
    return _slopes(measures[WIDTHS], "weight_change", -0.25, symmetric=True)


@claim(
    "A8-lazy-ntg",
    says=f"{VANISHES} the NTG vanishes with the width",
    statistic=SLOPE,
    wanted=at_most(-0.125, f"{HALF} (d), m^(-1/4)"),
    source="abstract, section 1.1, after Theorem 4.1",
    needs=(WIDTHS,),
    sizes=OVER_WIDTHS,
)
def ntg_vanishes(measures: Measures) -> Finding:
    """Slope at gamma = 1."""
    return _slopes(measures[WIDTHS], "ntg_change", -0.125, symmetric=True)


@claim(
    "A8-weights",
    says=f"{STAYS} the weights does not vanish with the width",
    statistic=f"least {SLOPE}, of the node that moved most",
    wanted=at_least(-0.25, f"{HALF} (c) at gamma = 1, m^(-1/2)"),
    source="abstract, section 1.1, after Theorem 4.1",
    needs=(WIDTHS,),
    sizes=OVER_WIDTHS,
)
def weights_stay(measures: Measures) -> Finding:
    """Slopes of the settings with gamma < 1."""
    return _slopes(measures[WIDTHS], "weight_change", -0.25, symmetric=False)


@claim(
    "A8-ntg",
    says=f"{STAYS} the NTG does not vanish with the width",
    statistic=f"least {SLOPE}",
    wanted=at_least(-0.125, f"{HALF} (d) at gamma = 1, m^(-1/4)"),
    source="abstract, section 1.1, after Theorem 4.1",
    needs=(WIDTHS,),
    sizes=OVER_WIDTHS,
)
def ntg_stays(measures: Measures) -> Finding:
    """Slopes of the settings with gamma < 1."""
    return _slopes(measures[WIDTHS], "ntg_change", -0.125, symmetric=False)


def _slopes(runs: xr.Dataset, name: str, limit: float, *, symmetric: bool) -> Finding:
    """Slope of each seed, whose networks of different widths are independent."""
    slopes, _ = power_law_slope(runs[name])
    # A run that diverged has no value, and its seed no slope.
    slopes = slopes.where(runs[name].notnull().all("width"))
    chosen = ((runs["gamma"] == 1) == symmetric).values
    detail = listed({"slopes": slopes, "risk left": runs["risk_left"].max("width")}, runs)
    wanted = at_most(limit) if symmetric else at_least(limit)
    return mean_of(slopes[chosen].transpose("seed", ...).values, wanted, detail)
