"""Gradient descent in function space: against weights and autograd, multisteps against steps."""

from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from regimes.activations.apply import activate
from regimes.engines.function_space import network as function_space
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.embeddings import identity, quadratic, random_features
from regimes.engines.function_space.engine import initial_pre_activations
from regimes.engines.function_space.multistep import (
    EigenPowers,
    MultistepControl,
    Powers,
    break_even_steps,
    control_of,
    multistep,
    power_sums,
)
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork, Place
from regimes.parameterisations.feature_scalings import SCALINGS

WIDTH, N_POINTS, N_TEST, N_FEATURES, DIMENSION = 24, 7, 3, 4, 24


class Start:
    """A network with a random embedding at its start, with its weights."""

    def __init__(self, scaling: str, activation: str, dimension: int = DIMENSION, seed: int = 0):
        random = np.random.default_rng(seed)
        self.scaling, self.activation = SCALINGS[scaling], activation
        self.inputs = random.standard_normal((N_POINTS + N_TEST, N_FEATURES))
        self.targets = random.standard_normal(N_POINTS)
        features = random.standard_normal((dimension, N_FEATURES))
        self.phi = activate(activation, self.inputs @ features.T / N_FEATURES**0.5)
        free = WIDTH // 2 if self.scaling.symmetrised else WIDTH
        self.weights = random.standard_normal((free, dimension))
        self.signs = 2.0 * random.integers(0, 2, free) - 1
        if self.scaling.symmetrised:
            self.weights = np.concatenate([self.weights, self.weights])
            self.signs = np.concatenate([self.signs, -self.signs])

    def in_function_space(self, in_weights: bool | None, step_size: float) -> FunctionSpaceNetwork:
        dimension = self.phi.shape[1]
        psi = torch.tensor(self.phi) / dimension**0.5
        initial = self.scaling.hidden_scale(dimension) * self.weights @ self.phi.T
        return FunctionSpaceNetwork(
            Embedded(psi[:N_POINTS], psi[N_POINTS:]),
            torch.tensor(initial),
            torch.tensor(self.signs),
            torch.tensor(self.targets),
            import_module(f"regimes.activations.{self.activation}"),
            output_scale=self.scaling.output_scale(WIDTH),
            step_factor=self.scaling.step_factor(WIDTH, dimension, step_size),
            in_weights=in_weights,
        )

    def by_autograd(self, n_steps: int, step_size: float) -> tuple[list[Tensor], Tensor, Tensor]:
        """Training outputs after each step, h at all points at the end, and the weights' way."""
        dimension = self.phi.shape[1]
        scaling, phi = self.scaling, torch.tensor(self.phi)
        functions = {
            "relu": torch.relu,
            "tanh": torch.tanh,
            "gelu": torch.nn.functional.gelu,
        }
        weights = torch.tensor(self.weights, requires_grad=True)
        signs, targets = torch.tensor(self.signs), torch.tensor(self.targets)
        outputs = []
        for step in range(n_steps + 1):
            hidden = scaling.hidden_scale(dimension) * weights @ phi.T
            values = functions[self.activation](hidden)
            f = scaling.output_scale(WIDTH) * signs @ values[:, :N_POINTS]
            outputs.append(f.detach().clone())
            if step < n_steps:
                loss = (f - targets).square().sum() / (2 * N_POINTS)
                (gradient,) = torch.autograd.grad(loss, weights)
                rate = scaling.rate(WIDTH, dimension, step_size)
                weights = (weights - rate * gradient).detach().requires_grad_()
        way = (weights - torch.tensor(self.weights)).detach()
        return outputs, hidden.detach(), way


