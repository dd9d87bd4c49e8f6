"""Full-batch gradient descent of networks with asymmetrically scaled nodes.

f_k(x) = sum_j lambda_j^(1/2) a_kj act(w_j . x / d^(1/2)), (2) of Caron et al. (2023), of which the
w_j alone are trained. Here 1/d^(1/2) belongs to the inputs, lambda_j^(1/2) a_kj to the output
weights.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.engines.common.engine import (
    Batch,
    Engine,
    Job,
    Session,
    Variable,
    history,
    one_run,
)
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.outputs import fetched, number, outputs, scores
from regimes.engines.common.points import Points
from regimes.engines.common.recording import last_common, recorded_steps
from regimes.engines.common.shallow import few_feature_passes
from regimes.engines.function_space import descent
from regimes.engines.function_space.compiled_network import CompiledNetwork
from regimes.engines.function_space.descent import Descent, descend
from regimes.engines.function_space.multistep import MultistepControl, control_of
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.engines.function_space.weight_space import WeightSpaceNetwork
from regimes.kernels.tangent_kernel import tangent_kernel
from regimes.parameterisations.node_scaling import node_scales, recorded

if TYPE_CHECKING:
    from regimes.engines.function_space.settings import NodeScaledExperiment

Network = FunctionSpaceNetwork | WeightSpaceNetwork
# Of all nodes, along the run; of those that moved most, in the results.
DISTANCES = "node_distances"


class Runs(Engine["NodeScaledExperiment"]):
    """Networks of a job, trained one by one for a number of steps.

    They are trained on the training points, the first n_train of them if that is given, and tested
    on the test points. Raises DataError when the data have not what the settings ask for.
    """

    AXES: ClassVar = {
        "node_scaling": "node scaling, a key of node_scalings",
        "width": "number of hidden nodes m",
        "seed": "index of the random initialisation",
    }
    # Of histories, what comes after a divergence is NaN.
    VARIABLES: ClassVar = descent.VARIABLES | {
        "gamma": Variable("share of the scales that all nodes have alike", axes=("node_scaling",)),
        "alpha": Variable(
            "exponent of the Zipf law of the rest, NaN without one", axes=("node_scaling",)
        ),
        "step_size": Variable("learning rate"),
        "flow_time_per_step": Variable("time of the gradient flow of 1/2 sum e^2 in a step"),
        "initial_ntg_norm": Variable("spectral norm of the NTG matrix at the start"),
        "node_scale": Variable(
            "scale lambda_j of the node", ("node",), axes=("node_scaling", "width")
        ),
        "output_weights": Variable(
            "sign a_kj of the node in the output", ("output", "node"), np.int8
        ),
        "final_weight_change": Variable("distance |w_Tj - w_0j| of the node at the end", ("node",)),
        "moved_node": Variable(
            "index j of a node that moved most by the end", ("moved",), np.int64
        ),
        "final_weights": Variable("first-layer weights at the end", ("node", "feature"), None),
        "train_loss": history("training loss along the run: mean square of the residuals"),
        "test_loss": history("test loss along the run: mean square of the residuals"),
        "train_accuracy": history("share of training points in the right class along the run"),
        "test_accuracy": history("share of test points in the right class along the run"),
        "weight_change": history(
            "distance |w_tj - w_0j| of the nodes that moved most by the end", "moved"
        ),
        "ntg_change": history("spectral norm |NTG_t - NTG_0| along the run"),
        "ntg_smallest_eigenvalue": history("smallest eigenvalue of the NTG matrix along the run"),
    }
    INDICES: ClassVar = {
        "moved": "rank of the node among those that moved most",
        "node": "index j of the hidden node",
        "feature": "index of the feature",
        "output": "index of the output",
    }

    def __init__(self, job: Job["NodeScaledExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        settings = self.settings
        self.activation = job.activation()
        self.dtype = getattr(torch, settings.precision)
        self.steps, longer = (
            recorded_steps(settings.record.points_per_decade, settings.record.every, limit)
            for limit in (settings.max_steps, settings.max_steps + 1)
        )
        self.last_common = last_common(self.steps, longer)
        points, test_points = Points(data, job.dataset), Points(data, job.dataset, "test")
        points.require(n_train=settings.n_train)
        points.require_points()
        self.inputs, self.targets = points.of(n_points=settings.n_train)
        self.test_inputs, self.test_targets = test_points.of()

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Train the run of a batch and observe it on its way."""
        (setting,) = batch.settings
        run = self.start(setting)
        result = descend(run.network, self.steps, run.observe, run.control, session)
        session.note(str(result))
        return one_run(run.end(result, self.settings.record.moved) | result.variables())

    def start(self, setting: Mapping[str, Any]) -> "Run":
        """One run, at its start."""
        settings, width, seed = self.settings, setting["width"], setting["seed"]
        scaling = settings.node_scalings[setting["node_scaling"]]
        scales = node_scales(width, scaling.gamma, scaling.alpha, skip_first=settings.skip_first)
        n_features = self.inputs.shape[1]
        # Not of the setting: all settings of a seed start from the same weights.
        hidden = self.job.stream(width, seed, "weights").standard_normal((width, n_features))
        hidden *= settings.initial_variance**0.5
        n_outputs, n_points = self.targets.shape[1], len(self.inputs)
        signs = 2.0 * self.job.stream(width, seed, "signs").integers(0, 2, (n_outputs, width)) - 1
        rate = settings.learning_rate * gradient_factor(settings.loss, n_outputs, n_points)
        run = Run(
            self._tensor(hidden),
            self._tensor(signs * np.sqrt(scales)),
            self._tensor(self.inputs / n_features**0.5),
            self._tensor(self.targets.T),
            self._tensor(self.test_inputs / n_features**0.5),
            self._tensor(self.test_targets.T),
            self.activation,
            rate=rate,
            ntg=settings.record.ntg,
            ntg_points=settings.record.ntg_points or None,
            constants={
                **recorded(scaling.gamma, scaling.alpha, scales),
                "output_weights": signs,
                "step_size": settings.learning_rate,
                # The loss of (5) is |e|^2 / 2.
                "flow_time_per_step": rate,
            },
        )
        if settings.multistep.enabled and isinstance(run.network, FunctionSpaceNetwork):
            run.control = control_of(run.network, settings.multistep.tolerance)
        return run

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)


