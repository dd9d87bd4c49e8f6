"""Gradient descent of networks and of their linearisations at the learning rate of the theory.

Theorem 2 of Song et al. (2021), with the constants of Lemma 3, and Section 6 on lazy training.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.engine import Batch, Job, Session, Variable, history, one_run
from regimes.engines.common.isometry import NearIsometryRuns, Start
from regimes.engines.common.recording import log_spaced_steps, refitted
from regimes.engines.common.shallow import Rates, ShallowNetworks, Weights
from regimes.kernels.near_isometry import (
    constants,
    gram,
    largest_learning_rate,
    largest_singular_value,
    output_norm_in_ball,
    smoothness,
)

if TYPE_CHECKING:
    from regimes.engines.gradient_descent.settings import LinearisedDescentExperiment

HISTORIES = ("train_loss", "linearised_train_loss", "gap")


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
        """Return e_i after i = step steps, (d_2, n)."""
        return (self.vectors @ (self.factors**step * self.start)).reshape(self.shape)


class Runs(NearIsometryRuns):
    """Networks of a job, trained one by one, each with its linearised model beside it.

    A run ends when its loss is below `relative_loss` times that at the start, or not finite, or
    after `max_steps` steps. Both layers move, with the learning rate
    1 / (beta |grad f| + 9 beta_f nu^2 / 4) of the start, where beta has the bound on sigma_max(V)
    in the ball of Lemma 1. Networks this small are faster on the CPU, whatever the device.
    """

    settings: "LinearisedDescentExperiment"
    # Of histories, what comes after the end of the run is NaN.
    VARIABLES: ClassVar = {
        "first_scale": Variable("omega_1, standard deviation of the initial W"),
        "second_scale": Variable("omega_2, standard deviation of the initial V"),
        "mu": Variable("mu of Lemma 3: sigma_min(act(W_0 X)), 0 for fewer neurons than points"),
        "nu": Variable("nu of Lemma 3"),
        "beta": Variable("beta of Lemma 3, with chi as sigma_max(V)"),
        "chi": Variable("bound on sigma_max(V) in the ball of Lemma 1"),
        "radius": Variable("radius mu / (2 beta) of the ball of Lemma 1"),
        "input_norm": Variable("sigma_max(X)"),
        "initial_output_norm": Variable("sigma_max(V_0)"),
        "largest_output_norm": Variable("largest sigma_max(V) at the recorded steps and the end"),
        "initial_smallest_singular_value": Variable(
            "sigma_min of the adjoint of the Jacobian at the start"
        ),
        "initial_largest_singular_value": Variable(
            "sigma_max of the adjoint of the Jacobian at the start"
        ),
        "step_size": Variable("learning rate eta, the largest that the theory allows at the start"),
        "stopping_time": Variable("number of steps after which the run ended"),
        "converged": Variable("1 if the loss fell below the wanted share of the initial loss"),
        "diverged": Variable("1 if the loss became infinite"),
        "initial_loss": Variable("h(Theta_0) = |Phi(Theta_0) - Y|^2"),
        "final_loss": Variable("loss at the end"),
        "slowest_decay": Variable("least of ln(h_0 / h_i) / i over all steps i"),
        "r_squared": Variable("R^2 of ln h_i against i over the second half of the steps"),
        "final_distance": Variable("|Theta - Theta_0| at the end"),
        "farthest_distance": Variable("largest |Theta - Theta_0| at recorded steps"),
        "path_length": Variable("length of the way of the weights"),
        "isometry_ratio": Variable(
            "mu / 2 over sigma_min of the adjoint of the Jacobian, or sigma_max over 3 nu / 2: the "
            "largest at the recorded steps in the ball of Lemma 1; NaN if mu is 0"
        ),
        "largest_gap": Variable(
            "largest relative distance from the linearised model at these steps"
        ),
        "train_loss": history("training loss along the run: h_i = |Phi(Theta_i) - Y|^2"),
        "linearised_train_loss": history("training loss of the linearised model along its own run"),
        "gap": history("|Phi(Theta_i) - Phi~(Theta~_i)| / |Phi(Theta_i)|"),
    }

    def __init__(self, job: Job["LinearisedDescentExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        settings = self.settings
        self.steps = log_spaced_steps(settings.record.points_per_decade, settings.max_steps)
        # The limit need not be a recorded step: a run that continues passes it like any other step.
        self.last_common = settings.max_steps

    def attributes(self) -> dict[str, Any]:
        """The name of the activation, and when a run ends."""
        names = ("relative_loss", "max_steps")
        return super().attributes() | {name: getattr(self.settings, name) for name in names}

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Train one network until it ends."""
        (setting,) = batch.settings
        start = self.start(setting)
        residuals = self._networks(start, 0.0).evaluate()[0].numpy() - start.targets
        found = {"first_scale": start.first_scale, "second_scale": start.second_scale}
        found |= _start_of(start, residuals, self.settings.activation)
        network = (start.inputs, start.weights, start.output_weights)
        kernel = gram(*network, self.settings.activation)
        eigenvalues = np.linalg.eigvalsh(kernel)
        found["initial_smallest_singular_value"] = np.sqrt(max(eigenvalues[0], 0.0))
        found["initial_largest_singular_value"] = np.sqrt(eigenvalues[-1])
        model = LinearisedModel(kernel, residuals, found["step_size"])
        networks = self._networks(start, found["step_size"])
        return one_run(found | self._descend(start, networks, model, found, session))

    def _networks(self, start: Start, learning_rate: float) -> ShallowNetworks:
        """The network, as a batch of one; the gradient of |e|^2 is twice that of |e|^2 / 2."""
        rate = torch.tensor([2 * learning_rate], dtype=torch.float64)
        return ShallowNetworks(
            torch.from_numpy(start.inputs),
            Weights(
                torch.from_numpy(start.weights)[None], torch.from_numpy(start.output_weights)[None]
            ),
            Rates(rate, rate),
            self.job.activation(),
            trained="both",
            count_changes=False,
        )

    def _descend(
        self,
        start: Start,
        networks: ShallowNetworks,
        model: LinearisedModel,
        bounds: Mapping[str, float],
        session: Session,
    ) -> dict[str, np.ndarray | float]:
        """Move the network step by step until it ends, and compare it with the linearised one.

        bounds: mu, nu and the radius of Lemma 1's ball at the start.
        """
        columns = {int(step): column for column, step in enumerate(self.steps)}
        histories = {name: np.full(len(self.steps), np.nan) for name in HISTORIES}
        step, losses, norms, gaps = 0, [], [], []
        distances, ratios, length = [], [], 0.0
        if session.state is not None:
            state = session.state
            step, losses = state["step"], state["losses"].tolist()
            norms, gaps = state["norms"], state["gaps"]
            distances, ratios, length = state["distances"], state["ratios"], state["length"]
            for name, values in state["histories"].items():
                histories[name] = refitted(values.numpy(), len(self.steps), axis=0)
            networks.restore(state["networks"])

        def make_state() -> dict[str, Any]:
            return {
                "step": step,
                "losses": torch.tensor(losses, dtype=torch.float64),
                "norms": norms,
                "gaps": gaps,
                "distances": distances,
                "ratios": ratios,
                "length": length,
                "histories": {name: torch.from_numpy(one) for name, one in histories.items()},
                "networks": networks.state(),
            }

        def progress() -> str:
            return f"{step} steps, loss {losses[-1]:.1e}"

        targets, outputs = torch.from_numpy(start.targets), networks.evaluate()
        while True:
            session.offer(make_state)
            errors = outputs - targets
            loss = float(errors.square().sum())
            first_loss = losses[0] if losses else loss
            converged = loss < self.settings.relative_loss * first_loss
            ended = converged or not np.isfinite(loss) or step == self.settings.max_steps
            if ended:
                # Before this step is looked at: one that is not the last may not be recorded.
                session.reached(step, make_state)
            losses.append(loss)
            if (step in columns or ended) and np.isfinite(loss):
                residuals, shown = model.residuals(step), outputs[0].numpy()
                gap = np.linalg.norm(errors[0].numpy() - residuals) / np.linalg.norm(shown)
                gaps.append(float(gap))
                norms.append(float(largest_singular_value(networks.weights.output[0].numpy())))
                now = _weights(networks)
                distances.append(_distance(now, (start.weights, start.output_weights)))
                if distances[-1] <= bounds["radius"] and bounds["mu"] > 0:
                    ratios.append(self._isometry_ratio(start.inputs, now, bounds))
                if step in columns:
                    histories["train_loss"][columns[step]] = loss
                    histories["linearised_train_loss"][columns[step]] = np.sum(residuals**2)
                    histories["gap"][columns[step]] = gap
            if ended:
                break
            session.report(progress)
            hidden, output = _weights(networks)
            before = hidden.copy(), output.copy()
            outputs = networks.move(errors)
            length += _distance(_weights(networks), before)
            step += 1
        return histories | {
            "stopping_time": step,
            "converged": float(converged),
            "diverged": float(not np.isfinite(loss)),
            "initial_loss": losses[0],
            "final_loss": loss,
            "largest_output_norm": max(norms),
            "largest_gap": max(gaps),
            "final_distance": _distance(_weights(networks), (start.weights, start.output_weights)),
            "farthest_distance": max(distances),
            "path_length": length,
            "isometry_ratio": max(ratios, default=np.nan),
            "slowest_decay": slowest_decay(np.array(losses)),
            "r_squared": r_squared(np.array(losses)),
        }

    def _isometry_ratio(
        self,
        inputs: np.ndarray,
        weights: tuple[np.ndarray, np.ndarray],
        bounds: Mapping[str, float],
    ) -> float:
        """How far the singular values are from the bounds (5) and (6) of Lemma 1."""
        values = np.linalg.eigvalsh(gram(inputs, *weights, self.settings.activation))
        smallest, largest = np.sqrt(max(values[0], np.finfo(float).tiny)), np.sqrt(values[-1])
        return float(max(bounds["mu"] / 2 / smallest, largest / (1.5 * bounds["nu"])))


def _weights(networks: ShallowNetworks) -> tuple[np.ndarray, np.ndarray]:
    """W and V of the only network of a batch, not copied."""
    return networks.weights.hidden[0].numpy(), networks.weights.output[0].numpy()


def _distance(
    weights: tuple[np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray]
) -> float:
    """|Theta - Theta'| of two networks."""
    pairs = zip(weights, others, strict=True)
    return float(np.sqrt(sum(np.sum((one - other) ** 2) for one, other in pairs)))


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
        "initial_output_norm": output_norm,
        "step_size": largest_learning_rate(found, 2 * float(np.linalg.norm(residuals))),
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
