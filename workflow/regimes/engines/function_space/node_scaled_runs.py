"""Runs of gradient descent of networks with scaled nodes: their data, weights, and what is seen.

f_k(x) = sum_j lambda_j^(1/2) a_kj act(w_j . x / d^(1/2)), (2) of Caron et al. (2023), of which the
w_j alone are trained. In the engine 1/d^(1/2) belongs to the inputs, lambda_j^(1/2) a_kj to the
output weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.activations.load import load_activation
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.node_scaling import node_scales
from regimes.engines.common.outputs import outputs, scores
from regimes.engines.common.recording import recorded_steps
from regimes.engines.common.streams import stream
from regimes.engines.function_space.descent import Descent
from regimes.engines.function_space.multistep import LeapControl, control_of
from regimes.engines.function_space.network import Embedded, FunctionSpaceNetwork
from regimes.engines.function_space.weight_space import WeightSpaceNetwork
from regimes.errors import DataError
from regimes.kernels.tangent_kernel import smallest_eigenvalue, tangent_kernel
from regimes.storage.parts import part_of

# Of all nodes, along the run; of those that moved most, in the results.
DISTANCES = "node_distances"


class NodeScaledProblem:
    """The settings of a block and its data, from which runs are made.

    block, data: as for `regimes.engines.function_space.node_scaled.train`.
    """

    def __init__(self, block: Mapping[str, Any], data: xr.Dataset, device: str):
        self.block = block
        self.device = device
        self.dtype = getattr(torch, block["precision"])
        self.steps = recorded_steps(block["record"], block["max_steps"])
        self.inputs, self.targets = part_of(data, "train", block.get("n_train"))
        self.test_inputs, self.test_targets = part_of(data, "test")
        if not len(self.inputs):
            raise DataError(f"the data set {block['dataset']} has no training points")

    @property
    def n_features(self) -> int:
        """Dimension d of the inputs."""
        return self.inputs.shape[1]

    def run(self, setting: Mapping[str, Any]) -> "Run":
        """One run, at its start."""
        block, width, seed = self.block, setting["width"], setting["seed"]
        scaling = block["node_scalings"][setting["setting"]]
        scales = node_scales(
            width, scaling["gamma"], scaling.get("alpha"), skip_first=block["skip_first"]
        )
        # Not of the setting: all settings of a seed start from the same weights.
        key = (block["root_seed"], block["experiment"], block["dataset"], width, seed)
        hidden = stream(*key, "weights").standard_normal((width, self.n_features))
        hidden *= block["initial_variance"] ** 0.5
        n_outputs, n_points = self.targets.shape[1], len(self.inputs)
        signs = 2.0 * stream(*key, "signs").integers(0, 2, (n_outputs, width)) - 1
        factor = gradient_factor(block["loss"], n_outputs, n_points)
        return Run(
            block,
            hidden=self._tensor(hidden),
            output=self._tensor(signs * np.sqrt(scales)),
            inputs=self._tensor(self.inputs / self.n_features**0.5),
            targets=self._tensor(self.targets.T),
            test_inputs=self._tensor(self.test_inputs / self.n_features**0.5),
            test_targets=self._tensor(self.test_targets.T),
            rate=block["learning_rate"] * factor,
            constants={
                "gamma": np.asarray(scaling["gamma"]),
                "alpha": np.asarray(scaling.get("alpha", np.nan)),
                "node_scale": scales,
                "output_weights": signs,
                "learning_rate": np.asarray(block["learning_rate"]),
                # The loss of (5) is |e|^2 / 2.
                "flow_time_per_step": np.asarray(block["learning_rate"] * factor),
            },
        )

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=self.dtype, device=self.device)


@dataclass
class Run:
    """One run: its network, its leaps, and what is seen of it.

    hidden (m, d), output (k, m): weights at the start. inputs (n, d), targets (k, n): training
    points, the inputs over d^(1/2); test_inputs, test_targets: others. rate: learning rate for
    |e|^2 / 2. constants: variables that are known from the start.
    """

    block: Mapping[str, Any]
    hidden: Tensor
    output: Tensor
    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    rate: float
    constants: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        self.activation = load_activation(self.block)
        self.control: LeapControl | None = None
        if len(self.output) == 1:
            self.network = self._function_space()
            if self.block["leaps"]["enabled"]:
                self.control = control_of(self.network, self.block["leaps"]["tolerance"])
        else:
            # The kernel of k outputs would be k n x k n: no leaps.
            self.network = WeightSpaceNetwork(
                self.inputs.cpu().numpy(),
                self.hidden,
                self.output,
                self.targets,
                self.activation,
                rates=(self.rate, 0.0),
            )
        self._first_kernel = self.kernel(self.hidden) if self.block["record"]["ntg"] else None

    def _function_space(self) -> FunctionSpaceNetwork:
        return FunctionSpaceNetwork(
            Embedded(self.inputs, self.inputs[:0]),
            self.hidden @ self.inputs.mT,
            self.output[0],
            self.targets[0],
            self.activation,
            output_scale=1.0,
            step_factor=self.rate * len(self.inputs),
            in_weights=self.inputs.shape[1] < self.inputs.shape[0],
        )

    def moved(self, network: FunctionSpaceNetwork | WeightSpaceNetwork) -> Tensor:
        """The way W - W_0 (m, d) of the first layer."""
        if isinstance(network, WeightSpaceNetwork):
            return network.hidden() - self.hidden
        if network.in_weights:
            return network.coefficients
        return network.coefficients @ self.inputs

    def kernel(self, hidden: Tensor) -> Tensor:
        """The NTG matrix (7) of output 0 on the recorded points, at weights (m, d)."""
        inputs = self.inputs[: self.block["record"]["ntg_points"] or None]
        return tangent_kernel(hidden, self.output[:1], inputs.mT, self.activation, second=0.0)

    def observe(
        self, network: FunctionSpaceNetwork | WeightSpaceNetwork
    ) -> dict[str, float | np.ndarray]:
        """What is recorded of the network where it is."""
        moved = self.moved(network)
        hidden = self.hidden + moved
        measured: dict[str, float | np.ndarray] = {
            DISTANCES: torch.linalg.vector_norm(moved, dim=1).cpu().numpy()
        }
        if isinstance(network, WeightSpaceNetwork):
            measured |= scores(network.outputs, self.targets, "train")
        else:
            measured["train_risk"] = float(network.errors.square().mean())
        test = outputs(hidden, self.output, self.test_inputs, self.activation)
        measured |= scores(test, self.test_targets, "test")
        if self._first_kernel is not None:
            kernel = self.kernel(hidden)
            # The difference is symmetric: its norm is its largest eigenvalue in absolute value.
            change = torch.linalg.eigvalsh(kernel - self._first_kernel)[[0, -1]].abs().max()
            measured["ntg_change"] = float(change)
            measured["ntg_smallest_eigenvalue"] = smallest_eigenvalue(kernel)
        return measured

    def results(self, descent: Descent) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Variables of the run and histories along it, by name, when it has ended."""
        history = dict(descent.history)
        distances = history.pop(DISTANCES)
        n_seen = int(np.isfinite(distances[:, 0]).sum())
        # Nodes by how far they have gone where the run was last seen.
        order = np.argsort(-distances[n_seen - 1], kind="stable")
        chosen = order[: self.block["record"]["moved"]]
        final = (self.hidden + self.moved(self.network)).cpu().numpy()
        variables = self.constants | {
            "moved_node": chosen,
            "weight_change": np.full(len(final), np.nan) if descent.diverged else distances[-1],
            "final_weights": np.full_like(final, np.nan) if descent.diverged else final,
        }
        if self._first_kernel is not None:
            norm = torch.linalg.eigvalsh(self._first_kernel)[-1]
            variables["ntg_norm"] = np.asarray(float(norm))
        return variables, history | {"weight_change": distances[:, chosen]}
