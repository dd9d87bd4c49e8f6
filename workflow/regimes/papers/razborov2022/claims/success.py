"""Claims of Razborov (2022), Section 4, on which runs converge at which rates."""

import numpy as np
import pandas as pd
import xarray as xr

from regimes.claims.core import (
    CORRECTED,
    ERRATUM,
    Finding,
    Measures,
    Sizes,
    at_least,
    claim,
    within,
)
from regimes.papers.razborov2022.claims.endings import ALL, NONE, share_converged
from regimes.papers.razborov2022.claims.tables import SERIES, need_runs
from regimes.papers.razborov2022.paper import (
    CORRECTED_BELOW,
    CORRECTED_WIDTH,
    LARGER_RATE,
    LOWERED_WIDTHS,
    MAIN,
    MANY_POINTS,
    RANDOM,
    STATED_RATE,
    TABLE1_RUNS,
    TOO_MANY_POINTS,
    is_corrected,
    main_series,
)

RUNS = 10
# The text: |e_0| is roughly of this order.
FIRST_ERRORS = (1e2, 1e4)


def cells_of(runs: xr.Dataset, cells: pd.DataFrame) -> xr.Dataset:
    """The runs of some cells, with width and n_train, over `cell` and `seed`."""
    places = {
        name: xr.DataArray(cells[name].to_numpy(), dims="cell") for name in ("width", "n_train")
    }
    return runs.sel(places)


@claim(
    "R3",
    says="every run of the main series converges at the text's rates, where these are used here",
    statistic="share that does, of 158 cells",
    wanted=ALL,
    source="section 4",
    needs=(MAIN,),
    sizes=SERIES,
    known=True,
    figure="razborov2022/fig1_kappa_h",
)
def success(measures: Measures) -> Finding:
    """Share of the runs of the main series at rates as printed that converge."""
    cells = main_series()
    cells = cells[~is_corrected(cells)]
    need_runs(measures[MAIN], cells, TABLE1_RUNS)
    return share_converged(cells_of(measures[MAIN], cells))


@claim(
    "R11",
    says="every run of the main series with S = 1000, m < 900 converges at half of the text's rate",
    statistic="share that does, of 8 cells",
    wanted=ALL,
    source="section 4",
    needs=(MAIN,),
    reading=CORRECTED,
    sizes=SERIES,
    known=True,
    figure="razborov2022/fig1_kappa_h",
)
def corrected_success(measures: Measures) -> Finding:
    """Share of the runs at the corrected rate that converge."""
    cells = main_series()
    cells = cells[is_corrected(cells)]
    need_runs(measures[MAIN], cells, TABLE1_RUNS)
    return share_converged(cells_of(measures[MAIN], cells))


@claim(
    "R8",
    says="every run with S = 1000, m < 900 converges at the text's rate, 1e-3",
    statistic="share that does",
    wanted=ALL,
    source="section 4",
    needs=(STATED_RATE,),
    kind=ERRATUM,
    sizes=Sizes(seeds=RUNS, contains={"width": (CORRECTED_WIDTH,)}),
    known=True,
    figure="razborov2022/table1",
)
def stated_rate(measures: Measures) -> Finding:
    """Share of the runs that converge at the learning rate of the text."""
    runs = measures[STATED_RATE].sel(width=CORRECTED_WIDTH)
    runs = runs.sel(n_train=runs["n_train"] < CORRECTED_BELOW).dropna("n_train", how="all")
    # Descent is stable below 2.
    edges = runs["step_size"] * runs["initial_largest_eigenvalue"]
    said = ", ".join(
        f"{int(runs['converged'].sel(n_train=m).sum())} at m = {m} "
        f"({float(edges.sel(n_train=m).mean()):.2f})"
        for m in runs["n_train"].values
    )
    return share_converged(runs, detail=f"with the mean of eta lambda_max(H_0): {said}")