@pytest.mark.parametrize("in_weights", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("dimension", [DIMENSION, 5])
def test_steps_are_those_of_the_weights(
    scaling: str, activation: str, in_weights: bool, dimension: int
) -> None:
    start = Start(scaling, activation, dimension)
    network = start.in_function_space(in_weights, step_size=0.7)
    outputs, hidden, way = start.by_autograd(30, step_size=0.7)
    for step, expected in enumerate(outputs):
        torch.testing.assert_close(network.errors + network.targets, expected, rtol=0, atol=1e-12)
        if step < 30:
            network.step()
    assert (outputs[-1] - outputs[0]).norm() > 0.01
    train, test = network.pre_activations()
    torch.testing.assert_close(torch.cat([train, test], 1), hidden, rtol=0, atol=1e-11)
    factor = 1 / (dimension**0.5 * start.scaling.hidden_scale(dimension))
    assert network.coordinate_distance() * factor == pytest.approx(float(way.norm()), rel=1e-9)


def test_pieces_of_neurons_change_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start("ours", "relu")
    whole = start.in_function_space(False, 0.7)
    monkeypatch.setattr(function_space, "PIECE_BYTES", 1)
    monkeypatch.setattr(function_space, "LEAST_NEURONS", 5)
    pieces = start.in_function_space(False, 0.7)
    assert len(pieces.pieces()) == 5
    for _ in range(10):
        pieces.step()
    monkeypatch.undo()
    assert len(whole.pieces()) == 1
    for _ in range(10):
        whole.step()
    torch.testing.assert_close(whole.errors, pieces.errors, rtol=1e-12, atol=1e-14)


def test_the_cheaper_state_is_chosen() -> None:
    assert not Start("ours", "relu", 4).in_function_space(None, 1.0).in_weights
    assert Start("ours", "relu", 3).in_function_space(None, 1.0).in_weights


@pytest.mark.parametrize("n_steps", [1, 2, 7, 100, 50_000])
@pytest.mark.parametrize("eigenvalue", [0.0, 1e-12, 1e-7, 1e-4, 0.003, 0.2, 0.7, 1.0, 1.9])
def test_power_sums(n_steps: int, eigenvalue: float) -> None:
    # Sums of exact numbers, of which float64 would lose the small differences
    if n_steps > 100:
        steps = np.arange(n_steps, dtype=np.longdouble)
        powers = np.power(np.longdouble(1) - np.longdouble(eigenvalue), steps)
        total, growing = powers.sum(), (steps * powers[::-1]).sum() / n_steps
        at_zero = np.longdouble(n_steps - 1) / 2
        slope = None if eigenvalue < 1e-7 else float((at_zero - growing) / eigenvalue)
    else:
        x = Fraction(eigenvalue)
        powers = [(1 - x) ** k for k in range(n_steps)]
        total = sum(powers)
        growing = sum(k * powers[n_steps - 1 - k] for k in range(n_steps)) / n_steps
        slope = float((Fraction(n_steps - 1, 2) - growing) / x) if x else None
    found = power_sums(torch.tensor([eigenvalue], dtype=torch.float64), n_steps)
    assert found.total.item() == pytest.approx(float(total), rel=1e-9)
    if slope is not None:
        assert found.growing_slope.item() == pytest.approx(slope, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 50, 400])
def test_powers_are_those_of_the_eigenvalues(n_steps: int) -> None:
    random = np.random.default_rng(0)
    vectors = np.linalg.qr(random.standard_normal((9, 9)))[0]
    eigenvalues = np.array([0, 1e-9, 1e-5, 1e-3, 0.02, 0.3, 1.0, 1.7, 1.99])
    kernel = torch.tensor(vectors * eigenvalues @ vectors.T)
    vector = torch.tensor(random.standard_normal(9))
    one, other = Powers(kernel, n_steps), EigenPowers(kernel, n_steps)
    torch.testing.assert_close(one.total(vector), other.total(vector), rtol=1e-9, atol=1e-9)
    found, expected = one.growing_slope(vector), other.growing_slope(vector)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8 * n_steps**2)


class Linear:
    """act(z) = z: the tangent kernel never changes."""

    @staticmethod
    def value_and_slope_(z: Tensor, slope: Tensor) -> None:
        slope.fill_(1)


