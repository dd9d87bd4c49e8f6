"""Chen et al. (2022): measures and figures on made-up runs; claims: test_chen2022_claims.py."""

import re
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from chen_runs import (
    DATA,
    PAPER,
    RATE,
    SHARE,
    STEPS,
    made_up_measures,
    made_up_runs,
    without,
)
from matplotlib.figure import Figure
from plots import Plot, texts

from regimes.datasets import xor_with_noise
from regimes.engines.function_space.embeddings import random_features
from regimes.papers.chen2022 import (
    bounds,
    curves,
    fig6_quadratic_curves,
    fig_bounds,
    fig_random_labels_draws,
    scalings,
)
from regimes.papers.chen2022.decay import fitted_rate, residual_ratio, steps_to
from regimes.papers.chen2022.panels import APART, draw_against_n, over_runs
from regimes.papers.chen2022.paper import (
    EXPERIMENTS,
    FIGURES,
    QUADRATIC_EMBEDDING,
    RANDOM_LABELS,
    RANDOM_LABELS_DRAWS,
    SCALINGS,
)
from regimes.papers.chen2022.selection import nearest_n_train, reduction, shown_width
from regimes.plotting.wording import pluralise
from regimes.storage.store import check_described

fig1_random_labels = Plot("chen2022/fig1_random_labels")
fig2_quadratic_embedding = Plot("chen2022/fig2_quadratic_embedding")
fig3_scalings = Plot("chen2022/fig3_scalings")
fig4_feature_learning = Plot("chen2022/fig4_feature_learning")
fig5_random_labels_m4096 = Plot("chen2022/fig5_random_labels_m4096")
fig7_feature_learning_n400 = Plot("chen2022/fig7_feature_learning_n400")
fig8_feature_learning_n800 = Plot("chen2022/fig8_feature_learning_n800")

END = {"step": -1}


@pytest.fixture(scope="module")
def all_measures() -> dict[str, xr.Dataset]:
    return {name: made_up_measures(name) for name in (*EXPERIMENTS, RANDOM_LABELS_DRAWS)}