@claim(
    "R13",
    says="for S = 500 and 1000 and m >= 900 the rate 1e-3 is too large",
    statistic="number of runs that abort, of the S with fewer",
    wanted=at_least(1, "the text: had to be decreased"),
    source="section 4",
    needs=(STATED_RATE,),
    sizes=Sizes(
        seeds=RUNS, contains={"width": LOWERED_WIDTHS, "n_train": (CORRECTED_BELOW, 950, 1000)}
    ),
)
def lowered_rate(measures: Measures) -> Finding:
    """Least number of aborted runs."""
    runs = measures[STATED_RATE]
    runs = runs.sel(width=list(LOWERED_WIDTHS), n_train=runs["n_train"] >= CORRECTED_BELOW)
    aborted = (runs["aborted"] == 1).sum("seed")
    edges = (runs["step_size"] * runs["initial_largest_eigenvalue"]).mean("seed")
    said = ", ".join(
        f"{int(aborted.sel(place))} at S = {place['width']}, m = {place['n_train']} "
        f"({float(edges.sel(place)):.2f})"
        for width in LOWERED_WIDTHS
        for m in runs["n_train"].values.tolist()
        for place in [{"width": width, "n_train": m}]
        if runs["aborted"].sel(place).notnull().any()
    )
    return Finding(
        float(aborted.sum("n_train").min()),
        f"aborted, with the mean of eta lambda_max(H_0): {said}",
    )


@claim(
    "R14",
    says="few neurons and points (S = m = 100) allow a rate five times as large",
    statistic="share of the runs that converge",
    wanted=ALL,
    source="section 4",
    needs=(LARGER_RATE,),
    sizes=Sizes(seeds=RUNS, contains={"width": (100,), "n_train": (100,)}),
)
@claim(
    "R48",
    says="no fit is possible for m >> n S: n = S = 10, m = 200",
    statistic="share of the runs that converge",
    wanted=NONE,
    source="section 1.2",
    needs=(TOO_MANY_POINTS,),
    sizes=Sizes(seeds=RUNS, contains={"width": (10,), "n_train": (200,)}),
)
def all_or_none(measures: Measures) -> Finding:
    """Share of the runs that converge."""
    (runs,) = measures.values()
    found = share_converged(runs, detail=f"least |e_T| {float(runs['residual_norm'].min()):.2g}")
    # A run that has not fitted until the cap has not fitted.
    return Finding(found.value, found.detail)


@claim(
    "R15",
    says="descent converges well outside the NTK regime, for m >= 10 S",
    statistic="share of the runs that converge",
    wanted=ALL,
    source="abstract, section 4",
    needs=(RANDOM, MANY_POINTS),
    sizes=Sizes(least={"n_train": 1000}),
    known=True,
)
def outside_lazy(measures: Measures) -> Finding:
    """Share of the runs with at least ten points a neuron that converge."""
    parts = [runs.sel(n_train=runs["n_train"] >= 1000) for runs in measures.values()]
    said = ", ".join(
        f"{float(part['change_density'].sel(n_train=m).mean()):.0%} at m = {m}"
        for part in parts
        for m in part["n_train"].values
    )
    return share_converged(*parts, detail=f"share of activations that ever changed: {said}")


@claim(
    "R16",
    says="at the start |e| is about 1e2 to 1e4, so that the loss falls by 1e10 to 1e14",
    statistic="|e_0| of the run where it is farthest from 1e3",
    wanted=within(*FIRST_ERRORS, "the text's range"),
    source="section 4",
    needs=(STATED_RATE, RANDOM),
    sizes=Sizes(seeds=RUNS, least={"n_train": 1000}),
    known=True,
)
def first_errors(measures: Measures) -> Finding:
    """The residual norm at the start that is farthest from the middle of the text's range."""
    values, ratios = [], []
    for runs in measures.values():
        norms = runs["initial_residual_norm"]
        values.append(norms.values.ravel())
        ratios.append((norms**2 / (runs["width"] * runs["n_train"])).values.ravel())
    norms, ratio = np.concatenate(values), np.concatenate(ratios)
    norms, ratio = norms[~np.isnan(norms)], ratio[~np.isnan(ratio)]
    middle = np.log(FIRST_ERRORS).mean()
    return Finding(
        float(norms[abs(np.log(norms) - middle).argmax()]),
        f"from {norms.min():.0f} to {norms.max():.0f} in {norms.size} runs; |e_0|^2 / (m S) "
        f"{ratio.mean():.3f}, 1.5 for labels of variance S",
    )