@pytest.mark.parametrize("in_weights", [False, True])
@pytest.mark.parametrize("n_steps", [1, 2, 40, 1000])
def test_multisteps_are_exact_while_the_kernel_stays(n_steps: int, in_weights: bool) -> None:
    start = Start("ours", "relu")
    together, stepping = (start.in_function_space(in_weights, 1.0) for _ in range(2))
    for network in (together, stepping):
        network.activation = Linear  # type: ignore[assignment]
        network.restore(network.state())
    found = multistep(together, n_steps)
    for _ in range(n_steps):
        stepping.step()
    torch.testing.assert_close(found.end.coefficients, stepping.coefficients, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(found.end.errors, stepping.errors, rtol=1e-8, atol=1e-10)
    assert found.error < 1e-8


def test_multisteps_are_of_second_order_for_smooth_activations() -> None:
    """Halving the number of steps of a multistep divides its error by more than four."""
    errors = []
    for n_steps in (32, 16, 8):
        start = Start("ours", "tanh")
        together, stepping = (start.in_function_space(False, 0.2) for _ in range(2))
        found = multistep(together, n_steps)
        for _ in range(n_steps):
            stepping.step()
        errors.append(float((found.end.errors - stepping.errors).norm()))
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def observed(network: FunctionSpaceNetwork) -> dict[str, float]:
    return {
        "loss": float(network.errors.square().mean()) / 2,
        "distance": network.coordinate_distance(),
    }


def problem(kind: str, scaling: str = "ours", n_train: int = 60) -> FunctionSpaceNetwork:
    """A small case of each experiment of the paper."""
    random = np.random.default_rng(0)
    width, n_test = 128, 2
    activation = "tanh" if kind == "random_labels" else "relu"
    settings: dict[str, Any] = {"embedding_width": width, "activation": activation}
    if kind == "random_labels":
        inputs = random.standard_normal((n_train + n_test, 20))
        targets = random.uniform(-0.5, 0.5, n_train)
        psi = identity.embed(inputs, settings, random)
    elif kind == "quadratic_embedding":
        inputs = random.standard_normal((n_train + n_test, 10))
        targets = np.maximum(inputs @ random.standard_normal((10, 3)), 0).mean(1)[:n_train]
        psi = quadratic.embed(inputs, settings, random)
    else:
        inputs = random.uniform(-1, 1, (n_train + n_test, 20))
        targets = np.sign(inputs[:n_train, 0] * inputs[:n_train, 1])
        psi = random_features.embed(inputs, settings, random)
    form = SCALINGS[scaling]
    free = width // 2 if form.symmetrised else width
    initial = initial_pre_activations(random, psi, free) * form.initial_hidden_factor(width)
    signs = 2.0 * random.integers(0, 2, free) - 1
    if form.symmetrised:
        initial, signs = np.concatenate([initial] * 2), np.concatenate([signs, -signs])
    return FunctionSpaceNetwork(
        Embedded(torch.tensor(psi[:n_train]), torch.tensor(psi[n_train:])),
        torch.tensor(initial),
        torch.tensor(signs),
        torch.tensor(targets),
        import_module(f"regimes.activations.{activation}"),
        output_scale=form.output_scale(width),
        step_factor=form.step_factor(width, width, 1.0),
    )


CASES = [
    ("random_labels", "ours"),
    ("quadratic_embedding", "ours"),
    ("scalings", "ours"),
    ("scalings", "ntk"),
    ("scalings", "mean_field"),
]
STEPS = np.unique(np.concatenate([np.rint(10 ** np.arange(0, 3.7, 0.25)), [0, 2000, 4000]]))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "scaling"), CASES)
def test_multisteps_agree_with_steps(kind: str, scaling: str) -> None:
    plain = descend(problem(kind, scaling), STEPS.astype(int), observed)
    network = problem(kind, scaling)
    control = MultistepControl(0.01, break_even_steps(network))
    together = descend(network, STEPS.astype(int), observed, control)
    assert together.multisteps > 5 and together.plain_steps < plain.plain_steps / 2
    decades = np.log10(together.history["loss"] / plain.history["loss"])
    assert abs(decades).max() < 0.05
    ratio = together.history["distance"][1:] / plain.history["distance"][1:]
    assert abs(ratio - 1).max() < 0.01


