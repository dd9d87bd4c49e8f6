"""Caron et al. (2023): figures of made-up runs."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from caron_runs import (
    CIFAR10,
    CIFAR10_GAMMA,
    EXPERIMENTS,
    FEATURES,
    KEPT,
    MNIST,
    SETTINGS,
    SIMULATED,
    SIMULATED_HALF_SUM,
    SIMULATIONS,
    made_up_measures,
)
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from plots import Plot, texts

from regimes.errors import ConfigError
from regimes.papers.caron2023 import (
    fig01_simulated,
    fig02_regression,
    fig03_mnist,
    fig05_zipf,
    fig_simulated_half_sum,
    training_grid,
)
from regimes.papers.caron2023.paper import AIRFOIL, CONCRETE, ENERGY, PLANT, REGRESSION
from regimes.papers.caron2023.selection import left_out, reduction
from regimes.parameterisations.node_scaling import zipf_sum_of_squares

fig04_cifar10 = Plot("caron2023/fig04_cifar10")
fig06_concrete = Plot("caron2023/fig06_concrete")
fig07_energy = Plot("caron2023/fig07_energy")
fig08_airfoil = Plot("caron2023/fig08_airfoil")
fig09_plant = Plot("caron2023/fig09_plant")
fig10_mnist = Plot("caron2023/fig10_mnist")
fig11_cifar10_gamma = Plot("caron2023/fig11_cifar10_gamma")

# Each figure's experiments and number of panels.
FIGURES = {
    fig01_simulated: ([SIMULATED], 4),
    fig02_regression: (REGRESSION, 4),
    fig03_mnist: ([MNIST], 2),
    fig04_cifar10: ([CIFAR10], 4),
    fig06_concrete: ([CONCRETE], 9),
    fig07_energy: ([ENERGY], 9),
    fig08_airfoil: ([AIRFOIL], 9),
    fig09_plant: ([PLANT], 9),
    fig10_mnist: ([MNIST], 9),
    fig11_cifar10_gamma: ([CIFAR10_GAMMA], 4),
    fig_simulated_half_sum: (SIMULATIONS, 8),
}
NINE = {
    fig06_concrete: CONCRETE,
    fig07_energy: ENERGY,
    fig08_airfoil: AIRFOIL,
    fig09_plant: PLANT,
    fig10_mnist: MNIST,
}
# Figures 6 to 9 are the same code on other data.
DIFFERENT = [one for one in FIGURES if one not in (fig07_energy, fig08_airfoil, fig09_plant)]
SMALL = {"n_train": 30, "width": 40, "steps": 100}
LABELS = [
    r"$\gamma=1$",
    r"$\gamma=0.5$, $\alpha=0.7$",
    r"$\gamma=0.5$, $\alpha=0.5$",
    r"$\gamma=0$, $\alpha=0.4$",
]
Measures = dict[str, xr.Dataset]


@pytest.fixture(scope="module")
def all_measures() -> Measures:
    return {name: made_up_measures(name) for name in EXPERIMENTS}


@pytest.fixture
def measures(all_measures: Measures) -> Measures:
    """Measures at the paper's size, to be changed."""
    return {name: runs.copy(deep=True) for name, runs in all_measures.items()}


def drawn(module, measures: Measures) -> Figure:
    names, _ = FIGURES[module]
    return module.draw({name: measures[name] for name in names}, "laptop")


def curve(axes: plt.Axes, setting: str) -> np.ndarray:
    """Values of the thick curve of one of SETTINGS."""
    colour = f"C{list(SETTINGS).index(setting)}"
    lines = [
        line
        for line in axes.lines
        if line.get_color() == colour and line.get_linestyle() == "-" and line.get_linewidth() > 1
    ]
    (line,) = lines
    return line.get_xydata()


def mean(runs: xr.Dataset, name: str, setting: str) -> np.ndarray:
    values = runs[name].sel(node_scaling=setting).mean("seed")
    return np.transpose([values[values.dims[0]].values, values.values])