class Run:
    """One run: its network, its control of many steps at once, and what is seen of it.

    hidden (m, d), output (k, m): weights at the start. inputs (n, d), targets (k, n): training
    points, the inputs over d^(1/2); test_inputs, test_targets: others. rate: learning rate for
    |e|^2 / 2. ntg: whether the NTG matrix is looked at; ntg_points: on so many training points,
    the first ones, or all. constants: variables that are known from the start.
    """

    def __init__(
        self,
        hidden: Tensor,
        output: Tensor,
        inputs: Tensor,
        targets: Tensor,
        test_inputs: Tensor,
        test_targets: Tensor,
        activation: ModuleType,
        *,
        rate: float,
        ntg: bool,
        ntg_points: int | None,
        constants: Mapping[str, Any],
    ):
        self.hidden, self.output = hidden, output
        self.inputs, self.targets = inputs, targets
        self.test_inputs, self.test_targets = test_inputs, test_targets
        self.activation = activation
        self.rate = rate
        self.ntg_points = ntg_points
        self.constants = constants
        self.control: MultistepControl | None = None
        self.network: Network
        if len(output) == 1:
            self.network = self._function_space()
        else:
            # The kernel of k outputs would be k n x k n: steps are made one by one.
            self.network = WeightSpaceNetwork(
                inputs.cpu().numpy(), hidden, output, targets, activation, rates=(rate, 0.0)
            )
        self._first_kernel = self.kernel() if ntg else None

    def _function_space(self) -> FunctionSpaceNetwork:
        n_points, n_features = self.inputs.shape
        embedded, in_weights = Embedded(self.inputs, self.inputs[:0]), n_features < n_points
        given = self.output[0], self.targets[0], self.activation
        factor = self.rate * n_points
        passes = few_feature_passes(self.inputs.mT, self.activation) if in_weights else None
        if passes is not None:
            return CompiledNetwork(
                passes, embedded, self.hidden, *given, output_scale=1.0, step_factor=factor
            )
        return FunctionSpaceNetwork(
            embedded,
            self.hidden @ self.inputs.mT,
            *given,
            output_scale=1.0,
            step_factor=factor,
            in_weights=in_weights,
        )

    def moved(self, network: Network) -> Tensor:
        """The way W - W_0 (m, d) of the first layer."""
        if isinstance(network, WeightSpaceNetwork):
            return network.hidden() - self.hidden
        if network.in_weights:
            return network.coefficients
        return network.coefficients @ self.inputs

    def kernel(self) -> Tensor:
        """The NTG matrix (7) of output 0 on the recorded points, where the network is."""
        most = self.ntg_points is None or 2 * self.ntg_points >= len(self.inputs)
        # Of most points, that of all, which is updated, takes less work.
        if most and isinstance(self.network, FunctionSpaceNetwork):
            kernel = self.network.tangent_kernel()[: self.ntg_points, : self.ntg_points]
            return kernel / self.rate
        hidden = self.hidden + self.moved(self.network)
        inputs = self.inputs[: self.ntg_points]
        return tangent_kernel(hidden, self.output[:1], inputs.mT, self.activation, second=0.0)

    def observe(self, network: Network) -> dict[str, float | np.ndarray]:
        """Return what is recorded of the network in its present state."""
        moved = self.moved(network)
        hidden = self.hidden + moved
        measured: dict[str, Any] = {DISTANCES: torch.linalg.vector_norm(moved, dim=1).cpu().numpy()}
        if isinstance(network, WeightSpaceNetwork):
            measured |= scores(network.outputs, self.targets, "train")
        else:
            measured["train_loss"] = number(network.errors.square().mean())
        test = outputs(hidden, self.output, self.test_inputs, self.activation)
        measured |= scores(test, self.test_targets, "test")
        if self._first_kernel is not None:
            kernel = self.kernel()
            # The difference is symmetric: its norm is its largest eigenvalue in absolute value.
            change = torch.linalg.eigvalsh(kernel - self._first_kernel).abs().max()
            measured["ntg_change"] = number(change)
            measured["ntg_smallest_eigenvalue"] = number(torch.linalg.eigvalsh(kernel)[0])
        return fetched([measured])[0]

    def end(self, result: Descent, n_moved: int) -> dict[str, np.ndarray]:
        """Return the variables of the run at its end.

        Takes the history of all nodes out of the result, and keeps that of the n_moved nodes that
        moved most.
        """
        distances = result.history.pop(DISTANCES)
        n_seen = int(np.isfinite(distances[:, 0]).sum())
        # Nodes by how far they have gone where the run was last seen.
        order = np.argsort(-distances[n_seen - 1], kind="stable")
        chosen = order[:n_moved]
        result.history["weight_change"] = distances[:, chosen]
        final = (self.hidden + self.moved(self.network)).cpu().numpy()
        variables = {
            **self.constants,
            "moved_node": chosen,
            "final_weight_change": np.full(len(final), np.nan)
            if result.diverged
            else distances[-1],
            "final_weights": np.full_like(final, np.nan) if result.diverged else final,
        }
        if self._first_kernel is not None:
            norm = torch.linalg.eigvalsh(self._first_kernel)[-1]
            variables["initial_ntg_norm"] = np.asarray(float(norm))
        return variables
