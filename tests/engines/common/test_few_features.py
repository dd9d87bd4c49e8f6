"""Compiled passes over networks with few features, against products of matrices."""

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from regimes.activations import leaky_relu, relu, tanh
from regimes.activations.apply import slope_below
from regimes.engines.common import shallow
from regimes.engines.common.few_features import FewFeatures
from regimes.engines.common.shallow import (
    Layers,
    Rates,
    ShallowNetworks,
    Weights,
    few_feature_passes,
)

ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-4}


class Case:
    """Networks at two places, with dead neurons and pre-activations exactly on their kinks."""

    def __init__(self, width: int, n_features: int, n_points: int, dtype: torch.dtype):
        random = np.random.default_rng(0)

        def drawn(*shape: int) -> Tensor:
            return torch.tensor(random.standard_normal(shape), dtype=dtype)

        self.inputs, self.errors = drawn(n_features, n_points), drawn(n_points)
        self.w, self.end = drawn(width, n_features), drawn(width, n_features)
        self.output = drawn(width)
        self.w[::3] = 0  # on all kinks
        self.inputs[:, ::4] = 0
        self.end[::5] = self.w[::5]

    def slopes(self, activation: ModuleType, w: Tensor) -> Tensor:
        return activation.slope(w @ self.inputs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", [relu, leaky_relu])
@pytest.mark.parametrize(
    ("width", "n_features", "n_points"),
    [(1, 1, 1), (3, 5, 7), (4, 4, 64), (101, 8, 67), (30, 16, 129), (8, 13, 1)],
)
def test_passes_are_products(
    width: int, n_features: int, n_points: int, activation: ModuleType, dtype: torch.dtype
) -> None:
    case = Case(width, n_features, n_points, dtype)
    passes = FewFeatures(case.inputs.numpy(), slope_below(activation))
    w, end, output, errors = (one.numpy() for one in (case.w, case.end, case.output, case.errors))
    start, last = case.slopes(activation, case.w), case.slopes(activation, case.end)
    kept = torch.where(case.output[:, None] * case.errors > 0, start, last)
    direction = case.end - case.w
    found_and_expected = [
        (passes.gradient(w, errors), (start * case.errors) @ case.inputs.mT),
        (passes.outputs(w, output), case.output @ ((case.w @ case.inputs) * start)),
        (
            passes.output_change(w, output, direction.numpy()),
            case.output @ ((direction @ case.inputs) * start),
        ),
        *zip(
            passes.gradient_at_end(w, end, output, errors),
            ((slopes * case.errors) @ case.inputs.mT for slopes in (kept, last - kept)),
            strict=True,
        ),
    ]
    for found, expected in found_and_expected:
        assert found.dtype == expected.numpy().dtype
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=ROUNDING[dtype] * 10)
    np.testing.assert_array_equal(passes.positive(w), (start == 1).numpy())


def networks(
    activation: ModuleType, layers: Layers, n_outputs: int = 1, own_inputs: bool = False
) -> ShallowNetworks:
    random = np.random.default_rng(1)
    width, n_features, n_points, n_networks = 21, 5, 70, 3

    def drawn(*shape: int) -> Tensor:
        return torch.tensor(random.standard_normal(shape))

    return ShallowNetworks(
        drawn(n_networks, n_features, n_points) if own_inputs else drawn(n_features, n_points),
        Weights(drawn(n_networks, width, n_features), drawn(n_networks, n_outputs, width)),
        Rates(torch.tensor([0.01, 0.02, 0.03]), torch.tensor([0.03, 0.01, 0.02])),
        activation,
        trained=layers,
        output_scale=0.2,
    )


def moved(descending: ShallowNetworks) -> ShallowNetworks:
    outputs = descending.evaluate()
    for step in range(20):
        outputs = descending.move(outputs - 1)
        if step == 10:
            descending.keep([0, 2])
            outputs = descending.evaluate()
    return descending


@pytest.mark.parametrize("own_inputs", [False, True])
@pytest.mark.parametrize("layers", ["first", "both"])
@pytest.mark.parametrize("activation", [relu, leaky_relu])
def test_compiled_steps_are_those_of_products(
    activation: ModuleType, layers: Layers, own_inputs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = moved(networks(activation, layers, own_inputs=own_inputs))
    assert compiled._compiled
    monkeypatch.setattr(shallow, "MOST_FEATURES", 0)
    products = moved(networks(activation, layers, own_inputs=own_inputs))
    assert not products._compiled
    for name in ("hidden", "output"):
        found, expected = getattr(compiled.weights, name), getattr(products.weights, name)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(compiled.evaluate(), products.evaluate(), rtol=0, atol=1e-12)
    assert compiled.activation_changes().tolist() == products.activation_changes().tolist()
    assert compiled.activation_changes().sum() > 50


def test_products_are_taken_where_they_serve() -> None:
    few = torch.zeros(5, 70)
    assert few_feature_passes(few, relu) is not None
    assert few_feature_passes(few[:, :20], relu) is None
    assert few_feature_passes(torch.zeros(17, 70), relu) is None
    assert few_feature_passes(few, tanh) is None
    assert not networks(relu, "second")._compiled
    assert not networks(relu, "first", n_outputs=2)._compiled


def test_without_numba_products_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regimes.engines.common.few_features", None)
    with pytest.warns(UserWarning, match="numba cannot be loaded"):
        assert few_feature_passes(torch.zeros(5, 70), relu) is None


def test_numba_is_loaded_where_it_is_needed() -> None:
    code = (
        "import sys, torch; from regimes.activations import tanh;"
        "from regimes.engines.function_space import node_scaled, engine;"
        "from regimes.engines.common.shallow import few_feature_passes;"
        "few_feature_passes(torch.zeros(5, 70), tanh); print('numba' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.strip() == "False"
