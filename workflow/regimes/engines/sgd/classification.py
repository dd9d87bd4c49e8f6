"""Loss and accuracy of networks on points."""

from dataclasses import dataclass

import torch
from torch import Tensor

from regimes.engines.common.device_memory import CHUNK_SHARE, device_bytes
from regimes.engines.sgd.batch_losses import BatchLoss
from regimes.engines.sgd.network import BatchedNetworks

# On the CPU points are evaluated in chunks for which an array of neurons x points takes this many
# bytes.
CHUNK_BYTES = 4 * 1024**2


@dataclass(frozen=True)
class Points:
    """Points that networks share.

    inputs: (n, d). labels: (n,), or (E, n) if the networks have labels of their own; or targets (n,
    k), real numbers.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def has_targets(self) -> bool:
        """Whether the labels are targets (n, k)."""
        return self.labels.is_floating_point()

    def labels_of(self, elements: int | slice) -> Tensor:
        """Labels (n,) or targets (n, k) of one network, or (n,), (E, n) or (n, k) of several."""
        shared = self.labels.dim() == 1 or self.has_targets
        return self.labels if shared else self.labels[elements]


def evaluate(networks: BatchedNetworks, points: Points, loss: BatchLoss) -> dict[str, Tensor]:
    """Return the mean `loss` and the `accuracy` of networks, each (E,), in float64 on the CPU.

    The accuracy is the share of the points whose largest output is that of their label; with one
    output there is none.
    """
    inputs = points.inputs
    most = device_bytes(inputs.device.type, CHUNK_BYTES, CHUNK_SHARE)
    sums = torch.zeros(2, len(networks), dtype=torch.float64, device=inputs.device)
    for group in networks.groups:
        labels = points.labels_of(group.elements)
        column = networks.width * group.n_networks * inputs.element_size()
        size = max(1, most // column)
        for first in range(0, len(points), size):
            chunk, outputs = slice(first, first + size), group.outputs(inputs[first : first + size])
            some = labels[chunk] if points.has_targets else labels[..., chunk]
            classes = some.argmax(-1) if points.has_targets else some
            correct = outputs.argmax(-2) == classes
            losses = loss.values(outputs, some)
            for row, values in enumerate((losses, correct)):
                sums[row, group.elements] += values.sum(-1, dtype=torch.float64)
    mean, accuracy = (sums / len(points)).cpu()
    has_classes = networks.parameters.output.shape[1] > 1
    return {"loss": mean} | ({"accuracy": accuracy} if has_classes else {})
