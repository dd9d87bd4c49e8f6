"""Claims on Tables 1 and 2 of Razborov (2022): measured values beside the paper's."""

import numpy as np
import pandas as pd
import xarray as xr

from regimes.claims.core import (
    CORRECTED,
    Finding,
    Measures,
    Sizes,
    TooSmallError,
    at_most,
    claim,
)
from regimes.claims.sampling import deviates, largest_deviate
from regimes.papers.razborov2022.claims.endings import ALL, share_converged
from regimes.papers.razborov2022.comparison import outside_rounding, summary
from regimes.papers.razborov2022.paper import (
    MAIN,
    QUANTITIES,
    RANDOM,
    TABLE1,
    TABLE1_RUNS,
    TABLE2,
    TABLE2_RUNS,
    WIDTHS,
    is_corrected,
)

# Checks count the runs of each cell besides.
SERIES = Sizes(seeds=TABLE1_RUNS, contains={"width": WIDTHS})
PRINTED_MEANS, CORRECTED_MEANS, TABLE2_MEANS = 127, 32, 16
SINGLE_RUN = 5000
# Runs from which the spread at m = 5000 is known well enough to predict another.
RUNS_TO_PREDICT = 20
CHANCE = "what chance exceeds in 5 % of cases, were the two samples of one distribution"


def need_runs(runs: xr.Dataset, cells: pd.DataFrame, least: pd.Series | int) -> None:
    """Raise TooSmallError where cells have fewer runs."""
    lacking = summary(runs, cells)["runs"].to_numpy() < np.broadcast_to(least, len(cells))
    if lacking.any():
        raise TooSmallError(
            f"{int(lacking.sum())} of {len(cells)} cells have fewer runs than the paper"
        )


def _compared(parts: list[tuple[xr.Dataset, pd.DataFrame, dict[int, int] | int]]) -> Finding:
    """Largest deviate between the means of runs and those of rows of the paper's tables.

    parts: runs, rows, and the paper's runs by m.
    """
    found = []
    for runs, rows, counts in parts:
        least = rows["n_train"].map(counts) if isinstance(counts, dict) else counts
        need_runs(runs, rows, least)
        for _, row in rows.iterrows():
            count = counts[int(row["n_train"])] if isinstance(counts, dict) else counts
            found += _of_row(runs, row, count)
    sizes = np.array([size for size, _ in found])
    if np.isnan(sizes).any():
        return Finding(np.nan, f"no value of {found[int(np.isnan(sizes).argmax())][1]}")
    beyond = largest_deviate(1)
    return Finding(
        float(sizes.max()),
        f"{sizes.size} means; farthest: {found[int(sizes.argmax())][1]}; "
        f"{np.mean(sizes > beyond):.1%} beyond {beyond:.2f}",
    )


def _of_row(runs: xr.Dataset, row: pd.Series, count: int) -> list[tuple[float, str]]:
    """Deviates of a row's means, but for those that the text has lost, and what each is of."""
    here = runs.sel(width=int(row["width"]), n_train=int(row["n_train"]))
    found = []
    for quantity in QUANTITIES:
        theirs = row[f"{quantity}_mean"]
        if np.isnan(theirs):
            continue
        what = f"{quantity} at S = {row['width']:g}, m = {row['n_train']:g}"
        values = here[quantity].dropna("seed").values
        if len(values) < int(here["stopping_time"].notnull().sum()):
            found.append((np.nan, what))
            continue
        size = float(deviates(*outside_rounding(values, row, quantity, count)))
        found.append((size, f"{what}, {values.mean():.4g} beside {theirs:.4g}"))
    return found


@claim(
    "R1",
    says="the means of Table 1, in the cells whose rate is the text's",
    statistic="largest deviate between our mean and the paper's, over 127 means",
    wanted=at_most(largest_deviate(PRINTED_MEANS), CHANCE),
    source="Table 1, Fig. 1",
    needs=(MAIN,),
    sizes=SERIES,
    known=True,
    figure="razborov2022/table1",
)
def table1(measures: Measures) -> Finding:
    """Largest deviate of the means at rates as printed."""
    return _compared([(measures[MAIN], TABLE1[~is_corrected(TABLE1)], TABLE1_RUNS)])


@claim(
    "R9",
    says="the means of Table 1 for S = 1000, m < 900, at half of the text's rate",
    statistic="largest deviate between our mean and the paper's, over 32 means",
    wanted=at_most(largest_deviate(CORRECTED_MEANS), CHANCE),
    source="Table 1",
    needs=(MAIN,),
    reading=CORRECTED,
    sizes=SERIES,
    known=True,
    figure="razborov2022/table1",
)
def table1_corrected(measures: Measures) -> Finding:
    """Largest deviate of the means at the corrected rate."""
    return _compared([(measures[MAIN], TABLE1[is_corrected(TABLE1)], TABLE1_RUNS)])


