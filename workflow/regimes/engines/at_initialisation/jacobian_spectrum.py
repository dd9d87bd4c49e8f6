"""Draw networks and take the constants of Lemma 3 of Song et al. (2021): nothing is trained."""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.activations.derivatives import ACTIVATIONS
from regimes.engines.common.isometry import AXES, IsometryProblem, Start, described
from regimes.engines.common.streams import stream
from regimes.kernels.near_isometry import (
    constants,
    largest_change,
    largest_singular_value,
    output_norm_in_ball,
    singular_value_range,
    smoothness,
)

# Ways from a network to another one: all weights, those of one neuron, or the output weights.
DIRECTIONS = ("all", "neuron", "output")
LONG_NAMES = {
    "mu": ((), "mu of Lemma 3: sigma_min(act(W_0 X)), 0 for fewer neurons than points"),
    "nu": ((), "nu of Lemma 3"),
    "beta": ((), "beta of Lemma 3, with the bound on sigma_max(V) in the ball of Lemma 1"),
    "largest_hidden": ((), "sigma_max(act(W_0 X))"),
    "smallest_singular_value": ((), "sigma_min of the adjoint of the Jacobian at the start"),
    "largest_singular_value": ((), "sigma_max of the adjoint of the Jacobian at the start"),
    "input_norm": ((), "sigma_max(X)"),
    "output_norm": ((), "sigma_max(V_0)"),
    "initial_loss": ((), "h(Theta_0) = |Phi(Theta_0) - Y|^2, for |Y| = 1"),
    "change_over_bound": (
        ("direction", "distance"),
        "sigma_max of the change of the Jacobian between two networks, over beta of Lemma 3 with "
        "the larger sigma_max(V) of the two times their distance",
    ),
}


def train(
    block: Mapping[str, Any],
    data: xr.Dataset,
    device: str,
    progress: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """What Lemma 3 is about, at the start of every setting of a block.

    block, data: as for `isometry_problem.IsometryProblem`; `distances` are those of a second
    network from the first, as shares of the norm of what moves. device: not used, since this is
    NumPy on one core. Returns LONG_NAMES over the block's axes. The attribute `activation` names
    the activation.
    """
    start = time.monotonic()
    axes = {name: list(block["axes"][name]) for name in AXES if name in block["axes"]}
    problem = IsometryProblem(block, data)
    shape = tuple(len(values) for values in axes.values())
    results: dict[str, np.ndarray] = {}
    for number, index in enumerate(itertools.product(*map(range, shape))):
        setting = {name: values[at] for (name, values), at in zip(axes.items(), index, strict=True)}
        for name, value in _drawn(block, problem.start(setting), setting).items():
            if name not in results:
                results[name] = np.full(shape + np.shape(value), np.nan)
            results[name][index] = value
        progress(f"network {number + 1} of {np.prod(shape)}: {setting}")
    coordinates = {
        "direction": (list(DIRECTIONS), "what differs between the two networks"),
        "distance": (block["distances"], "distance of the two, over the norm of what differs"),
    }
    dataset = described(axes, results, LONG_NAMES, coordinates)
    dataset.attrs["training_seconds"] = round(time.monotonic() - start, 2)
    return dataset.assign_attrs(activation=block["activation"])


def _drawn(
    block: Mapping[str, Any], start: Start, setting: Mapping[str, Any]
) -> dict[str, np.ndarray | float]:
    activation = block["activation"]
    network = (start.weights, start.output_weights)
    input_norm = largest_singular_value(start.inputs)
    output_norm = largest_singular_value(start.output_weights)
    hidden = ACTIVATIONS[activation].value(start.weights @ start.inputs)
    # mu and nu do not depend on chi.
    found = constants(start.inputs, *network, activation, 0.0)
    chi, _ = output_norm_in_ball(found.mu, input_norm, output_norm, activation)
    smallest, largest = singular_value_range(start.inputs, *network, activation)
    return {
        "mu": found.mu,
        "nu": found.nu,
        "beta": smoothness(input_norm, activation, chi),
        "largest_hidden": largest_singular_value(hidden),
        "smallest_singular_value": smallest,
        "largest_singular_value": largest,
        "input_norm": input_norm,
        "output_norm": output_norm,
        "initial_loss": float(np.sum((start.output_weights @ hidden - start.targets) ** 2)),
        "change_over_bound": _changes(block, start, setting, input_norm),
    }


def _changes(
    block: Mapping[str, Any], start: Start, setting: Mapping[str, Any], input_norm: float
) -> np.ndarray:
    """`change_over_bound`, (direction, distance)."""
    key = (block["experiment"], block["dataset"], *setting.values(), "second network")
    random = stream(block["root_seed"], *key)
    network = (start.weights, start.output_weights)
    values = np.empty((len(DIRECTIONS), len(block["distances"])))
    for place, direction in enumerate(DIRECTIONS):
        moves = _direction(random, direction, *network)
        norm = np.sqrt(sum(np.sum(move**2) for move in moves))
        # Of what differs.
        pairs = zip(network, moves, strict=True)
        size = np.sqrt(sum(np.sum(one[move != 0] ** 2) for one, move in pairs))
        for column, share in enumerate(block["distances"]):
            distance = share * size
            other = tuple(
                one + distance / norm * move for one, move in zip(network, moves, strict=True)
            )
            chi = max(largest_singular_value(one[1]) for one in (network, other))
            bound = smoothness(input_norm, block["activation"], chi) * distance
            change = largest_change(start.inputs, network, other, block["activation"])
            values[place, column] = change / bound
    return values


def _direction(
    random: np.random.Generator, direction: str, weights: np.ndarray, output_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A random way of the weights; the layers move in proportion to their initial scales."""
    moves = [one.std() * random.standard_normal(one.shape) for one in (weights, output_weights)]
    if direction == "output":
        moves[0] = np.zeros_like(weights)
    if direction == "neuron":
        chosen = np.zeros(len(weights))
        chosen[random.integers(len(weights))] = 1
        moves = [moves[0] * chosen[:, None], moves[1] * chosen]
    return moves[0], moves[1]
