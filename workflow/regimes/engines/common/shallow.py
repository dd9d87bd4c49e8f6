"""Networks f(x) = s sum_j z_j act(w_j . x) with one or several outputs, moved by gradient descent.

One sweep through the neurons makes a step and the outputs at its end, so that a neuron is read and
written once a step. The work is that of two matrix products: slopes times inputs, scaled by the
residuals (the gradient), and new weights times inputs (the pre-activations).

Shapes: E networks of a batch, k outputs, m neurons, d features, n points.
"""

import math
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from regimes.activations.apply import activate_, kinked, slope_below

if TYPE_CHECKING:
    from regimes.engines.common.few_features import FewFeatures

Layers = Literal["first", "second", "both"]

# On the CPU a network is worked through in pieces whose pre-activations take this many bytes and
# stay in a core's cache (a tenth faster where a network is larger than that), but not of fewer
# neurons than this: products with thin matrices are slow.
PIECE_BYTES = 1024**2
LEAST_NEURONS = 100
# Up to so many features, and from so many points on, passes over the neurons are compiled.
MOST_FEATURES, LEAST_POINTS = 16, 64
# Matrix products sum in another order where their operands begin elsewhere in a cache line, so
# that each network's part of a batch begins with a line, of this many bytes.
LINE_BYTES = 64
CONTIGUOUS = torch.contiguous_format


@dataclass
class Weights:
    """First-layer weights `hidden` (E, m, d) and output weights `output` (E, k, m)."""

    hidden: Tensor
    output: Tensor

    def __getitem__(self, index: Tensor | list[int]) -> "Weights":
        return Weights(self.hidden[index], self.output[index])

    def __len__(self) -> int:
        return len(self.hidden)

    def clone(self) -> "Weights":
        """A copy in memory of its own."""
        return Weights(self.hidden.clone(), self.output.clone())


@dataclass
class Rates:
    """Learning rates of the first layer, `hidden`, and of the second, `output`, each (E,)."""

    hidden: Tensor
    output: Tensor

    def __getitem__(self, index: Tensor | list[int]) -> "Rates":
        return Rates(self.hidden[index], self.output[index])