@claim(
    "R2",
    says="the means of Table 2 but for its last row, a single run",
    statistic="largest deviate between our mean and the paper's, over 16 means",
    wanted=at_most(largest_deviate(TABLE2_MEANS), CHANCE),
    source="Table 2",
    needs=(MAIN, RANDOM),
    sizes=Sizes(seeds=TABLE1_RUNS),
    known=True,
    figure="razborov2022/table2",
)
def table2(measures: Measures) -> Finding:
    """Largest deviate of the means; those at m = 1000 are of runs that are not in Table 1."""
    fresh = TABLE2["n_train"] == TABLE2["n_train"].min()
    several = TABLE2["n_train"].map(TABLE2_RUNS) > 1
    return _compared(
        [
            (measures[RANDOM], TABLE2[fresh], TABLE2_RUNS),
            (measures[MAIN], TABLE2[several & ~fresh], TABLE2_RUNS),
        ]
    )


@claim(
    "R10",
    says="the single run of Table 2, at m = 5000, is one of the distribution of ours",
    statistic="largest deviate of its four values from our runs",
    wanted=at_most(largest_deviate(len(QUANTITIES)), "what chance exceeds in 5 % of cases"),
    source="Table 2",
    needs=(MAIN,),
    sizes=Sizes(seeds=RUNS_TO_PREDICT, contains={"n_train": (SINGLE_RUN,)}),
    known=True,
    figure="razborov2022/table2",
)
def single_run(measures: Measures) -> Finding:
    """Largest deviate of the paper's values, each predicted from our mean and spread."""
    rows = TABLE2[TABLE2["n_train"] == SINGLE_RUN]
    need_runs(measures[MAIN], rows, RUNS_TO_PREDICT)
    (row,) = (one for _, one in rows.iterrows())
    here = measures[MAIN].sel(width=int(row["width"]), n_train=SINGLE_RUN)
    sizes, said = [], []
    for quantity in QUANTITIES:
        values = here[quantity].dropna("seed").values
        error = values.std(ddof=1) * (1 + 1 / len(values)) ** 0.5
        theirs = row[f"{quantity}_mean"]
        sizes.append(float(deviates(theirs - values.mean(), error, len(values) - 1)))
        said.append(f"{quantity} {theirs:g}, ours {values.mean():.4g} +- {values.std(ddof=1):.2g}")
    return Finding(float(np.max(sizes)), "; ".join(said))


@claim(
    "R12",
    says="all 30 runs of Table 2 converge",
    statistic="share that does",
    wanted=ALL,
    source="section 4",
    needs=(MAIN,),
    sizes=Sizes(seeds=TABLE1_RUNS),
    known=True,
    figure="razborov2022/table2",
)
def table2_success(measures: Measures) -> Finding:
    """Share of the runs of the sizes of Table 2 that converge."""
    need_runs(measures[MAIN], TABLE2, TABLE2["n_train"].map(TABLE2_RUNS))
    runs = measures[MAIN].sel(width=int(TABLE2["width"].iloc[0]), n_train=list(TABLE2_RUNS))
    return share_converged(runs)


@claim(
    "R18",
    says="ten runs concentrate as sharply as the paper's: footnote 8",
    statistic=(
        "largest deviate, over the quantities, of the mean log ratio of our spread to the paper's"
    ),
    wanted=at_most(largest_deviate(len(QUANTITIES)), CHANCE),
    source="footnote 8, Table 1",
    needs=(MAIN,),
    sizes=SERIES,
    known=True,
    figure="razborov2022/table1",
)
def concentration(measures: Measures) -> Finding:
    """Largest deviate of the spread; errors by leaving out one of our seeds, which cells share."""
    rows = TABLE1[TABLE1["kappa_h_max"] > TABLE1["kappa_h_min"]]
    need_runs(measures[MAIN], rows, TABLE1_RUNS)
    sizes, said = [], []
    for quantity in QUANTITIES:
        known = rows[rows[f"{quantity}_mean"].notna()]
        values = np.stack(
            [
                measures[MAIN][quantity].sel(width=width, n_train=m).values[:TABLE1_RUNS]
                for width, m in zip(known["width"], known["n_train"], strict=True)
            ]
        )
        theirs = known[f"{quantity}_max"] - known[f"{quantity}_min"]
        value, error = _log_ratio(values, theirs.to_numpy())
        sizes.append(float(deviates(value, error, TABLE1_RUNS - 1)))
        said.append(f"{quantity} {np.exp(value):.2f}")
    return Finding(float(np.max(sizes)), f"our spread over the paper's: {', '.join(said)}")


def _log_ratio(values: np.ndarray, ranges: np.ndarray) -> tuple[float, float]:
    """Mean over cells of log(our range / the paper's), and its standard error.

    values: (cells, seeds). ranges: (cells,).
    """
    n_cells, n_seeds = values.shape

    def mean_log(chosen: np.ndarray) -> float:
        return float(np.mean(np.log(chosen.std(axis=1, ddof=1))))

    ours = np.log(np.ptp(values, axis=1))
    left_out = [mean_log(np.delete(values, seed, axis=1)) for seed in range(n_seeds)]
    of_ours = (n_seeds - 1) / n_seeds * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)
    # The log of a range of ten normal values has a standard deviation of 0.26; cells of the paper
    # are independent.
    return float(np.mean(ours - np.log(ranges))), float((of_ours + 0.26**2 / n_cells) ** 0.5)