@pytest.mark.slow
def test_an_experiment_of_ones_own_is_compared_with_the_one_that_is_named(
    measures: Measures,
) -> None:
    own = {"mine": made_up_measures(CONCRETE, **SMALL)}
    assert "paper:" not in " ".join(texts(training_grid.draw(own, "laptop")))
    assert "mine" in " ".join(texts(training_grid.draw(own, "laptop")))
    assert "paper: m = " in " ".join(texts(training_grid.draw(own, "laptop", size_of=CONCRETE)))
    with pytest.raises(ConfigError, match="size_of = 'concrete' of a figure; allowed: caron2023_"):
        training_grid.draw(own, "laptop", size_of="concrete")


@pytest.mark.slow
@pytest.mark.parametrize("module", FIGURES)
def test_figures_at_the_papers_size(module, measures: Measures) -> None:
    figure = drawn(module, measures)
    names, panels = FIGURES[module]
    assert len(figure.axes) == panels
    found = texts(figure, layout=True)
    assert "scale: laptop" not in found and not any("paper:" in text for text in found), found
    assert any("mean and deviation of 5 runs" in text for text in found)
    assert not any("left out" in text for text in found)
    (legend,) = figure.legends
    shown = [text.get_text() for text in legend.get_texts()][:4]
    if names != [CIFAR10_GAMMA]:
        assert shown == LABELS
    else:
        assert shown == [rf"$\gamma={gamma}$, $\alpha=0.5$" for gamma in (0.7, 0.5, 0.2, 0.1)]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"({letter})" for letter in "abcdefghi"[:panels]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("module", DIFFERENT)
def test_smaller_runs_are_marked(module) -> None:
    names, _ = FIGURES[module]
    small = {name: made_up_measures(name, seeds=1, **SMALL) for name in names}
    found = texts(drawn(module, small))
    assert "scale: laptop" in found
    assert any("m = 40, n = 30, 1 seed, 100 steps; paper: m = 2000, n = " in one for one in found)
    assert any("one run" in text for text in found)


@pytest.mark.slow
@pytest.mark.parametrize("module", DIFFERENT)
def test_figures_of_runs_that_diverged(module, measures: Measures) -> None:
    names, _ = FIGURES[module]
    for name in names:
        runs = measures[name]
        lost = {"node_scaling": runs["node_scaling"][1].item(), "seed": [0, 3]}
        all_of_one = {"node_scaling": runs["node_scaling"][3].item()}
        for place in (lost, all_of_one):
            for variable in runs.data_vars:
                dims = runs[variable].dims
                if {"node_scaling", "seed"} <= set(dims) and runs[variable].dtype == float:
                    runs[variable].loc[place] = np.nan
            runs["diverged"].loc[place] = 1
    figure = drawn(module, measures)
    found = texts(figure)
    label = r"$\gamma=0.5$, $\alpha=" if names == [CIFAR10_GAMMA] else LABELS[1]
    assert any(f"left out: 2 runs that diverged of {label}" in text for text in found), found
    assert any("5 runs that diverged of" in text for text in found)


@pytest.mark.slow
def test_transfers_that_diverged(measures: Measures) -> None:
    runs = measures[PLANT]
    place = {"node_scaling": "gamma_1", "n_transfer_features": 50, "seed": [1, 2]}
    runs["transfer_diverged"].loc[place] = 1
    runs["transfer_test_risk"].loc[place] = np.nan
    assert left_out(runs) == r"left out: 2 transfers that diverged of $\gamma=1$"
    assert left_out(runs, transfers=False) is None
    for module in (fig02_regression, fig09_plant):
        figure = drawn(module, measures)
        assert any("2 transfers that diverged of" in text for text in texts(figure))
        shown = curve(figure.axes[-1], "gamma_1")
        kept = runs["transfer_test_risk"].sel(node_scaling="gamma_1", seed=[0, 3, 4]).mean("seed")
        assert shown[3, 1] == pytest.approx(float(kept.sel(n_transfer_features=50)))
        assert len(shown) == len(FEATURES)
    # Runs that diverged before are not counted again.
    runs["transfer_diverged"].loc[{"node_scaling": "gamma_1", "seed": 0}] = 1
    runs["diverged"].loc[{"node_scaling": "gamma_1", "seed": 0}] = 1
    assert "1 run that diverged of $\\gamma=1$; 2 transfers" in left_out(runs)


