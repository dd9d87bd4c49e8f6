"""Song et al. (2021), Section 6: measures and Fig. 1, on made-up runs."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from plots import texts
from scipy.stats import t as student_t
from song_runs import LOSSES, OMEGA_2, PRODUCT, lose, made_up_data, made_up_runs, measured

from regimes.errors import DataError
from regimes.papers.song2021 import fig1_mnist, mnist
from regimes.papers.song2021.paper import MNIST
from regimes.storage import store


@pytest.fixture
def runs() -> xr.Dataset:
    return made_up_runs()


def test_measures(runs: xr.Dataset) -> None:
    lose(runs, loss="mean_square", omega_2=0.002, seed=3)
    found = measured(runs)
    store.check_described(found)
    grid = ("loss", "omega_2", "seed")
    for name in ("train_accuracy", "test_accuracy", "train_loss", "test_loss"):
        assert found[name].dims == (*grid, "epoch"), name
        assert found[f"final_{name}"].dims == grid
        assert "along" not in found[f"final_{name}"].attrs["long_name"]
        np.testing.assert_array_equal(found[f"final_{name}"], found[name].sel(epoch=300))
    assert found["omega_1"].dims == found["omega_ratio"].dims == ("omega_2",)
    np.testing.assert_allclose(found["omega_1"] * found["omega_2"], PRODUCT)
    np.testing.assert_allclose(found["omega_ratio"], np.array(OMEGA_2) ** 2 / PRODUCT)
    # Where it was in the runs, whatever the order of the losses.
    place = {"loss": "log_likelihood", "omega_2": 0.02378, "seed": 2}
    np.testing.assert_array_equal(
        found["test_accuracy"].sel(place), runs["test_accuracy"].sel(place).squeeze()
    )
    assert float(found["diverged"].sum()) == 1
    lost = found.sel(loss="mean_square", omega_2=0.002, seed=3)
    assert lost["diverged"] == 1 and np.isnan(lost["final_test_accuracy"])
    assert found.attrs == {"width": 1000, "n_train": 60_000, "n_test": 10_000, "n_features": 1}
    assert int(found["teacher_epochs"]) == 180 and float(found["teacher_test_agreement"]) == 0.954
    plain = mnist.measure(runs, made_up_data()[["inputs", "split"]])
    assert "teacher_epochs" not in plain
    xr.testing.assert_identical(
        plain.drop_attrs(), found.drop_vars(list(mnist.TEACHER)).drop_attrs()
    )


def test_runs_that_do_not_suffice(runs: xr.Dataset) -> None:
    with pytest.raises(DataError, match="at one width, not 2"):
        mnist.measure(xr.concat([runs, runs.assign_coords(width=[10])], "width"), made_up_data())
    with pytest.raises(DataError, match="runs with test_accuracy"):
        mnist.measure(runs.drop_vars("test_accuracy"), made_up_data())


def bars(axes: plt.Axes, colour: str) -> tuple[np.ndarray, np.ndarray]:
    """Points of a curve, and the lower and upper ends of their bars."""
    (container,) = [one for one in axes.containers if one.lines[0].get_color() == colour]
    (segments,) = container.lines[2]
    ends = [one[:, 1] if len(one) else [np.nan] * 2 for one in segments.get_segments()]
    return container.lines[0].get_xydata(), np.array(ends)


def test_figure_at_the_papers_size(runs: xr.Dataset) -> None:
    found = measured(runs)
    figure = fig1_mnist.draw({MNIST: found}, "laptop")
    shown = texts(figure)
    assert "scale: laptop" not in shown and not any("paper:" in text for text in shown)
    assert not any("diverged" in text for text in shown)
    note = next(text for text in shown if "mean of 5 runs with 95 % intervals" in text)
    assert "0.002259" in note and "no training error after 180 epochs, 4.60 % test error" in note
    # A row for each loss, with an axis of its own.
    panels = itertools.product((("log_likelihood", "C0"), ("mean_square", "C1")), ("train", "test"))
    for axes, ((loss, colour), part) in zip(figure.axes, panels, strict=True):
        values = found[f"final_{part}_accuracy"].sel(loss=loss)
        curve, ends = bars(axes, colour)
        np.testing.assert_allclose(curve, np.transpose([OMEGA_2, values.mean("seed")]))
        half = student_t.ppf(0.975, 4) * values.std("seed", ddof=1) / 5**0.5
        np.testing.assert_allclose(ends[:, 1] - curve[:, 1], half, atol=1e-12)
        (he,) = [line for line in axes.lines if line.get_label() == "He"]
        assert he.get_xdata()[0] == pytest.approx(0.002**0.5)


def test_figure_of_smaller_runs() -> None:
    size = {"width": 20, "seeds": 1, "epochs": 4, "omega_2": OMEGA_2[::4]}
    small = measured(made_up_runs(**size), made_up_data(100, 50))
    shown = texts(fig1_mnist.draw({MNIST: small}, "smoke"))
    assert "scale: smoke" in shown
    assert any(
        "m = 20, 100 training images, 50 test images, 4 epochs, 3 values of $\\omega_2$, 1 seed; "
        "paper: m = 1000, 60000 training images"
        in text
        and "one run for each point" in text
        for text in shown
    )


def test_figure_of_students_that_diverged(runs: xr.Dataset) -> None:
    lose(runs, loss="mean_square", omega_2=0.002)
    lose(runs, loss="mean_square", omega_2=0.00744, seed=[1, 2])
    found = measured(runs)
    figure = fig1_mnist.draw({MNIST: found}, "laptop")
    assert any(
        r"mean square: of 5 runs diverged for $\omega_2$: 5 at 0.002, 2 at 0.00744" in text
        for text in texts(figure)
    )
    for axes, lost in zip(figure.axes, (False, False, True, True), strict=True):
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert len(crosses) == lost
        for line in crosses:
            assert line.get_color() == "C1" and line.get_xdata().tolist() == [0.002, 0.00744]
    # The mean of those that are left.
    curve, ends = bars(figure.axes[3], "C1")
    assert np.isnan(ends[0]).all()
    left = found["final_test_accuracy"].sel(loss="mean_square", omega_2=0.00744, seed=[0, 3, 4])
    at = curve[:, 0] == 0.00744
    assert curve[at, 1] == pytest.approx(float(left.mean()))
    half = student_t.ppf(0.975, 2) * float(left.std(ddof=1)) / 3**0.5
    assert ends[1, 1] - curve[1, 1] == pytest.approx(half)
    assert float(fig1_mnist.interval(left)) == pytest.approx(half)
    assert np.isnan(fig1_mnist.interval(left.isel(seed=[0])))


def test_figure_with_one_loss(runs: xr.Dataset) -> None:
    for loss in LOSSES:
        figure = fig1_mnist.draw({MNIST: measured(runs.sel(loss=[loss]))}, "laptop")
        assert [len(axes.containers) for axes in figure.axes] == [1, 1]
