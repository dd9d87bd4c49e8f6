"""Train networks and their linearisations by gradient descent at the learning rate of the theory.

Theorem 2 of Song et al. (2021), with the constants of Lemma 3, and Section 6 on lazy training.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.blocks import put
from regimes.engines.common.isometry import AXES, IsometryProblem, Start, described, scales
from regimes.engines.common.observation import log_spaced_steps
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.kernels.near_isometry import (
    constants,
    gram,
    largest_learning_rate,
    largest_singular_value,
    output_norm_in_ball,
    smoothness,
)

STEP = ("step",)
LONG_NAMES = {
    "first_scale": ((), "omega_1, standard deviation of the initial W"),
    "second_scale": ((), "omega_2, standard deviation of the initial V"),
    "mu": ((), "mu of Lemma 3: sigma_min(act(W_0 X)), 0 for fewer neurons than points"),
    "nu": ((), "nu of Lemma 3"),
    "beta": ((), "beta of Lemma 3, with chi as sigma_max(V)"),
    "chi": ((), "bound on sigma_max(V) in the ball of Lemma 1"),
    "radius": ((), "radius mu / (2 beta) of the ball of Lemma 1"),
    "input_norm": ((), "sigma_max(X)"),
    "output_norm": ((), "sigma_max(V_0)"),
    "largest_output_norm": ((), "largest sigma_max(V) at the recorded steps and the end"),
    "smallest_singular_value": ((), "sigma_min of the adjoint of the Jacobian at the start"),
    "largest_singular_value": ((), "sigma_max of the adjoint of the Jacobian at the start"),
    "learning_rate": ((), "learning rate eta, the largest that the theory allows at the start"),
    "stopping_time": ((), "number of steps after which the run ended"),
    "converged": ((), "1 if the loss fell below the wanted share of the initial loss"),
    "diverged": ((), "1 if the loss became infinite"),
    "initial_loss": ((), "h(Theta_0) = |Phi(Theta_0) - Y|^2"),
    "final_loss": ((), "loss at the end"),
    "slowest_decay": ((), "least of ln(h_0 / h_i) / i over all steps i"),
    "r_squared": ((), "R^2 of ln h_i against i over the second half of the steps"),
    "distance": ((), "|Theta - Theta_0| at the end"),
    "largest_gap": ((), "largest relative distance from the linearised model at these steps"),
    "loss_history": (STEP, "loss h_i along the run"),
    "linearised_loss_history": (STEP, "loss of the linearised model along its own run"),
    "gap_history": (STEP, "|Phi(Theta_i) - Phi~(Theta~_i)| / |Phi(Theta_i)|"),
}


class LinearisedModel:
    """Gradient descent on |Phi~ - Y|^2, Phi~(Theta) = Phi(Theta_0) + J (Theta - Theta_0).

    Since J stays, its residuals obey e_(i+1) = (1 - 2 eta J J^T) e_i, which is solved in the
    eigenvectors of J J^T. residuals: e_0 (d_2, n).
    """

    def __init__(self, tangent_gram: np.ndarray, residuals: np.ndarray, learning_rate: float):
        eigenvalues, self.vectors = np.linalg.eigh(tangent_gram)
        self.factors = 1 - 2 * learning_rate * eigenvalues
        self.shape = residuals.shape
        self.start = self.vectors.T @ residuals.ravel()

    def residuals(self, step: int) -> np.ndarray:
        """e_i after i = step steps, (d_2, n)."""
        return (self.vectors @ (self.factors**step * self.start)).reshape(self.shape)


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Train every setting of a block, and its linearised model beside it.

    block, data: as for `isometry_problem.IsometryProblem`. A run ends when its loss is below
    `relative_loss` times that at the start, or not finite, or after `max_steps` steps. Both layers
    move, with the learning rate 1 / (beta |grad f| + 9 beta_f nu^2 / 4) of the start, where beta
    has the bound on sigma_max(V) in the ball of Lemma 1. device: not used, since networks this
    small are faster on the CPU. Returns LONG_NAMES over the block's axes, and `step` for what is
    recorded along the runs; NaN after their end. The attributes say `activation`, `relative_loss`
    and `max_steps`.
    """
    began = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES if name in block["axes"]}
    problem = IsometryProblem(block, data)
    steps = log_spaced_steps(block["points_per_decade"], block["max_steps"])
    results: dict[str, np.ndarray] = {}
    settings = list(itertools.product(*axes.values()))
    for number, values in enumerate(settings):
        setting = dict(zip(axes, values, strict=True))
        since = time.monotonic()
        one = _trained(block, problem.start(setting), setting, steps)
        put(results, axes, setting, one)
        progress(
            f"run {number + 1} of {len(settings)} ({setting}): {one['stopping_time']:.0f} steps, "
            f"done in {time.monotonic() - since:.1f} s"
        )
    dataset = described(axes, results, LONG_NAMES, {"step": (steps, "number of steps")})
    dataset.attrs = {name: block[name] for name in ("activation", "relative_loss", "max_steps")}
    dataset.attrs["training_seconds"] = round(time.monotonic() - began, 2)
    return dataset


