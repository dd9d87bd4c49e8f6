"""Training of a block: what comes out, and what it depends on."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from flow_blocks import SOLVER, block_of, four_points
from flow_names import LONG_NAMES

from regimes.engines.common.runner import train
from regimes.engines.gradient_flow import engine as gradient_flow
from regimes.engines.gradient_flow.integrator import integrate
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.errors import ConfigError
from regimes.parameterisations import alpha_beta, normalised
from regimes.storage.store import check_described

AXES = {"gamma_prime": [0.0, 0.5], "gamma": [0.5, 0.8, 1.2], "width": [20, 40], "seed": [0, 1]}


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return four_points()


@pytest.fixture(scope="module")
def trained(data: xr.Dataset) -> xr.Dataset:
    return train(block_of(AXES), data, "cpu")


class Recorder:
    """Stands in for the integrator: keeps what it is given, then calls it."""

    def __init__(self) -> None:
        self.calls: list[tuple[TwoLayerNetwork, Weights]] = []

    def __call__(
        self, network: TwoLayerNetwork, initial: Weights, *others: Any, **options: Any
    ) -> Any:
        self.calls.append((network, initial))
        return integrate(network, initial, *others, **options)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(gradient_flow, "integrate", recorder)
    return recorder


def initial_weights(
    recorder: Recorder, data: xr.Dataset, axes: dict[str, list], **changes: Any
) -> list[Weights]:
    """Initial weights of a block, by batch, without training it."""
    recorder.calls.clear()
    train(block_of(axes, solver=SOLVER | {"max_steps": 1}, **changes), data, "cpu")
    return [initial for _, initial in recorder.calls]


def assert_equal_to_rounding(one: xr.Dataset, two: xr.Dataset) -> None:
    """The same runs up to rounding, which the way through the kinks multiplies by up to 1e4."""
    for name in ("converged", "diverged", "solver_steps", "rejected_steps"):
        xr.testing.assert_equal(one[name], two[name])
    for name in set(LONG_NAMES) - {"final_loss", "train_loss"}:
        xr.testing.assert_allclose(one[name], two[name], rtol=1e-9)
    # Residuals at the end are a thousandth of what they are the difference of.
    for name in ("final_loss", "train_loss"):
        xr.testing.assert_allclose(one[name], two[name], rtol=1e-6, atol=0)


def assert_equal_but_for_kinks(one: xr.Dataset, two: xr.Dataset) -> None:
    """The same runs, most of them up to rounding: where a neuron sits on a kink, rounding decides
    on its slope, which changes what the rest of that run is within its error, and no other run.
    """
    for name in ("converged", "stationary", "capped", "diverged"):
        xr.testing.assert_equal(one[name], two[name])
    distances = ("final_relative_distance_w", "final_relative_distance_a")
    off = xr.concat([abs(one[name] / two[name] - 1) for name in distances], "layer").max("layer")
    assert float((off < 1e-9).mean()) >= 0.8
    assert float(off.max()) < SOLVER["tolerance"] / 100
    same = off < 1e-9
    for name in set(LONG_NAMES) - {"final_loss", "train_loss", "time"}:
        xr.testing.assert_allclose(one[name].where(same), two[name].where(same), rtol=1e-8)


def test_variables_have_the_dimensions_of_the_block(trained: xr.Dataset) -> None:
    assert set(trained.data_vars) == set(LONG_NAMES) - {"time"}
    assert trained.coords["time"].dims == trained["train_loss"].dims
    sizes = {name: len(values) for name, values in AXES.items()}
    for name, variable in trained.data_vars.items():
        history = {"checkpoint": 8} if name == "train_loss" else {}
        assert dict(variable.sizes) == sizes | history, name
        assert variable.dims[: len(sizes)] == tuple(AXES), name
    for name, values in AXES.items():
        assert trained[name].values.tolist() == values
    check_described(trained)
    assert trained.attrs["training_seconds"] >= 0


def test_values_belong_together(trained: xr.Dataset) -> None:
    assert (trained["converged"] == 1).all() and (trained["diverged"] == 0).all()
    assert (trained["final_loss"] < 1e-6 * trained["initial_loss"]).all()
    last = trained.isel(checkpoint=-1)
    np.testing.assert_allclose(last["time"], trained["flow_time"], rtol=1e-9)
    np.testing.assert_allclose(last["train_loss"], trained["final_loss"], rtol=1e-9)
    # theta has both layers, so that its distance lies between theirs.
    layers = [trained["final_relative_distance_w"], trained["final_relative_distance_a"]]
    assert (trained["final_relative_distance_theta"] <= np.maximum(*layers)).all()
    assert (trained["final_relative_distance_theta"] >= np.minimum(*layers)).all()
    assert trained["solver_steps"].dtype == np.int32 and trained["converged"].dtype == np.int8


def test_each_value_is_at_its_own_setting(data: xr.Dataset, trained: xr.Dataset) -> None:
    setting = {"gamma_prime": 0.5, "gamma": 0.8, "width": 40, "seed": 1}
    alone = train(block_of({name: [value] for name, value in setting.items()}), data, "cpu")
    chosen = {name: [value] for name, value in setting.items()}
    assert_equal_to_rounding(alone, trained.sel(chosen))
    others = trained["flow_time"].values.ravel().tolist()
    assert len(set(others)) == len(others)


def test_distances_are_those_of_the_weights(data: xr.Dataset, monkeypatch) -> None:
    kept = {}

    def keeping(network: TwoLayerNetwork, initial: Weights, *others: Any, **options: Any) -> Any:
        kept["initial"] = initial
        kept["flow"] = integrate(network, initial, *others, **options)
        return kept["flow"]

    monkeypatch.setattr(gradient_flow, "integrate", keeping)
    axes = {"gamma_prime": [0.0], "gamma": [0.8], "width": [20], "seed": [0]}
    result = train(block_of(axes), data, "cpu").squeeze()
    start, end = kept["initial"][0], kept["flow"].weights[0]
    moved = {"a": (end.a - start.a).numpy(), "w": (end.w - start.w).numpy()}
    norms = {"a": start.a.numpy(), "w": start.w.numpy()}
    moved["theta"], norms["theta"] = (
        np.concatenate([parts["a"], parts["w"].ravel()]) for parts in (moved, norms)
    )
    for layer, way in moved.items():
        expected = np.sqrt((way**2).sum() / (norms[layer] ** 2).sum())
        assert result[f"final_relative_distance_{layer}"] == pytest.approx(expected, rel=1e-12)


def test_settings_share_draws_and_widths_and_seeds_do_not(
    recorder: Recorder, data: xr.Dataset
) -> None:
    axes = {"gamma_prime": [-0.5, 1.0], "gamma": [0.6, 2.0], "width": [20, 40], "seed": [0, 1]}
    small, large = initial_weights(recorder, data, axes)
    for weights in (small, large):
        # Seeds vary fastest: the same draws for every gamma and gamma', others for the other seed.
        a, w = weights.a.view(4, 2, -1), weights.w.view(4, 2, 2, -1)
        assert (a == a[:1]).all() and (w == w[:1]).all()
        for one, other in ((a[0, 0], a[0, 1]), (w[0, 0], w[0, 1])):
            assert not (one == other).any()
    shared = set(small.a.flatten().tolist()) & set(large.a.flatten().tolist())
    assert not shared


@pytest.mark.parametrize("change", [{"root_seed": 8}, {"experiment": "b"}, {"dataset": "b"}])
def test_draws_have_a_stream_of_their_own(
    recorder: Recorder, data: xr.Dataset, change: dict[str, Any]
) -> None:
    axes = {"gamma_prime": [0.0], "gamma": [0.8], "width": [20], "seed": [0]}
    (one,) = initial_weights(recorder, data, axes)
    (other,) = initial_weights(recorder, data, axes, **change)
    assert not (one.a == other.a).any() and not (one.w == other.w).any()


def test_results_do_not_depend_on_the_block(data: xr.Dataset, trained: xr.Dataset) -> None:
    by_seed = [train(block_of(AXES | {"seed": [seed]}), data, "cpu") for seed in AXES["seed"]]
    assert_equal_to_rounding(xr.concat(by_seed, "seed"), trained)


def test_results_do_not_depend_on_the_order_of_an_axis(
    data: xr.Dataset, trained: xr.Dataset
) -> None:
    turned = train(block_of({name: values[::-1] for name, values in AXES.items()}), data, "cpu")
    assert_equal_to_rounding(turned.sel({name: AXES[name] for name in AXES}), trained)


@pytest.mark.slow
def test_results_do_not_depend_on_the_memory(
    data: xr.Dataset, trained: xr.Dataset, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for five of the twelve runs of a width of 40
    monkeypatch.setattr(gradient_flow, "BATCH_BYTES", 5 * 8 * 40 * (4 * 3 + 4))
    pieces = train(block_of(AXES), data, "cpu")
    assert max(len(initial.a) for _, initial in recorder.calls) <= 10
    assert [len(initial.a) for _, initial in recorder.calls if initial.a.shape[1] == 40] == [4] * 3
    assert_equal_but_for_kinks(pieces, trained)


def test_repetition_is_bitwise_equal(data: xr.Dataset, trained: xr.Dataset) -> None:
    again = train(block_of(AXES), data, "cpu")
    xr.testing.assert_identical(again.drop_attrs(), trained.drop_attrs())


@pytest.mark.parametrize(
    ("choice", "zero"),
    [
        ("auto", [True, True, False, False]),
        ("always", [True] * 4),
        ("never", [False] * 4),
    ],
)
def test_antisymmetric_initialisation_starts_at_zero(
    recorder: Recorder, data: xr.Dataset, choice: str, zero: list[bool]
) -> None:
    axes = {"gamma_prime": [0.0], "gamma": [0.4, 0.5, 0.6, 1.0], "width": [20], "seed": [0]}
    initial_weights(recorder, data, axes, antisymmetric_initialisation=choice)
    network, weights = recorder.calls[0]
    outputs, _ = network.tangent(weights)
    # f is a sum of 20 terms of order one, times a scale of at most 0.3
    assert (outputs.abs().amax(dim=1) < 1e-14).tolist() == zero


def test_divergence_is_stored_as_nan(recorder: Recorder, data: xr.Dataset) -> None:
    bad = data.copy(deep=True)
    bad["targets"][0] = np.inf
    axes = {"gamma_prime": [0.0], "gamma": [0.8], "width": [20], "seed": [0]}
    result = train(block_of(axes), bad, "cpu").squeeze()
    assert result["diverged"] == 1 and result["converged"] == 0
    for name in ("final_relative_distance_w", "final_loss", "flow_time", "train_loss"):
        assert np.isnan(result[name]).all(), name


def test_caps_keep_values(data: xr.Dataset) -> None:
    axes = {"gamma_prime": [0.0], "gamma": [0.8], "width": [20], "seed": [0]}
    capped = block_of(axes, solver=SOLVER | {"max_steps": 3})
    result = train(capped, data, "cpu").squeeze()
    assert result["converged"] == 0 and result["diverged"] == 0
    assert result["solver_steps"] + result["rejected_steps"] == 3
    for name in LONG_NAMES:
        assert np.isfinite(result[name]).all(), name


def test_progress_is_told(data: xr.Dataset) -> None:
    lines: list[str] = []
    axes = {"gamma_prime": [0.0], "gamma": [0.8], "width": [20, 40], "seed": [0]}
    train(block_of(axes), data, "cpu", lines.append)
    assert [line.split(":")[0] for line in lines] == [
        "batch 1 of 2 (width 20, 1 runs)",
        "batch 1 of 2 (width 20, 1 runs)",
        "batch 2 of 2 (width 40, 1 runs)",
        "batch 2 of 2 (width 40, 1 runs)",
    ]


# The unnormalised parameterisation


@pytest.mark.slow
@pytest.mark.parametrize(("given", "value"), [("beta2", 0.0), ("beta2", -0.5), ("beta1", 0.3)])
def test_unnormalised_system_takes_the_same_way(
    data: xr.Dataset, trained: xr.Dataset, given: str, value: float
) -> None:
    block = block_of(AXES, parameterisation="alpha_beta", exponents={given: value})
    other = train(block, data, "cpu")
    # kappa' = beta1 / beta2 = m^-gamma' gives the other beta. Times are those of the normalised
    # system times beta1 beta2.
    sign = -1 if given == "beta2" else 1
    factor = trained["width"] ** (2 * value + sign * trained["gamma_prime"])
    for name in ("flow_time", "time"):
        other[name] = other[name] / factor
    # theta is not the same: the layers weigh differently in its norm.
    other["final_relative_distance_theta"] = trained["final_relative_distance_theta"]
    assert_equal_but_for_kinks(other, trained)


def test_exponents_alone_are_enough(data: xr.Dataset) -> None:
    axes = {"width": [20], "seed": [0]}
    exponents = {"alpha": 1.0, "beta1": 0.2, "beta2": 0.0}
    block = block_of(axes, parameterisation="alpha_beta", exponents=exponents)
    result = train(block, data, "cpu").squeeze()
    same = {"gamma_prime": [-0.2], "gamma": [0.8], "width": [20], "seed": [0]}
    expected = train(block_of(same), data, "cpu").squeeze()
    for name in ("final_relative_distance_w", "final_relative_distance_a", "initial_loss"):
        assert float(result[name]) == pytest.approx(float(expected[name]), rel=1e-9)


def test_scales_of_the_normalised_system() -> None:
    scales = normalised.scales({"width": 100, "gamma": 0.5, "gamma_prime": -1.0})
    assert (scales.output, scales.rate_a, scales.rate_w) == pytest.approx((0.1, 0.01, 100))
    assert (scales.deviation_a, scales.deviation_w, scales.symmetric) == (1, 1, True)


def test_scales_of_the_unnormalised_system() -> None:
    exponents = {"alpha": 0.5, "beta1": -0.5, "beta2": 1.0}
    scales = alpha_beta.scales({"width": 100, "exponents": exponents})
    assert scales.output == pytest.approx(0.1)
    assert (scales.deviation_a, scales.deviation_w) == pytest.approx((0.1, 100))
    assert (scales.rate_a, scales.rate_w) == (1, 1)
    assert scales.symmetric


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"exponents": {}}, ["alpha, beta1, beta2 left open"]),
        ({"exponents": {"beta1": 0.0, "beta2": 0.0}}, ["alpha left open"]),
        ({"exponents": {"beta2": 0.0}, "gamma": 1.0}, ["alpha, beta1 left open"]),
        ({"gamma": 1.0, "gamma_prime": 0.0}, ["alpha, beta1, beta2 left open"]),
        (
            {"exponents": {"alpha": 1.0, "beta1": 0.0, "beta2": 0.0}, "gamma": 0.5},
            ["gamma = 1", "axes say 0.5"],
        ),
        (
            {"exponents": {"beta1": 0.0, "beta2": 0.0}, "gamma": 1.0, "gamma_prime": 0.5},
            ["gamma_prime = 0", "axes say 0.5"],
        ),
    ],
)
def test_open_or_contradicting_exponents_are_errors(
    setting: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        alpha_beta.scales({"width": 100, **setting})
    message = str(caught.value)
    assert message.startswith("exponents") and "\n" not in message
    for word in words:
        assert word in message
