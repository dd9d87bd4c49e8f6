"""Draw networks and take the constants of Lemma 3 of Song et al. (2021): nothing is trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from regimes.activations.derivatives import ACTIVATIONS
from regimes.engines.common.engine import Batch, Coordinate, Session, Variable, one_run
from regimes.engines.common.isometry import NearIsometryRuns, Start
from regimes.kernels.hermite import normalised_coefficients
from regimes.kernels.near_isometry import (
    constants,
    largest_change,
    largest_singular_value,
    output_norm_in_ball,
    singular_value_range,
    smoothness,
)

if TYPE_CHECKING:
    from regimes.engines.at_initialisation.settings import InitialSpectrumExperiment

# Terms of the series of E act(u) act(v): the rest is below 1e-9 for GELU.
HERMITE_TERMS = 50
# Directions to a second network: all weights, those of one neuron, or the output weights.
DIRECTIONS = ("all", "neuron", "output")


class Runs(NearIsometryRuns):
    """Networks of a job at their start, each with second ones at some `distances` from it.

    Distances are shares of the norm of what differs. This is NumPy on one core, on any device.
    """

    settings: "InitialSpectrumExperiment"
    VARIABLES: ClassVar = {
        "mu": Variable("mu of Lemma 3: sigma_min(act(W_0 X)), 0 for fewer neurons than points"),
        "nu": Variable("nu of Lemma 3"),
        "beta": Variable("beta of Lemma 3, with the bound on sigma_max(V) in the ball of Lemma 1"),
        "largest_hidden": Variable("sigma_max(act(W_0 X))"),
        "initial_smallest_singular_value": Variable(
            "sigma_min of the adjoint of the Jacobian at the start"
        ),
        "initial_largest_singular_value": Variable(
            "sigma_max of the adjoint of the Jacobian at the start"
        ),
        "fluctuation": Variable(
            "Frobenius norm of M_0 - E M_0, M_0 = act(W_0 X)^T act(W_0 X); NaN unless omega_1 is 1"
        ),
        "input_norm": Variable("sigma_max(X)"),
        "initial_output_norm": Variable("sigma_max(V_0)"),
        "initial_loss": Variable("h(Theta_0) = |Phi(Theta_0) - Y|^2, for |Y| = 1"),
        "change_over_bound": Variable(
            "sigma_max of the change of the Jacobian between two networks, over beta of Lemma 3 "
            "with the larger sigma_max(V) of the two times their distance",
            ("direction", "distance"),
        ),
    }

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Compute the quantities of Lemma 3 at the start of one setting."""
        (setting,) = batch.settings
        start, activation = self.start(setting), self.settings.activation
        network = (start.weights, start.output_weights)
        input_norm = largest_singular_value(start.inputs)
        output_norm = largest_singular_value(start.output_weights)
        hidden = ACTIVATIONS[activation].value(start.weights @ start.inputs)
        # mu and nu do not depend on chi.
        found = constants(start.inputs, *network, activation, 0.0)
        chi, _ = output_norm_in_ball(found.mu, input_norm, output_norm, activation)
        smallest, largest = singular_value_range(start.inputs, *network, activation)
        return one_run(
            {
                "mu": found.mu,
                "nu": found.nu,
                "beta": smoothness(input_norm, activation, chi),
                "largest_hidden": largest_singular_value(hidden),
                "fluctuation": self._fluctuation(start, hidden),
                "initial_smallest_singular_value": smallest,
                "initial_largest_singular_value": largest,
                "input_norm": input_norm,
                "initial_output_norm": output_norm,
                "initial_loss": float(np.sum((start.output_weights @ hidden - start.targets) ** 2)),
                "change_over_bound": self._changes(start, setting, input_norm),
            }
        )

    def _fluctuation(self, start: Start, hidden: np.ndarray) -> float:
        """Distance of M_0 from its mean, d_1 times (56) of Appendix E."""
        if start.first_scale != 1:
            return float("nan")
        squares = normalised_coefficients(self.settings.activation, HERMITE_TERMS) ** 2
        # Horner's scheme in the products of the points.
        products, mean = start.inputs.T @ start.inputs, np.zeros((hidden.shape[1],) * 2)
        for square in squares[::-1]:
            mean = mean * products + square
        return float(np.linalg.norm(hidden.T @ hidden - len(hidden) * mean))

    def _changes(self, start: Start, setting: Mapping[str, Any], input_norm: float) -> np.ndarray:
        """`change_over_bound`, (direction, distance)."""
        random = self.job.stream(*setting.values(), "second network")
        distances, activation = self.settings.distances, self.settings.activation
        network = (start.weights, start.output_weights)
        values = np.empty((len(DIRECTIONS), len(distances)))
        for place, direction in enumerate(DIRECTIONS):
            moves = _direction(random, direction, *network)
            norm = np.sqrt(sum(np.sum(move**2) for move in moves))
            # Of what differs.
            pairs = zip(network, moves, strict=True)
            size = np.sqrt(sum(np.sum(one[move != 0] ** 2) for one, move in pairs))
            for column, share in enumerate(distances):
                distance = share * size
                other = tuple(
                    one + distance / norm * move for one, move in zip(network, moves, strict=True)
                )
                chi = max(largest_singular_value(one[1]) for one in (network, other))
                bound = smoothness(input_norm, activation, chi) * distance
                change = largest_change(start.inputs, network, other, activation)
                values[place, column] = change / bound
        return values

    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates of the second networks."""
        return {
            "direction": Coordinate(DIRECTIONS, "what differs between the two networks"),
            "distance": Coordinate(
                self.settings.distances, "distance of the two, over the norm of what differs"
            ),
        }


def _direction(
    random: np.random.Generator, direction: str, weights: np.ndarray, output_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A random direction of the weights; the layers move in proportion to their initial scales."""
    moves = [one.std() * random.standard_normal(one.shape) for one in (weights, output_weights)]
    if direction == "output":
        moves[0] = np.zeros_like(weights)
    if direction == "neuron":
        chosen = np.zeros(len(weights))
        chosen[random.integers(len(weights))] = 1
        moves = [moves[0] * chosen[:, None], moves[1] * chosen]
    return moves[0], moves[1]
