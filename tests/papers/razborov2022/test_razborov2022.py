"""Razborov (2022): measures, tables, figures and claims on made-up runs, Table 1 on real ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot as plt
from plots import Plot, texts
from razborov_runs import (
    DATA,
    all_measures,
    described,
    made_up_runs,
    paper_like,
    tracked_runs,
)

from regimes.config.load import load
from regimes.datasets import unit_sphere
from regimes.engines.common.runner import train
from regimes.papers.razborov2022 import (
    both_layers,
    convergence,
    fig2_change_density,
    fig_both_layers,
    fig_labels,
)
from regimes.papers.razborov2022.comparison import beside_paper, summary
from regimes.papers.razborov2022.paper import (
    LOCAL,
    MAIN,
    QUANTITIES,
    STATISTICS,
    TABLE1,
    TABLE2,
    TABLE2_RUNS,
)
from regimes.plan.plan import Plan
from regimes.storage.store import check_described

fig1_kappa_h = Plot("razborov2022/fig1_kappa_h")
fig3_weight_distance = Plot("razborov2022/fig3_weight_distance")
table1 = Plot("razborov2022/table1")
table2 = Plot("razborov2022/table2")

CONFIG = Path(__file__).resolve().parents[3] / "config.yaml"


@pytest.fixture(scope="module")
def measures() -> dict[str, xr.Dataset]:
    return all_measures()


# Measures


def test_convergence_on_known_runs() -> None:
    runs = made_up_runs(width=[50, 200], n_train=[400], seed=[0, 1, 2])
    runs["activation_changes"][0, 0] = [2000, 4000, np.nan]
    result = convergence.measure(runs.transpose(), DATA)
    check_described(result)
    assert result["kappa_h"].dims == ("width", "n_train", "seed")
    assert (result["kappa_h"] == 0.8).all()
    np.testing.assert_array_equal(result["change_density"][0, 0], [0.1, 0.2, np.nan])
    theory = result["theory_change_density"].squeeze()
    np.testing.assert_allclose(theory, [0.08 ** (1 / 3), 0.02 ** (1 / 3)])
    assert result["n_features"] == 100 and "history" not in " ".join(map(str, result.data_vars))


@pytest.mark.parametrize("kappa", [0.8, 1.25])
def test_the_dip_is_below_the_smaller_end(kappa: float) -> None:
    result = tracked_runs(dip=0.1, kappa=kappa)
    check_described(result)
    expected = np.zeros((1, 2, 3))
    expected[0, 1, 2] = 0.1
    np.testing.assert_allclose(result["eigenvalue_dip"], expected, atol=1e-12)
    bulges = tracked_runs(bulge=0.3)["distance_bulge"]
    assert float(bulges.max()) == pytest.approx(0.3) and int((bulges > 0).sum()) == 1
    # A rise between the ends is no dip.
    assert (tracked_runs(dip=-0.5)["eigenvalue_dip"] == 0).all()


def test_conditions_of_the_theorem() -> None:
    ratios = xr.DataArray([0.01, 0.5, 1.0, 1.9, 2.1, 30.0], dims="rate_ratio")
    widths = xr.DataArray([16, 10_000], dims="width")
    points = xr.DataArray([100, 300], dims="n_train")
    holds = both_layers.theorem_conditions(widths, points, 100, ratios)

    def at(number: int, width: int, n_train: int) -> list[bool]:
        values = holds[number].transpose("width", "n_train", "rate_ratio").values
        return values[[16, 10_000].index(width), [100, 300].index(n_train)].tolist()

    # (16): m = 100 <= n S^(1/4) = 200, ratio <= S/m = 0.16; m = 300 is too many points
    assert at(16, 16, 100) == [True, False, False, False, False, False]
    assert at(16, 16, 300) == [False] * 6
    assert at(16, 10_000, 300) == [True, True, True, True, True, True]
    # (17): ratio >= m^2 / (n S) = 6.25; 0.09
    assert at(17, 16, 100) == [False, False, False, False, False, True]
    assert at(17, 10_000, 300) == [False, True, True, True, True, True]
    # (18): ratio >= 1 + m/n, whatever S
    assert at(18, 16, 100) == at(18, 10_000, 100) == [False, False, False, False, True, True]
    assert at(18, 16, 300) == [False, False, False, False, False, True]


def both_layers_measures() -> xr.Dataset:
    runs = made_up_runs(width=[50, 200], n_train=[400], rate_ratio=[0.1, 1.0, 10.0], seed=[0, 1])
    for name in both_layers.KEPT:
        runs[name] = runs["stopping_time"]
    steps = xr.DataArray([0, 500, 600, 700, 1000], dims="step")
    for name in both_layers.LARGEST:
        runs[name] = 2 * runs["stopping_time"] * steps / 1000
        runs[f"final_{name}"] = 1500 * xr.ones_like(runs["stopping_time"])
    # It falls faster in the first half.
    runs["train_loss"] = np.exp(-0.02 * np.maximum(steps, 300)) * runs["converged"]
    runs["converged"][0, 0, 1:, 0] = 0
    runs["aborted"][0, 0, 1, 0] = 1
    return both_layers.measure(described(runs.assign_coords(step=steps)), DATA)


def test_both_layers_on_known_runs() -> None:
    result = both_layers_measures()
    check_described(result)
    assert result["kappa_h"].dims == ("width", "n_train", "rate_ratio", "seed")
    assert result["invariant_drift"].dims == result["kappa_h"].dims
    assert result["condition_18"].dims == ("width", "n_train", "rate_ratio")
    assert result["condition_18"].values[0, 0].tolist() == [0, 0, 1]
    np.testing.assert_allclose(result["decay_rate"], 0.01)
    assert (result["largest_weight_distance"] == 2000).all()


# The paper's tables, and ours beside them


def test_the_papers_tables_hang_together() -> None:
    assert len(TABLE1) == 40 and set(TABLE2["n_train"]) == set(TABLE2_RUNS)
    assert (
        TABLE1.groupby("width")["n_train"].apply(list).tolist() == [list(range(100, 1001, 100))] * 4
    )
    lost = TABLE1[TABLE1.isna().any(axis=1)]
    assert lost[["width", "n_train"]].values.tolist() == [[500, 900]]
    assert lost.columns[lost.isna().any()].str.startswith("weight_distance").all()
    for table in (TABLE1, TABLE2):
        for quantity in QUANTITIES:
            low, high, mean = (table[f"{quantity}_{name}"] for name in STATISTICS)
            known = mean.notna()
            assert ((low <= mean) & (mean <= high))[known].all(), quantity
    # Along m for each S, as every quantity does but kappa_H, and that against it
    for _, rows in TABLE1.groupby("width"):
        assert rows["activation_changes_mean"].is_monotonic_increasing
        assert rows["kappa_h_mean"].is_monotonic_decreasing


def test_summary_of_known_runs() -> None:
    runs = made_up_runs(width=[100, 200], n_train=[300], seed=[0, 1, 2])
    runs["stopping_time"][0, 0] = [5, 9, 7]
    runs["activation_changes"][0, 0] = [1, np.nan, 2]
    runs["stopping_time"][1, 0] = np.nan
    measured = convergence.measure(runs, DATA)
    cells = pd.DataFrame({"width": [100, 200, 100], "n_train": [300, 300, 301]})
    found = summary(measured, cells)
    assert found["runs"].tolist() == [3, 0, 0]
    columns = [f"stopping_time_{name}" for name in STATISTICS]
    np.testing.assert_array_equal(found[columns], [[5, 9, 7], [np.nan] * 3, [np.nan] * 3])
    assert found["activation_changes_mean"][0] == 1.5
    assert found[["width", "n_train"]].equals(cells)


def test_tables_have_both_values() -> None:
    measured = {MAIN: paper_like()}
    for module, printed in ((table1, TABLE1), (table2, TABLE2)):
        rows = module.table(measured)
        assert len(rows) == len(printed)
        for quantity in QUANTITIES:
            mine, theirs = rows[f"{quantity}_mean"], rows[f"paper_{quantity}_mean"]
            # Both tables have the cell at m = 1000, with other values; ours are those of Table 1.
            known = theirs.notna() & ((rows["n_train"] != 1000) | (printed is TABLE1))
            np.testing.assert_allclose(mine[known], theirs[known], rtol=1e-3)
    assert table2.table(measured)["runs"].tolist() == [10, 10, 6, 3, 1]
    assert (table1.table(measured)["runs"] == 10).all()


# Figures


def test_figures_show_the_main_series(measures: dict[str, xr.Dataset]) -> None:
    main = {MAIN: measures[MAIN]}
    figure = fig1_kappa_h.draw(main, "laptop")
    (axes,) = figure.axes
    curves = {line.get_label(): line for line in axes.lines}
    shown = curves["$S = 100$"].get_xydata()
    expected = measures[MAIN]["kappa_h"].sel(width=100).dropna("n_train", how="all")
    # Without the points of Table 2
    expected = expected.sel(n_train=expected["n_train"] <= 1000)
    np.testing.assert_allclose(shown[:, 0], expected["n_train"])
    np.testing.assert_allclose(shown[:, 1], expected.mean("seed"))
    assert "scale: laptop" not in texts(figure)
    figure = fig3_weight_distance.draw(main, "laptop")
    circles = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    row = TABLE1[TABLE1["width"] == 100]
    np.testing.assert_allclose(
        circles.get_ydata(), row["weight_distance_mean"] / row["n_train"] ** 0.5
    )
    plt.close(figure)
    figure = fig2_change_density.draw(main, "laptop")
    assert len(figure.axes) == 4
    theory = figure.axes[2].lines[-1].get_xydata()
    np.testing.assert_allclose(theory[:, 1], (theory[:, 0] / 50_000) ** (1 / 3))
    plt.close(figure)


@pytest.mark.slow
def test_smaller_runs_are_marked() -> None:
    small = {MAIN: paper_like().isel(seed=slice(2))}
    for module in (fig1_kappa_h, fig2_change_density, fig3_weight_distance, table1, table2):
        assert "scale: smoke" in texts(module.draw(small, "smoke")), module


@pytest.mark.slow
def test_typeset_tables_print_both_values(measures: dict[str, xr.Dataset]) -> None:
    printed = texts(table1.draw({MAIN: measures[MAIN]}, "laptop"))
    assert printed.count("468\N{EN DASH}624; 528") == 2
    assert "scale: laptop" not in printed
    printed = texts(table2.draw({MAIN: paper_like()}, "laptop"))
    # A single run has no range: the measured value equals the paper's here.
    assert printed.count("28217") == 2


def test_labels_show_the_texts_successes(measures: dict[str, xr.Dataset]) -> None:
    printed = texts(fig_labels.draw(measures, "laptop"))
    assert "$m = 1000$ 19 of 20 (paper 19 of 20)" in printed
    assert "$m = 2000$ 0 of 10 (paper 0 of 10)" in printed
    assert "scale: laptop" not in printed
    note = (
        "(a) 3 runs for each kind of labels; (b) mean, and from the smallest to the largest, of 10 "
    )
    assert any(text.startswith(f"{note}runs, side by side") for text in printed), printed
    small = {name: runs.isel(n_train=[0]) for name, runs in measures.items()}
    assert "scale: smoke" in texts(fig_labels.draw(small, "smoke"))
    few = measures | {LOCAL: measures[LOCAL].isel(seed=slice(19))}
    assert "scale: smoke" in texts(fig_labels.draw(few, "smoke"))


def test_means_of_fewer_runs_are_said_to_be() -> None:
    runs = paper_like()
    assert (
        "mean and range of 10 runs; $n" in fig1_kappa_h.draw({MAIN: runs}, "laptop").get_supxlabel()
    )
    place = {"width": 100, "n_train": 300, "seed": 4}
    runs["diverged"].loc[place] = 1
    runs["kappa_h"].loc[place] = np.nan
    note = fig1_kappa_h.draw({MAIN: runs}, "laptop").get_supxlabel()
    assert "mean and range of 10 runs; means of fewer seeds at 1 point; $n" in note


def test_both_layers_show_every_ending() -> None:
    figure = fig_both_layers.draw({"both": both_layers_measures()}, "smoke")
    panel = figure.axes[0]
    counts = {line.get_marker(): len(line.get_xdata()) for line in panel.lines[:4]}
    assert counts == {"o": 4, "x": 1, "*": 0, "^": 1}
    assert "scale: smoke" in texts(figure)


# Real runs


def test_rows_of_table_1() -> None:
    """A few rows with the workflow's own settings: means of four runs, in the paper's range
    widened by what the mean of four of its runs may differ.
    """
    config = load(CONFIG)
    block = dict(Plan.from_config(config).jobs_of(MAIN)[0].settings)
    block["axes"] = {"width": [100], "n_train": [100, 150, 200], "seed": [0, 1, 2, 3]}
    settings = config.datasets[block["dataset"]].model_dump()
    data = unit_sphere.build(settings | {"n_points": 200, "draws": 4})
    measured = convergence.measure(train(block, data, "cpu"), data)
    assert (measured["converged"] == 1).all()
    rows = beside_paper(measured, TABLE1[:2])
    for quantity in QUANTITIES:
        mean = rows[f"{quantity}_mean"]
        low, high, centre = (rows[f"paper_{quantity}_{name}"] for name in STATISTICS)
        # The range of ten normal values is 3.1 standard deviations; four standard errors of the
        # mean of four runs and of the paper's of ten
        margin = 4 * (high - low) / 3.1 * (1 / 4 + 1 / 10) ** 0.5
        assert (abs(mean - centre) < margin).all(), (quantity, mean, centre, margin)
        assert (margin < 0.6 * centre).all()
    between = measured["stopping_time"].mean("seed").values[0]
    assert (np.diff(between) > 0).all()