class ShallowNetworks:
    """A batch of networks, their outputs and how they move.

    inputs: (d, n) for all networks, or (E, d, n). weights: where they start; they are copied.
    rates: for `move`. activation: a module of `regimes.activations`, see `activate_`. trained: the
    layers that move. output_scale: s. count_changes: count the changes of activations.

    On the CPU each network is worked through alone, with the same operations whatever the batch,
    so that its numbers do not depend on the others to the last bit; elsewhere all at once. Where
    they pay, with one output and a trained first layer, passes are compiled.
    """

    def __init__(
        self,
        inputs: Tensor,
        weights: Weights,
        rates: Rates,
        activation: ModuleType,
        *,
        trained: Layers = "first",
        output_scale: float = 1.0,
        count_changes: bool = True,
    ):
        shared = inputs.dim() == 2
        self.inputs = inputs.clone(memory_format=CONTIGUOUS) if shared else aligned(inputs)
        self.weights = Weights(aligned(weights.hidden), aligned(weights.output))
        self.rates = rates
        self.activation = activation
        self.trained = trained
        self.output_scale = output_scale
        n_networks, width, _ = weights.hidden.shape
        n_outputs, n_points = weights.output.shape[1], inputs.shape[-1]

        def kept(*shape: int, dtype: torch.dtype = inputs.dtype) -> Tensor:
            return aligned_zeros((n_networks, *shape), dtype, inputs.device)

        first = self.inputs if shared else self.inputs[0]
        few = n_outputs == 1 and trained != "second"
        self._compiled = few and few_feature_passes(first, activation) is not None
        # What a sweep leaves for the next one.
        self._buffers = {"outputs": kept(n_outputs, n_points)}
        if trained != "second" and not self._compiled:
            self._buffers["slopes"] = kept(width, n_points)
        if trained != "first" and not self._compiled:
            self._buffers["values"] = kept(width, n_points)
        if count_changes:
            for name in ("initially", "changed"):
                self._buffers[name] = kept(width, n_points, dtype=torch.bool)
        self._alone: list[_Compiled]
        self._groups: list[_Group]
        self._lay_out()
        if count_changes:
            # As long as `initially` is zero, what has changed is what is active.
            self.evaluate()
            self._buffers["initially"].copy_(self._buffers["changed"])
            self._buffers["changed"].zero_()

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def outputs(self) -> Tensor:
        """Outputs (E, k, n) where the networks were last evaluated or moved to."""
        return self._buffers["outputs"]

    def evaluate(self) -> Tensor:
        """Outputs (E, k, n) at the present weights, overwritten by the next call or move."""
        for one in self._alone:
            one.evaluate()
        for group in self._groups:
            for piece in group.pieces:
                self._forward(group, piece)
            self._finish(group)
        return self.outputs

    def move(self, errors: Tensor) -> Tensor:
        """One step of gradient descent; outputs (E, k, n) at its end, as from `evaluate`.

        errors: gradient of the loss in the outputs at the present weights, (E, k, n). The networks
        must have been evaluated there, or moved there.
        """
        for one in self._alone:
            one.move(errors)
        for group in self._groups:
            group.take(errors)
            for piece in group.pieces:
                self._backward(group, piece)
                self._forward(group, piece)
            self._finish(group)
        return self.outputs

    def inputs_of(self, position: int) -> Tensor:
        """Inputs (d, n) of one network."""
        return self.inputs if self.inputs.dim() == 2 else self.inputs[position]

    def activation_changes(self) -> Tensor:
        """Number of pairs (neuron, point) of each network whose activation has changed, (E,).

        A pair is active if w_j . x_i > 0. It counts if it has not had its initial activation
        throughout. Zeros if the changes are not counted.
        """
        if "changed" not in self._buffers:
            return torch.zeros(len(self), dtype=torch.int64)
        return self._buffers["changed"].sum(dim=(1, 2))

    def keep(self, index: Tensor | list[int]) -> None:
        """Go on with some of the networks alone."""
        if self.inputs.dim() == 3:
            self.inputs = aligned(self.inputs[index])
        weights, self.rates = self.weights[index], self.rates[index]
        self.weights = Weights(aligned(weights.hidden), aligned(weights.output))
        self._buffers = {name: aligned(buffer[index]) for name, buffer in self._buffers.items()}
        self._lay_out()

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs to continue with the same bits; views, not copies."""
        state = {"hidden": self.weights.hidden, "output": self.weights.output}
        if "changed" in self._buffers:
            state["changed"] = self._buffers["changed"]
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same networks, made with the same initial weights."""
        self.weights.hidden.copy_(state["hidden"])
        self.weights.output.copy_(state["output"])
        self._lay_out()
        self.evaluate()
        if "changed" in self._buffers:
            self._buffers["changed"].copy_(state["changed"])

    def _backward(self, group: "_Group", piece: "_Piece") -> None:
        """Move a piece's weights along the gradient, at the values and slopes that it has."""
        if self.trained != "second":
            if group.one_output:
                # The residuals scale the inputs, an output weight the gradient of its neuron.
                group.multiply(piece.slopes, group.scaled_inputs.mT, out=piece.gradient)
                if self.trained == "both":
                    torch.mul(piece.output.mT, group.rate_hidden, out=piece.factor)
            else:
                group.multiply(piece.output.mT, group.errors, out=piece.pull)
                piece.pull.mul_(piece.slopes)
                group.multiply(piece.pull, group.inputs.mT, out=piece.gradient)
        if self.trained != "first":
            gradient = group.multiply(group.errors, piece.values.mT)
            piece.output.addcmul_(gradient, group.rate_output)
        if self.trained != "second":
            piece.hidden.addcmul_(piece.gradient, piece.factor)

    def _forward(self, group: "_Group", piece: "_Piece") -> None:
        """Values and slopes of a piece at its weights, and its part of the outputs."""
        if self.trained != "second" or not group.evaluated:
            group.multiply(piece.hidden, group.inputs, out=piece.values)
            if piece.changed is not None and piece.initially is not None:
                torch.gt(piece.values, 0, out=piece.active)
                torch.ne(piece.active, piece.initially, out=piece.active)
                piece.changed.bitwise_or_(piece.active)
            activate_(self.activation, piece.values, piece.slopes)
        group.add_product(
            group.outputs, piece.output, piece.values, beta=piece.beta, out=group.outputs
        )

    def _finish(self, group: "_Group") -> None:
        if self.output_scale != 1:
            group.outputs.mul_(self.output_scale)
        group.evaluated = True

    def _lay_out(self) -> None:
        """Cut the batch into groups and pieces, with views of all that they work on."""
        self._alone, self._groups = [], []
        if self._compiled:
            self._alone = [_Compiled(self, position) for position in range(len(self))]
            return
        n_networks, width, n_features = self.weights.hidden.shape
        n_outputs, n_points = self.weights.output.shape[1], self.inputs.shape[-1]
        if one_by_one(self.inputs.device):
            least = PIECE_BYTES // (n_points * self.inputs.element_size())
            n_pieces = -(-width // max(LEAST_NEURONS, least))
            elements: list[int | slice] = list(range(n_networks))
            batch: tuple[int, ...] = ()
        else:
            # All at once, by kernels that could be captured as a CUDA graph: shapes and addresses
            # stay the same until a network leaves.
            n_pieces, elements, batch = 1, [slice(None)], (n_networks,)
        rows = -(-width // n_pieces)

        def scratch(*shape: int, dtype: torch.dtype = self.inputs.dtype) -> Tensor:
            return torch.empty(*batch, *shape, dtype=dtype, device=self.inputs.device)

        shared = {
            "active": scratch(rows, n_points, dtype=torch.bool),
            "gradient": scratch(rows, n_features),
            "pull": scratch(rows, n_points if n_outputs > 1 else 0),
        }
        for name in {"values", "slopes"} - self._buffers.keys():
            shared[name] = scratch(rows, n_points)
        scaled_inputs = scratch(n_features, n_points)
        neurons = [slice(first, min(first + rows, width)) for first in range(0, width, rows)]
        self._groups = [_Group(self, one, neurons, shared, scaled_inputs) for one in elements]


def few_feature_passes(inputs: Tensor, activation: ModuleType) -> "FewFeatures | None":
    """Compiled passes over networks with inputs (d, n), where they take less time than products.

    That is on the CPU, with few features but not few points, and an activation that is linear but
    for a kink.
    """
    n_features, n_points = inputs.shape
    few = n_features <= MOST_FEATURES and n_points >= LEAST_POINTS
    if not few or inputs.device.type != "cpu" or not kinked(activation):
        return None
    try:
        from regimes.engines.common.few_features import FewFeatures
    except ImportError as error:
        warnings.warn(f"numba cannot be loaded ({error}): steps take longer", stacklevel=2)
        return None
    return FewFeatures(inputs.numpy(), slope_below(activation))


def aligned_zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros (E, ...), of which every element of the first dimension begins with a cache line."""
    n_elements, *rest = shape
    size = math.prod(rest)
    line = LINE_BYTES // dtype.itemsize
    padded = torch.zeros(n_elements, -(-size // line) * line, dtype=dtype, device=device)
    return padded[:, :size].unflatten(1, rest)


def aligned(values: Tensor) -> Tensor:
    """A copy of values (E, ...), laid out as by `aligned_zeros`."""
    return aligned_zeros(tuple(values.shape), values.dtype, values.device).copy_(values)


def one_by_one(device: torch.device) -> bool:
    """Whether the networks of a batch are worked through one by one on a device, or at once."""
    return device.type == "cpu"


@dataclass
class _Piece:
    """Some neurons of a group: views of their weights, of what is kept of them and of scratch.

    beta: whether their part of the outputs is added to that of the pieces before, 1, or not, 0.
    factor: what the gradient of the first layer is multiplied by, rates and, unless they are in it
    already, output weights.
    """

    beta: int
    hidden: Tensor
    output: Tensor
    values: Tensor
    slopes: Tensor
    active: Tensor
    gradient: Tensor
    pull: Tensor
    factor: Tensor
    initially: Tensor | None = None
    changed: Tensor | None = None


class _Group:
    """Networks that are worked through at once: one, as matrices, or all, as batches of them."""

    def __init__(
        self,
        networks: ShallowNetworks,
        elements: int | slice,
        neurons: list[slice],
        scratch: dict[str, Tensor],
        scaled_inputs: Tensor,
    ):
        one = isinstance(elements, int)
        self.multiply = torch.mm if one else torch.bmm
        self.add_product = torch.addmm if one else torch.baddbmm
        self.elements = elements
        self.inputs = networks.inputs
        if self.inputs.dim() == 3:
            self.inputs = self.inputs[elements]
        elif not one:
            self.inputs = self.inputs.expand(len(networks), -1, -1)
        self.scaled_inputs = scaled_inputs
        scale = -networks.output_scale
        self.rate_hidden = (networks.rates.hidden * scale)[elements, None, None]
        self.rate_output = (networks.rates.output * scale)[elements, None, None]
        self.outputs = networks._buffers["outputs"][elements]
        self.one_output = self.outputs.shape[-2] == 1
        self.evaluated = False
        self.errors = torch.empty_like(self.outputs)
        kept = {"hidden": networks.weights.hidden, **networks._buffers}
        del kept["outputs"]
        self.pieces = []
        for rows in neurons:
            count = rows.stop - rows.start
            views = {name: buffer[..., :count, :] for name, buffer in scratch.items()}
            views |= {name: buffer[elements][..., rows, :] for name, buffer in kept.items()}
            output = networks.weights.output[elements][..., rows]
            factor = output.mT * self.rate_hidden if self.one_output else self.rate_hidden
            self.pieces.append(
                _Piece(beta=int(rows.start > 0), output=output, factor=factor, **views)
            )

    def take(self, errors: Tensor) -> None:
        """Take the residuals (E, k, n) of the step to be made."""
        self.errors.copy_(errors[self.elements])
        if self.one_output:
            torch.mul(self.inputs, self.errors, out=self.scaled_inputs)


class _Compiled:
    """One network with one output, moved by compiled passes; what it holds are views."""

    def __init__(self, networks: ShallowNetworks, position: int):
        passes = few_feature_passes(networks.inputs_of(position), networks.activation)
        assert passes is not None
        self.passes = passes
        self.position = position
        self.hidden = networks.weights.hidden[position]
        self.output = networks.weights.output[position, 0]
        self.outputs = networks._buffers["outputs"][position, 0]
        self.output_scale = networks.output_scale
        self.trains_output = networks.trained == "both"
        self.rate_hidden = -networks.output_scale * networks.rates.hidden[position]
        self.rate_output = -networks.output_scale * networks.rates.output[position]
        self.factor = self.output[:, None] * self.rate_hidden
        buffers = networks._buffers
        self.changed = buffers["changed"][position] if "changed" in buffers else None
        self.initially = buffers["initially"][position] if "changed" in buffers else None

    def evaluate(self) -> None:
        """Write the outputs at the present weights, and note which activations have changed."""
        hidden = self.hidden.numpy()
        if self.changed is not None and self.initially is not None:
            positive = torch.from_numpy(self.passes.positive(hidden))
            self.changed.bitwise_or_(positive.ne_(self.initially))
        outputs = self.passes.outputs(hidden, self.output.numpy())
        torch.mul(torch.from_numpy(outputs), self.output_scale, out=self.outputs)

    def move(self, errors: Tensor) -> None:
        """One step of gradient descent with residuals (E, 1, n) of all networks."""
        residuals = errors[self.position, 0].numpy()
        gradient = torch.from_numpy(self.passes.gradient(self.hidden.numpy(), residuals))
        if self.trains_output:
            # act(z) = act'(z) z, so that the residuals times the values are w times this gradient.
            torch.mul(self.output[:, None], self.rate_hidden, out=self.factor)
            self.output.addcmul_(torch.linalg.vecdot(self.hidden, gradient), self.rate_output)
        self.hidden.addcmul_(gradient, self.factor)
        self.evaluate()