def test_simulated(measures: Measures) -> None:
    runs = measures[SIMULATED]
    risk, weights, ntg, eigenvalue = drawn(fig01_simulated, measures).axes
    for setting in SETTINGS:
        np.testing.assert_allclose(curve(risk, setting), mean(runs, "train_risk", setting))
        np.testing.assert_allclose(curve(ntg, setting), mean(runs, "ntg_change", setting))
        np.testing.assert_allclose(
            curve(eigenvalue, setting), mean(runs, "ntg_min_eigenvalue", setting)
        )
        of_node = runs.assign(weight_change=runs["weight_change"].isel(neuron=0))
        np.testing.assert_allclose(curve(weights, setting), mean(of_node, "weight_change", setting))
    assert risk.get_yscale() == eigenvalue.get_yscale() == "log"
    # One standard deviation of the runs on both sides.
    values = runs["ntg_change"].sel(node_scaling="gamma_1", step=50_000)
    (band,) = [
        one for one in ntg.collections if np.allclose(one.get_facecolor()[0][:3], to_rgb("C0"))
    ]
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(
        float(values.mean() + values.std())
    )
    for axes, name in ((risk, "risk_bound"), (eigenvalue, "eigenvalue_bound")):
        bounds = [line for line in axes.lines if line.get_linestyle() == ":"]
        # None at gamma = 0
        assert [line.get_color() for line in bounds] == ["C0", "C1", "C2"]
        values = runs[name].sel(node_scaling="gamma_1")
        values = values.mean("seed") if "seed" in values.dims else values
        np.testing.assert_allclose(bounds[0].get_ydata(), np.broadcast_to(values, 58))


@pytest.mark.slow
def test_bounds_do_not_stretch_the_axis(measures: Measures) -> None:
    runs = measures[SIMULATED_HALF_SUM]
    lowest = float(runs["train_risk"].min())
    assert float(runs["risk_bound"].min()) < 1e-30
    figure = drawn(fig_simulated_half_sum, measures)
    assert lowest / 100 < figure.axes[4].get_ylim()[0] < lowest
    assert figure.axes[4].get_title() == "half their sum, as in (5)"
    assert any("t = 1000 and 5e+04 of the flow" in text for text in texts(figure))


def test_regression(measures: Measures) -> None:
    weights, ntg, pruned, transferred = drawn(fig02_regression, measures).axes
    for setting in SETTINGS:
        runs = measures[ENERGY]
        np.testing.assert_allclose(curve(ntg, setting), mean(runs, "ntg_change", setting))
        expected = mean(measures[AIRFOIL], "pruned_train_risk", setting)
        np.testing.assert_allclose(curve(pruned, setting), expected)
        expected = mean(measures[PLANT], "transfer_test_risk", setting)
        np.testing.assert_allclose(curve(transferred, setting), expected)
    titles = [axes.get_title() for axes in (weights, ntg, pruned, transferred)]
    assert titles == ["concrete", "energy", "airfoil", "plant"]
    low, high = sorted(pruned.get_xlim())
    assert pruned.xaxis_inverted() and low < min(KEPT) and high > 1
    assert pruned.get_xlabel() == "share of nodes kept"
    assert transferred.get_xscale() == pruned.get_xscale() == "linear"
    assert pruned.get_yscale() == "log"


@pytest.mark.slow
@pytest.mark.parametrize("module", NINE)
def test_nine_panels_are_in_the_captions_order(module, measures: Measures) -> None:
    runs = measures[NINE[module]]
    axes = drawn(module, measures).axes
    names = [
        "train_risk",
        "test_risk",
        None,
        "ntg_change",
        "ntg_min_eigenvalue",
        "pruned_train_risk",
        "pruned_test_risk",
        "transfer_train_risk",
        "transfer_test_risk",
    ]
    for axis, name in zip(axes, names, strict=True):
        if name is None:
            assert "weight change" in axis.get_ylabel()
            continue
        shown = curve(axis, "gamma_05_alpha_05")
        expected = mean(runs, name, "gamma_05_alpha_05")
        np.testing.assert_allclose(shown, expected)