def test_multisteps_go_on_where_the_residuals_are_rounding() -> None:
    network = problem("random_labels", n_train=8)
    result = descend(network, np.array([0, 20_000, 50_000]), observed, MultistepControl(0.01, 10))
    assert result.history["loss"][1] < 1e-25 * result.history["loss"][0]
    assert result.plain_steps < 500 and result.multisteps < 500


def test_where_multisteps_do_not_pay_steps_are_made() -> None:
    network = problem("scalings")
    # No multistep meets this tolerance, so that only a few are tried.
    strict = descend(network, np.array([0, 2000]), observed, MultistepControl(1e-12, 10))
    assert (
        strict.multisteps == 0 and strict.plain_steps == 2000 and 1 <= strict.failed_multisteps < 30
    )
    plain = descend(problem("scalings"), np.array([0, 2000]), observed)
    np.testing.assert_array_equal(strict.history["loss"], plain.history["loss"])


def test_control_of_multisteps() -> None:
    control = MultistepControl(tolerance=0.01, break_even_steps=10)
    assert control.next_length(1000) == 20 and control.next_length(15) == 15
    assert control.next_length(9) == 0
    assert control.judge(20, 0.0001) and control.length == 60
    # Cut short by a recorded step: the length stays.
    assert control.judge(12, 0.009) and control.length == 60
    assert not control.judge(60, 0.04) and control.length == pytest.approx(60 * 0.8 / 2)
    assert not control.judge(24, float("nan"))
    assert control.pause == 100 and control.next_length(1000) == 0
    for _ in range(100):
        control.stepped()
    assert control.next_length(1000) == 20
    control.judge(20, 1.0)
    assert control.pause == 200
    other = MultistepControl(0.01, 10)
    other.restore(control.state())
    assert other == control


def test_multisteps_to_a_recorded_step_are_equally_long() -> None:
    control = MultistepControl(tolerance=0.01, break_even_steps=10, equal=4, length=1000.0)

    def to_record(most: int) -> list[int]:
        lengths = []
        while most:
            lengths.append(control.next_length(most))
            assert control.judge(lengths[-1], 0.001)
            most -= lengths[-1]
        return lengths

    assert to_record(500) == [125] * 4
    # Fewer, of at most that length; then again more.
    assert to_record(123) == [123]
    assert to_record(377) == [95, 94, 94, 94]
    assert to_record(1000) == [250] * 4
    # Not worth it otherwise.
    control.stepped()
    assert to_record(25) == [13, 12]
    control.length = 40.0
    assert control.next_length(400) == 40
    # Without kinks nothing depends on lengths.
    assert MultistepControl(0.01, 10, equal=1, length=1000.0).next_length(500) == 500
    assert control_of(problem("random_labels"), 0.01).equal == 1
    assert control_of(problem("scalings"), 0.01).equal == 4


def test_slopes_are_kept_where_a_kink_drives_back() -> None:
    network = problem("scalings")
    slopes, errors = network.slopes, network.errors
    crossed = slopes.new_zeros(slopes.shape, dtype=torch.bool)
    crossed[:, ::3] = True
    end = Place(network.coefficients, 2 * errors, torch.where(crossed, 1 - slopes, slopes))
    back = crossed & (network.output_weights[:, None] * errors > 0)
    assert bool(back.any()) and bool((crossed & ~back).any())
    chosen = torch.where(back, slopes, end.slopes)
    expected = [(one * end.errors).mul(network.factor) for one in (chosen, end.slopes - chosen)]
    torch.testing.assert_close(network.directions_at_end(end), tuple(expected), rtol=0, atol=0)
    smooth = problem("random_labels")
    assert smooth.directions_at_end(smooth.look(smooth.coefficients))[1] is None


def test_a_run_that_diverges_keeps_what_was_recorded() -> None:
    start = Start("ours", "relu")
    network = start.in_function_space(False, 1e150)
    result = descend(network, np.array([0, 1, 1000]), observed, MultistepControl(0.01, 5))
    assert result.diverged
    assert np.isfinite(result.history["loss"][0]) and np.isnan(result.history["loss"][-1])