def _trained(
    block: Mapping[str, Any], start: Start, setting: Mapping[str, Any], steps: np.ndarray
) -> dict[str, np.ndarray | float]:
    """What a run came to, by name of LONG_NAMES."""
    activation = block["activation"]
    initial = _networks(start, activation, 0.0)
    residuals = initial.evaluate()[0].numpy() - start.targets
    first, second = scales(
        block, setting["n_features"], setting["width"], setting.get("scale_ratio")
    )
    found = {"first_scale": first, "second_scale": second}
    found |= _start_of(start, residuals, activation)
    kernel = gram(start.inputs, start.weights, start.output_weights, activation)
    eigenvalues = np.linalg.eigvalsh(kernel)
    found["smallest_singular_value"] = np.sqrt(max(eigenvalues[0], 0.0))
    found["largest_singular_value"] = np.sqrt(eigenvalues[-1])
    model = LinearisedModel(kernel, residuals, found["learning_rate"])
    networks = _networks(start, activation, found["learning_rate"])
    return found | _descent(block, start, networks, model, steps)


def _networks(start: Start, activation: str, learning_rate: float) -> ShallowNetworks:
    """The network, as a batch of one; the gradient of |e|^2 is twice that of |e|^2 / 2."""
    rate = torch.tensor([2 * learning_rate], dtype=torch.float64)
    return ShallowNetworks(
        torch.from_numpy(start.inputs),
        Weights(
            torch.from_numpy(start.weights)[None], torch.from_numpy(start.output_weights)[None]
        ),
        Rates(rate, rate),
        import_module(f"regimes.activations.{activation}"),
        trained="both",
        count_changes=False,
    )


def _start_of(start: Start, residuals: np.ndarray, activation: str) -> dict[str, float]:
    """The constants of Lemma 3, and the learning rate."""
    input_norm = largest_singular_value(start.inputs)
    output_norm = largest_singular_value(start.output_weights)
    network = (start.inputs, start.weights, start.output_weights)
    # mu and nu do not depend on chi.
    mu = constants(*network, activation, 0.0).mu
    chi, radius = output_norm_in_ball(mu, input_norm, output_norm, activation)
    found = constants(*network, activation, chi)
    return {
        "mu": found.mu,
        "nu": found.nu,
        "beta": smoothness(input_norm, activation, chi),
        "chi": chi,
        "radius": radius,
        "input_norm": input_norm,
        "output_norm": output_norm,
        "learning_rate": largest_learning_rate(found, 2 * float(np.linalg.norm(residuals))),
    }


def _descent(
    block: Mapping[str, Any],
    start: Start,
    networks: ShallowNetworks,
    model: LinearisedModel,
    steps: np.ndarray,
) -> dict[str, np.ndarray | float]:
    columns = {int(step): column for column, step in enumerate(steps)}
    histories = {name: np.full(len(steps), np.nan) for name in LONG_NAMES if "_history" in name}
    targets = torch.from_numpy(start.targets)
    losses, norms, gaps = [], [], []
    outputs = networks.evaluate()
    for step in itertools.count():
        errors = outputs - targets
        loss = float(errors.square().sum())
        losses.append(loss)
        converged = loss < block["relative_loss"] * losses[0]
        ended = converged or not np.isfinite(loss) or step == block["max_steps"]
        if (step in columns or ended) and np.isfinite(loss):
            residuals, shown = model.residuals(step), outputs[0].numpy()
            gap = np.linalg.norm(errors[0].numpy() - residuals) / np.linalg.norm(shown)
            gaps.append(gap)
            norms.append(largest_singular_value(networks.weights.output[0].numpy()))
            if step in columns:
                histories["loss_history"][columns[step]] = loss
                histories["linearised_loss_history"][columns[step]] = np.sum(residuals**2)
                histories["gap_history"][columns[step]] = gap
        if ended:
            break
        outputs = networks.move(errors)
    moved = [
        (networks.weights.hidden[0].numpy() - start.weights),
        (networks.weights.output[0].numpy() - start.output_weights),
    ]
    return histories | {
        "stopping_time": step,
        "converged": float(converged),
        "diverged": float(not np.isfinite(loss)),
        "initial_loss": losses[0],
        "final_loss": loss,
        "largest_output_norm": max(norms),
        "largest_gap": max(gaps),
        "distance": np.sqrt(sum(np.sum(one**2) for one in moved)),
        "slowest_decay": slowest_decay(np.array(losses)),
        "r_squared": r_squared(np.array(losses)),
    }


def slowest_decay(losses: np.ndarray) -> float:
    """Least of ln(h_0 / h_i) / i over the steps i >= 1 of losses h_i (steps + 1,); NaN if none.

    h_i <= f^i h_0 at all steps if and only if this is at least -ln f.
    """
    if len(losses) < 2:
        return np.nan
    return float(np.min(np.log(losses[0] / losses[1:]) / np.arange(1, len(losses))))


def r_squared(losses: np.ndarray) -> float:
    """R^2 of a line through ln h_i over the second half of the steps; NaN for less than 4 of them.

    1 for a loss that falls at one linear rate, and less where it rests and falls by turns.
    """
    first = len(losses) // 2
    if len(losses) - first < 4 or not np.isfinite(losses).all():
        return np.nan
    return float(np.corrcoef(np.arange(first, len(losses)), np.log(losses[first:]))[0, 1] ** 2)