def test_mnist_shows_accuracies(measures: Measures) -> None:
    pruned, transferred = drawn(fig03_mnist, measures).axes
    for axes, name in ((pruned, "pruned"), (transferred, "transfer")):
        shown = curve(axes, "gamma_0_alpha_04")
        expected = mean(measures[MNIST], f"{name}_test_accuracy", "gamma_0_alpha_04")
        np.testing.assert_allclose(shown, expected)
        assert axes.get_yscale() == "linear"


def test_images(measures: Measures) -> None:
    axes = drawn(fig04_cifar10, measures).axes
    names = ["test_risk", None, "pruned_test_risk", "pruned_test_accuracy"]
    for axis, name in zip(axes, names, strict=True):
        if name:
            shown = curve(axis, "gamma_1")
            expected = mean(measures[CIFAR10], name, "gamma_1")
            np.testing.assert_allclose(shown, expected)


def test_the_backbone_is_named(measures: Measures) -> None:
    found = texts(drawn(fig04_cifar10, measures))
    assert any("inputs from resnet18" in text for text in found) and "scale: laptop" not in found
    measures[CIFAR10].attrs["backbone"] = "efficientnet_lite0"
    found = texts(drawn(fig04_cifar10, measures))
    assert "scale: laptop" in found
    assert any("inputs from efficientnet_lite0; paper: ResNet-18" in text for text in found)


@pytest.mark.slow
def test_repeated_inputs_are_named(measures: Measures) -> None:
    assert len(drawn(fig06_concrete, measures).axes[0].lines) == 4
    measures[CONCRETE]["least_train_risk"] = measures[CONCRETE]["least_train_risk"] + 0.02
    figure = drawn(fig06_concrete, measures)
    assert figure.axes[0].lines[-1].get_ydata()[0] == pytest.approx(0.02)
    assert any("grey: the least training risk" in text for text in texts(figure))


def test_eigenvalues_of_rounding_are_not_shown(measures: Measures) -> None:
    runs = measures[CONCRETE]
    runs["ntg_min_eigenvalue"].loc[{"node_scaling": ["gamma_1", "gamma_0_alpha_04"]}] = 1e-17
    axes = drawn(fig06_concrete, measures).axes[4]
    title = axes.get_title()
    assert title == rf"0 but for rounding: {LABELS[0]}; {LABELS[3]}"
    assert len(axes.lines) == 2
    runs["ntg_min_eigenvalue"][:] = -1e-17
    axes = drawn(fig06_concrete, measures).axes[4]
    assert axes.get_title() == "0 but for rounding: all settings" and not axes.lines


def test_reduction_says_what_the_paper_has_more(measures: Measures) -> None:
    runs = measures[MNIST]
    assert reduction(runs, MNIST) is None
    part = runs.isel(seed=[0, 1], node_scaling=[0, 3], step=slice(-1))
    steps = int(part["step"][-1])
    assert reduction(part, MNIST) == (
        f"2 settings, 2 seeds, {steps} steps; paper: 4 settings, 5 seeds, 200000 steps"
    )
    images = measures[CIFAR10].isel(step=slice(-1))
    images.attrs["n_train"] = 5000
    assert reduction(images, CIFAR10).endswith("paper: n = 50000, 78100 steps (100 epochs)")


def test_zipf_weights() -> None:
    figure = fig05_zipf.draw({}, "laptop")
    (axes,) = figure.axes
    line, points = axes.lines
    for alpha, value in line.get_xydata()[::40]:
        assert value == pytest.approx(zipf_sum_of_squares(alpha))
    # zeta(4)/zeta(2)^2 = 2/5
    assert np.interp(0.5, *line.get_xydata().T) == pytest.approx(0.4, abs=1e-3)
    assert dict(np.round(points.get_xydata(), 6))[0.5] == pytest.approx(0.4, abs=1e-3)
    assert "scale: laptop" not in texts(figure)
