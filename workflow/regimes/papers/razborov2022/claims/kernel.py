"""Claims of Razborov (2022), Section 4, on the kernel, the weights and activations along runs."""

import numpy as np

from regimes.claims.core import Finding, Measures, Sizes, at_most, claim
from regimes.claims.sampling import mean_of
from regimes.papers.razborov2022.claims.success import cells_of
from regimes.papers.razborov2022.claims.tables import SERIES, need_runs
from regimes.papers.razborov2022.paper import (
    LABELS_N_TRAIN,
    LABELS_WIDTH,
    MAIN,
    MANY_POINTS,
    TABLE1_RUNS,
    TRACKED,
    WIDTHS,
    main_series,
)
from regimes.plotting.wording import pluralise

SPIKE = at_most(0.05, "a convention of ours: as much as kappa_H differs from run to run in Table 1")
FALLING = at_most(0.0, "it falls")


@claim(
    "R17",
    says="kappa_H falls with m for each S",
    statistic="largest slope over S of kappa_H on m / 1000, of all cells",
    wanted=FALLING,
    source="Fig. 1",
    needs=(MAIN,),
    sizes=SERIES,
    known=True,
    figure="razborov2022/fig1_kappa_h",
)
def kappa_falls(measures: Measures) -> Finding:
    """Slopes of kappa_H against m, seed by seed, for each width."""
    need_runs(measures[MAIN], main_series(), TABLE1_RUNS)
    slopes = []
    for width in WIDTHS:
        cells = main_series()
        runs = cells_of(measures[MAIN], cells[cells["width"] == width])
        kappa = runs["kappa_h"].transpose("cell", "seed").values
        kappa = kappa[:, ~np.isnan(kappa).any(axis=0)]
        slopes.append(np.polyfit(runs["n_train"].values / 1000, kappa, 1)[0])
    means = ", ".join(
        f"{one.mean():+.3f} for S = {width}" for one, width in zip(slopes, WIDTHS, strict=True)
    )
    return mean_of(np.array(slopes).T, FALLING, f"mean slopes: {means}")


@claim(
    "R19",
    says="the density of changes |D| / (m S) stays below the prediction (m / (n S))^(1/3)",
    statistic="largest ratio of any run",
    wanted=at_most(1.0, "the bound (62) over S with constant and logarithms 1, as Fig. 2 draws it"),
    source="Fig. 2, (62)",
    needs=(MAIN,),
    sizes=SERIES,
    known=True,
    figure="razborov2022/fig2_change_density",
)
def density(measures: Measures) -> Finding:
    """The largest density of changes over the theory's; the exponents that it has are told."""
    need_runs(measures[MAIN], main_series(), TABLE1_RUNS)
    runs = cells_of(measures[MAIN], main_series())
    ratio = runs["change_density"] / runs["theory_change_density"]
    logs = np.log(runs["change_density"].mean("seed").values)
    places = np.log(np.stack([runs["n_train"].values, runs["width"].values], axis=1))
    fit = np.linalg.lstsq(np.column_stack([np.ones(len(places)), places]), logs, rcond=None)[0]
    return Finding(
        float(ratio.max()),
        f"from {float(ratio.min()):.3f} to {float(ratio.max()):.3f} over {len(logs)} cells; "
        f"density as m^{fit[1]:.2f} S^{fit[2]:.2f}, the bound as m^0.33 S^-0.33",
    )


@claim(
    "R7",
    says="lambda_min(H_t) does not go down and up again",
    statistic="largest fall below the smaller of its ends, as a share of that",
    wanted=SPIKE,
    source="section 4",
    needs=TRACKED,
    sizes=Sizes(contains={"width": (LABELS_WIDTH,), "n_train": (LABELS_N_TRAIN,)}),
    known=True,
    figure="razborov2022/labels",
)
@claim(
    "R27",
    says="lambda_min(H_t) stays of order S almost to m = n S, never below its end, for m >= 2000",
    statistic="largest fall below the smaller of its ends, as a share of that",
    wanted=SPIKE,
    source="section 4, (36)",
    needs=(MANY_POINTS,),
    sizes=Sizes(contains={"width": (LABELS_WIDTH,), "n_train": (2000, 3000)}),
)
def dip(measures: Measures) -> Finding:
    """The largest dip of lambda_min(H_t) below the smaller of its ends."""
    dips = {name: runs["eigenvalue_dip"] for name, runs in measures.items()}
    ended = {name: runs["converged"].notnull() for name, runs in measures.items()}
    lost = any(bool((dips[name].isnull() & ended[name]).any()) for name in dips)
    value = np.nan if lost else max(float(one.max()) for one in dips.values())
    total = sum(int(one.sum()) for one in ended.values())
    kappas = {
        f"{name.removeprefix('razborov2022_')} m = {m}": runs["kappa_h"].sel(n_train=m).mean()
        for name, runs in measures.items()
        for m in runs["n_train"].values
    }
    said = ", ".join(f"{where}: {float(kappa):.2f}" for where, kappa in kappas.items())
    return Finding(value, f"{pluralise(total, 'run')}; mean kappa_H, {said}")


@claim(
    "R28",
    says="|W_t - W_0| does not rise and fall again",
    statistic="largest rise above its end, as a share of that",
    wanted=SPIKE,
    source="section 4",
    needs=(*TRACKED, MANY_POINTS),
    sizes=Sizes(contains={"width": (LABELS_WIDTH,)}, least={"n_train": LABELS_N_TRAIN}),
)
def bulge(measures: Measures) -> Finding:
    """The largest rise of the distance above its end."""
    bulges = {name: runs["distance_bulge"] for name, runs in measures.items()}
    ended = {name: runs["converged"].notnull() for name, runs in measures.items()}
    lost = any(bool((bulges[name].isnull() & ended[name]).any()) for name in bulges)
    value = np.nan if lost else max(float(one.max()) for one in bulges.values())
    total = sum(int(one.sum()) for one in ended.values())
    return Finding(value, pluralise(total, "run"))