@pytest.fixture
def measures(all_measures: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Measures at the paper's size, to be changed."""
    return {name: runs.copy(deep=True) for name, runs in all_measures.items()}


# The fit of the decay


def history(values: np.ndarray, steps: np.ndarray = STEPS) -> xr.DataArray:
    return xr.DataArray(values, dims="step", coords={"step": steps})


@pytest.mark.parametrize("rate", [1e-6, 2e-4, 1e-3, 0.05])
def test_exponential_decay_is_fitted_exactly(rate: float) -> None:
    # At 0.05 the fall to the rounding floor ends within 1200 steps, among log-spaced ones.
    assert fitted_rate(history(3 * np.exp(-rate * STEPS))) == pytest.approx(rate)


def test_the_fit_does_not_see_rounding_nor_the_ends() -> None:
    noise = np.random.default_rng(0).uniform(1, 9, len(STEPS))
    loss = np.maximum(np.exp(-4e-3 * STEPS), 1e-29 * noise)
    assert fitted_rate(history(loss)) == pytest.approx(4e-3)
    # A drop by 9 % of the fall at once, and a standstill at the end, are not in the middle.
    logs = -np.minimum(2e-4 * STEPS, 2e-4 * 40_000) - 0.09 * 8 * (STEPS > 0)
    assert fitted_rate(history(np.exp(logs))) == pytest.approx(2e-4)


def test_the_fit_weighs_steps_not_points() -> None:
    found = fitted_rate(history(np.exp(-0.2 * np.sqrt(STEPS))))
    # Least squares on a fine even grid of the same stretch
    low, high = (0.1 * np.sqrt(5e4)) ** 2, (0.9 * np.sqrt(5e4)) ** 2
    x = np.linspace(low, high, 20_001)
    slope = np.polyfit(x, -0.2 * np.sqrt(x), 1)[0]
    assert found == pytest.approx(-slope, rel=0.02)


@pytest.mark.parametrize(
    "loss",
    [
        np.full(len(STEPS), np.nan),
        np.where(STEPS > 100, np.nan, 1.0),
        np.ones(len(STEPS)),
        1.0 + STEPS,
        np.exp(-20.0 * STEPS),  # over before five steps were recorded
        np.where(STEPS == 0, 1.0, 0.0),
    ],
)
def test_no_fit_without_a_decay_to_fit(loss: np.ndarray) -> None:
    assert np.isnan(fitted_rate(history(loss)))
    assert not residual_ratio(STEPS.astype(float), loss) <= 1


@pytest.mark.parametrize(
    ("loss", "linear"),
    [
        (np.exp(-2e-4 * STEPS), True),
        (np.exp(-5e-3 * STEPS), True),
        # Rounding after the fall, and a drop in the first steps, are not looked at.
        (np.maximum(np.exp(-5e-3 * STEPS), 1e-15 * (1 + STEPS % 7)), True),
        (np.where(STEPS == 0, 1.09, 1.0) * np.exp(-2e-4 * STEPS), True),
        # Rates that differ by a few times still do, ...
        (np.exp(-5e-4 * STEPS) + 1e-2 * np.exp(-2e-4 * STEPS), True),
        # ... a standstill does not, nor does a power.
        (np.exp(-5e-3 * STEPS) + 1e-3, False),
        ((1.0 + STEPS) ** -0.5, False),
        ((1.0 + STEPS / 100) ** -2, False),
    ],
)
def test_exponentials_and_powers_are_told_apart(loss: np.ndarray, linear: bool) -> None:
    found = residual_ratio(STEPS.astype(float), loss)
    assert (found < 1) == linear, found


def test_the_residual_ratio_by_hand() -> None:
    """On evenly recorded steps it is that of two ordinary fits."""
    steps = np.arange(1, 400.0)
    loss = np.exp(-0.05 * steps - 0.5 * np.log(steps))
    begun = (loss <= 0.9 * loss[0]) & (loss >= 1e-13 * loss[0])
    x, y = steps[begun], np.log(loss[begun])
    rests = [np.polyfit(one, y, 1, full=True)[1][0] for one in (x, np.log(x))]
    assert residual_ratio(steps, loss) == pytest.approx(rests[0] / rests[1], rel=0.03)


def test_steps_to_a_level() -> None:
    loss = np.stack([3 * np.exp(-1e-3 * STEPS), 3 * np.exp(-2e-6 * STEPS)])
    loss = xr.DataArray(loss, dims=("seed", "step"), coords={"step": STEPS})
    found = steps_to(loss, 1e-4)
    assert found[0] == pytest.approx(np.log(1e4) / 1e-3) and np.isnan(found[1])


# The bounds


def test_bounds_of_known_runs() -> None:
    runs = made_up_runs(RANDOM_LABELS, widths=[64], n_train=[20, 40], seeds=2)
    np.testing.assert_allclose(
        bounds.rate_bound(runs).transpose("n_train", "seed", ...).squeeze()[:, 0],
        [SHARE * RATE / 20, SHARE * RATE / 40],
        rtol=1e-4,
    )
    ratio = bounds.least_decay_ratio(runs).squeeze().transpose("seed", "n_train")
    np.testing.assert_allclose(ratio, [[1 / SHARE] * 2, [1.01 / SHARE] * 2], rtol=1e-4)
    # By hand: lambda_max / lambda_min = 20, K = 1/2, I of length 2, L_0 = 0.04 n
    run = runs.isel(model=[0], width=[0], n_train=0, seed=0)
    fall = np.sqrt(20 * 0.04) * (1 - np.exp(-RATE / 20 * STEPS / 2))
    for printed, kappa in ((True, 9 * 20 * 2 / (2 * 0.5)), (False, 9 * 20 / (2**0.5 * 0.5 * 2))):
        expected = np.maximum(0.3**1.5 - kappa * fall, 0) ** (2 / 3)
        found = bounds.active_fraction_bound(run, printed).squeeze()
        np.testing.assert_allclose(found, expected, atol=1e-12)
        # With NTK scaling c^ is m^(1/2) = 8.
        found = bounds.active_fraction_bound(run.assign_coords(model=["ntk"]), printed).squeeze()
        expected = np.maximum(0.3**1.5 - kappa * fall / 8, 0) ** (2 / 3)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_no_bound_from_a_singular_gram_matrix() -> None:
    runs = made_up_runs(RANDOM_LABELS, widths=[64], n_train=[20, 40], seeds=2)
    runs["gram_smallest_eigenvalue"].loc[{"n_train": 40}] = [[[1e-17, -3e-17]]]
    assert (bounds.rate_bound(runs).sel(n_train=40) == 0).all()
    assert bounds.least_decay_ratio(runs).sel(n_train=40).isnull().all()
    bound = bounds.active_fraction_bound(runs, printed=False)
    assert bound.sel(n_train=40).isnull().all() and bound.sel(n_train=20).notnull().all()


def test_rounding_is_no_slow_decay() -> None:
    runs = made_up_runs(RANDOM_LABELS, widths=[64], n_train=[20], seeds=1)
    runs["train_loss"] = np.maximum(runs["train_loss"] ** 50, 1e-28 * 0.04**50)
    assert bounds.least_decay_ratio(runs) == pytest.approx(50 / SHARE, rel=1e-4)


def test_every_scaling_obeys_the_rate() -> None:
    """One small step of gradient descent in function space under each row of Table 1."""
    rng = np.random.default_rng(2)
    n, m, features = 6, 500, 40
    embedding = rng.standard_normal((n, features))
    gram = embedding @ embedding.T / features
    targets, signs = rng.uniform(-1, 1, n), rng.choice([-1, 1], m)
    weights, step = rng.standard_normal((m, features)), 1e-4
    for output, hidden, rate in (
        (1 / m, features**-0.5, m),
        (m**-0.5, features**-0.5, 1),
        (1 / m, m**-0.5 * features**-0.5, m**2),  # MF, with 1/m of its D = m features
    ):
        h = hidden * weights @ embedding.T
        error = output * signs @ np.tanh(h) - targets
        slope = 1 / np.cosh(h) ** 2
        gradient = output * hidden * (signs[:, None] * slope * error) @ embedding / n
        moved = hidden * (weights - rate * step * gradient) @ embedding.T
        losses = [error @ error, np.sum((output * signs @ np.tanh(moved) - targets) ** 2)]
        inside = abs(h) < 1
        least = 1 / np.cosh(1) ** 2
        bound = 2 * np.linalg.eigvalsh(gram)[0] * least**2 * inside.mean(0).min() * step / n
        assert np.log(losses[0] / losses[1]) > bound > 0


# The measures


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_measures_of_known_runs(name: str) -> None:
    runs = made_up_runs(name, widths=[64, 128], seeds=2)
    result = curves.measure(runs.transpose(), DATA)
    check_described(result)
    axes = ("model", "width", "n_train", "seed")
    assert result["train_loss"].dims == result["active_fraction_bound"].dims == (*axes, "step")
    assert result["fitted_rate"].dims == result["gram_min_eigenvalue"].dims == axes
    assert result["diverged"].dtype == float
    expected = RATE / runs["n_train"] * (1 + 0.01 * runs["seed"])
    assert abs(result["fitted_rate"] / expected - 1).max() < 1e-6
    assert "history" not in " ".join(map(str, result.data_vars))


def test_measures_where_nothing_was_run() -> None:
    runs = without(made_up_runs(SCALINGS, seeds=2), width=8192, n_train=200)
    result = curves.measure(runs, DATA)
    gone = result["diverged"].isnull()
    assert int(gone.sum()) == 3 * 2
    for name in ("fitted_rate", "theory_rate", "least_decay_ratio"):
        assert (result[name].isnull() == gone).all()


# What is shown


def test_selection() -> None:
    runs = without(made_up_measures(SCALINGS), width=8192, n_train=[200, 400])
    assert shown_width(runs, 8192) == 4096
    assert shown_width(runs, 100) == 512
    assert shown_width(runs.sel(n_train=600), 8192) == 8192
    assert nearest_n_train(runs, 600) == 600
    assert nearest_n_train(runs.sel(width=[8192]), 300) == 600


def test_reduction_says_what_the_paper_has_more() -> None:
    runs = made_up_measures(RANDOM_LABELS).isel(model=0)
    assert reduction(runs.sel(width=8192), FIGURES[1]) is None
    small = runs.sel(width=4096, n_train=[20, 60], seed=[0, 1]).isel(step=slice(40))
    assert reduction(small, FIGURES[1]) == (
        f"m = 4096, n = 20, 60, 2 seeds, {int(small['step'][-1])} steps; "
        "paper: m = 8192, n = 20, 40, 60, 80, 100, 5 seeds, 50000 steps"
    )
    # Where a grid has fewer seeds
    assert reduction(without(runs, n_train=80, seed=[1, 2, 3, 4]), FIGURES[1]) == (
        "1 seed; paper: 5 seeds"
    )


# Figures

MODULES = {
    fig1_random_labels: RANDOM_LABELS,
    fig2_quadratic_embedding: QUADRATIC_EMBEDDING,
    fig3_scalings: SCALINGS,
    fig4_feature_learning: SCALINGS,
    fig5_random_labels_m4096: RANDOM_LABELS,
    fig6_quadratic_curves: QUADRATIC_EMBEDDING,
    fig7_feature_learning_n400: SCALINGS,
    fig8_feature_learning_n800: SCALINGS,
    fig_bounds: None,
}


def drawn(module, measures: dict[str, xr.Dataset]) -> Figure:
    name = MODULES[module]
    return module.draw(measures if name is None else {name: measures[name]}, "laptop")


def curve(axes: plt.Axes, label: str) -> np.ndarray:
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line.get_xydata()


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_the_papers_size_is_not_marked(module, measures: dict[str, xr.Dataset]) -> None:
    found = texts(drawn(module, measures), layout=True)
    assert "scale: laptop" not in found
    assert not any("paper" in text for text in found), found


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_smaller_runs_are_marked(module) -> None:
    small = {
        name: made_up_measures(name, widths=[32], n_train=[10], seeds=1) for name in EXPERIMENTS
    }
    found = texts(drawn(module, small))
    assert "scale: laptop" in found
    assert any("m = 32, n = 10, 1 seed; paper: m = " in text for text in found), found


@pytest.mark.slow
@pytest.mark.parametrize("module", [*MODULES, fig_random_labels_draws])
def test_a_single_run_is_not_called_runs(module) -> None:
    single = {
        name: made_up_measures(name, widths=[32], n_train=[10], seeds=1)
        for name in (*EXPERIMENTS, RANDOM_LABELS_DRAWS)
    }
    name = MODULES.get(module, RANDOM_LABELS_DRAWS)
    found = texts(module.draw(single if name is None else {name: single[name]}, "laptop"))
    assert not any(re.search(r"\b1 (runs|seeds|data sets|steps)\b", text) for text in found), found
    assert any("1 run" in text or "1 data set," in text for text in found), found


def test_numbers_of_runs_in_words() -> None:
    assert over_runs("mean and range", [5]) == "mean and range of 5 runs"
    assert over_runs("mean and range", [5, 3]) == "mean and range of 3 to 5 runs"
    assert over_runs("mean and range", [1, 5]) == "mean and range of 1 to 5 runs"
    assert over_runs("mean and range", [1, 1]) == "1 run"
    assert over_runs("mean and range", []) == "all runs diverged"
    assert [pluralise(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


@pytest.mark.slow
def test_unequal_numbers_of_runs_are_named(measures: dict[str, xr.Dataset]) -> None:
    runs = without(measures[QUADRATIC_EMBEDDING], width=2048, seed=[3, 4])
    found = texts(fig6_quadratic_curves.draw({QUADRATIC_EMBEDDING: runs}, "laptop"))
    assert any("mean and range of 3 to 5 runs" in text for text in found), found


def test_means_are_said_to_be_of_the_runs_that_did_not_diverge() -> None:
    runs = made_up_measures(RANDOM_LABELS, widths=[32], n_train=[10, 20], seeds=3)
    place = {"n_train": 10, "seed": 2}
    runs["diverged"].loc[place] = 1
    for name in ("train_loss", "fitted_rate"):
        runs[name].loc[place] = np.nan
    found = texts(drawn(fig1_random_labels, {RANDOM_LABELS: runs}))
    assert any("standard deviation of 2 to 3 runs" in text for text in found), found
    # They were run all the same.
    assert any("m = 32, n = 10, 20, 3 seeds; paper" in text for text in found), found
    runs["diverged"][:] = 1
    for name in ("train_loss", "fitted_rate"):
        runs[name][:] = np.nan
    found = texts(drawn(fig1_random_labels, {RANDOM_LABELS: runs}))
    assert any("all runs diverged" in text for text in found), found


def test_error_bars_are_standard_deviations_of_samples() -> None:
    _, axes = plt.subplots()
    dims = ("n_train", "seed")
    values = xr.DataArray([[1.0, 3.0], [5.0, np.nan]], dims=dims, coords={"n_train": [10, 20]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_against_n(axes, values, "C0")
    (bars,) = axes.containers[0].lines[2]
    # Without a deviation the path has no points.
    (ends,) = [path[:, 1] for path in bars.get_segments() if path.size and np.isfinite(path).all()]
    np.testing.assert_allclose(ends, 2 + np.array([-1, 1]) * 2**0.5)
    plt.close()


@pytest.mark.slow
def test_curves_that_are_cut_are_said_to_be(measures: dict[str, xr.Dataset]) -> None:
    note = "losses below $10^{-8}$ are not shown"
    assert not any(note in text for text in texts(drawn(fig6_quadratic_curves, measures)))
    runs = measures[QUADRATIC_EMBEDDING]
    runs["train_loss"].loc[{"model": "quadratic", "step": slice(10_000, None)}] = 1e-9
    figure = drawn(fig6_quadratic_curves, measures)
    assert any(note in text for text in texts(figure))
    plain, quadratic = (figure.axes[place].get_ylim()[0] for place in (0, 4))
    assert quadratic == pytest.approx(1e-8) and plain > 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_figures_of_runs_with_gaps(module, measures: dict[str, xr.Dataset]) -> None:
    """Several grids, a run that diverged, and a singular Gram matrix."""
    for name, runs in measures.items():
        runs = without(runs, width=max(PAPER[name][0]), n_train=PAPER[name][1][1])
        runs["diverged"][..., 0] = xr.where(runs["diverged"][..., 0] == 0, 1, np.nan)
        for variable in ("train_loss", "test_error", "active_fraction", "feature_map"):
            runs[variable].loc[{"seed": 0}] = np.nan
        runs["theory_rate"].loc[{"n_train": PAPER[name][1][2]}] = 0
        measures[name] = runs
    texts(drawn(module, measures))


@pytest.mark.parametrize(
    ("module", "width"), [(fig1_random_labels, 8192), (fig5_random_labels_m4096, 4096)]
)
def test_losses_on_random_labels(module, width: int, measures: dict[str, xr.Dataset]) -> None:
    runs = measures[RANDOM_LABELS]
    runs["train_loss"].loc[{"width": 4096}] *= 1.1
    runs["theory_rate"].loc[{"n_train": slice(40, None)}] = 0
    figure = drawn(module, measures)
    losses, rates = figure.axes
    for n in FIGURES[1].n_train:
        shown = curve(losses, f"$n = {n}$")
        expected = runs["train_loss"].sel(width=width, n_train=n).mean("seed").squeeze()
        np.testing.assert_allclose(shown, np.transpose([STEPS, expected]))
    assert losses.get_title() == f"$m = {width}$" and losses.get_yscale() == "log"
    legend = [text.get_text() for text in rates.get_legend().get_texts()]
    assert rates.get_title() == "no bound from $n = 40$ on: $G$ singular"
    assert {"measured", "bound (50)"} <= set(legend)


def test_errors_against_n(measures: dict[str, xr.Dataset]) -> None:
    figure = drawn(fig3_scalings, measures)
    (axes,) = figure.axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["ours", "NTK", "MF"]
    runs = measures[SCALINGS].sel(width=8192)
    models = enumerate(["ours", "ntk", "mean_field"])
    for (line, *_), (beside, model) in zip(axes.containers, models, strict=True):
        expected = runs["test_error"].sel(model=model).isel(END).mean("seed")
        n = np.array(FIGURES[3].n_train)
        expected = np.transpose([n + beside * APART * np.ptp(n), expected])
        np.testing.assert_allclose(line.get_xydata(), expected)
    assert any("after 50000 steps" in text for text in texts(figure))
    (axes,) = drawn(fig2_quadratic_embedding, measures).axes
    assert len(axes.containers) == 2


def test_curves_at_two_widths(measures: dict[str, xr.Dataset]) -> None:
    figure = drawn(fig6_quadratic_curves, measures)
    assert len(figure.axes) == 2 * 4
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        f"$n = {n}$" for n in (50, 200, 600, 1000)
    ]
    runs = measures[QUADRATIC_EMBEDDING].sel(model="quadratic", n_train=600)
    lines = [line.get_ydata() for line in figure.axes[6].lines]
    assert len(lines) == 4
    for index, (width, name) in enumerate(
        (width, name) for width in (2048, 8192) for name in ("train_loss", "test_error")
    ):
        np.testing.assert_allclose(lines[index], runs[name].sel(width=width).mean("seed"))
    # Of smaller networks the two nearest.
    small = made_up_measures(QUADRATIC_EMBEDDING, widths=[128, 512, 1024], n_train=[50], seeds=2)
    found = texts(fig6_quadratic_curves.draw({QUADRATIC_EMBEDDING: small}, "laptop"))
    assert any(text.startswith("thick and thin: $m = 512$ and $m = 1024$") for text in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "n"),
    [
        (fig4_feature_learning, 600),
        (fig7_feature_learning_n400, 400),
        (fig8_feature_learning_n800, 800),
    ],
)
def test_features(module, n: int, measures: dict[str, xr.Dataset]) -> None:
    figure = drawn(module, measures)
    panels = np.array(figure.axes).reshape(2, 3)
    (legend,) = figure.legends
    assert legend.get_texts()[2].get_text() == "$m = 2048$"
    assert all("mean movement" in axes.get_title() for axes in panels[1])
    assert [axes.get_title() for axes in panels[0]] == ["ours", "NTK", "MF"]
    runs = measures[SCALINGS].sel(n_train=n)
    ntk = runs.sel(model="ntk")
    shown = curve(panels[0, 1], "$m = 2048$")
    np.testing.assert_allclose(shown[:, 1], ntk["train_loss"].sel(width=2048).mean("seed"))
    assert sum(line.get_linestyle() == "--" for line in panels[0, 1].lines) == 5
    features = ntk["feature_map"].sel(width=8192, seed=0)
    for moment, label in enumerate(("start", "end")):
        expected = features.sel(moment=moment).transpose("neuron", "map_point")
        np.testing.assert_allclose(curve(panels[1, 1], label), expected)
    assert any(text.startswith(f"$n = {n}$; above") for text in texts(figure))


def test_features_at_the_nearest_n(measures: dict[str, xr.Dataset]) -> None:
    runs = measures[SCALINGS].sel(n_train=[200, 400], width=[1024, 2048])
    found = texts(fig4_feature_learning.draw({SCALINGS: runs}, "laptop"))
    assert any("$n = 400$ (paper: $n = 600$)" in text for text in found)
    assert any("m = 1024, 2048, n = 400; paper: m = 8192, n = 600" in text for text in found)


def test_theory_beside_the_runs(measures: dict[str, xr.Dataset]) -> None:
    figure = drawn(fig_bounds, measures)
    rates, labels, _, scalings = figure.axes
    points = curve(rates, "shallow")
    assert len(points) == 2 * 5 * 5
    runs = measures[RANDOM_LABELS]
    np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(runs["theory_rate"].values.ravel()))
    assert "$m = 8192$, $n = 20$" in labels.get_title()
    shown = curve(scalings, "NTK")
    runs = measures[SCALINGS].sel(model="ntk", width=8192, n_train=200)
    np.testing.assert_allclose(shown[:, 1], runs["active_fraction"].mean("seed"))
    dashed = [line.get_ydata() for line in scalings.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed[1], runs["active_fraction_bound"].mean("seed"))


def test_the_limit_of_the_gram_matrix() -> None:
    settings = {"n_train": 12, "n_test": 3, "n_features": 8, "seed": 0, "draws": 2}
    data = xor_with_noise.build(settings)
    runs = made_up_runs(SCALINGS, widths=[8], n_train=[5, 12], seeds=2)
    measured = scalings.measure(runs, data)
    check_described(measured)
    limit = measured["limiting_gram_min_eigenvalue"]
    assert limit.dims == ("n_train", "seed")
    for seed in (0, 1):
        inputs = data["inputs"].values[seed, :12]
        psi = random_features.embed(
            inputs, {"embedding_width": 60_000, "activation": "relu"}, np.random.default_rng(1)
        )
        for n_train in (5, 12):
            finite = np.linalg.eigvalsh(psi[:n_train] @ psi[:n_train].T)[0]
            assert float(limit.sel(n_train=n_train, seed=seed)) == pytest.approx(finite, rel=0.1)


def test_fresh_data_are_shown_run_by_run(measures: dict[str, xr.Dataset]) -> None:
    runs = measures[RANDOM_LABELS_DRAWS]
    figure = fig_random_labels_draws.draw({RANDOM_LABELS_DRAWS: runs}, "laptop")
    assert [axis.get_title() for axis in figure.axes] == [
        f"$n = {n}$" for n in runs["n_train"].values
    ]
    for axis in figure.axes:
        assert len(axis.lines) == 5
