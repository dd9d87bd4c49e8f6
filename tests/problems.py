"""Small problems that several tests share."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from regimes.activations import relu
from regimes.engines.common.draws import antisymmetric
from regimes.engines.common.streams import stream
from regimes.engines.gradient_flow.initialisation import gaussian
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.parameterisations import normalised

INPUTS = ((-1.0, 1.0), (-1 / 3, 1.0), (1 / 3, 1.0), (1.0, 1.0))
TARGETS = (0.3, -0.6, 0.7, 0.2)


def four_points(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Inputs (4, 2), with the bias as a last feature, and targets (4,)."""
    return torch.tensor(INPUTS, dtype=dtype), torch.tensor(TARGETS, dtype=dtype)


def draw(
    settings: Sequence[tuple[float, float]],
    width: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    activation: ModuleType = relu,
) -> tuple[TwoLayerNetwork, Weights]:
    """Networks on the four points with the settings (gamma', gamma), all from the same draws.

    Antisymmetric where gamma <= 1/2, as in the experiments.
    """
    inputs, _ = four_points(dtype)
    scales = [
        normalised.scales({"gamma_prime": gamma_prime, "gamma": gamma, "width": width})
        for gamma_prime, gamma in settings
    ]
    drawn = gaussian(stream(seed, "tests", width), width, inputs.shape[1])
    mirrored = antisymmetric(*drawn)
    output, hidden = zip(
        *(mirrored if gamma <= 0.5 else drawn for _, gamma in settings), strict=True
    )
    network = TwoLayerNetwork(
        inputs,
        inputs.new_tensor([scale.output for scale in scales]),
        inputs.new_tensor([scale.rate_a for scale in scales]),
        inputs.new_tensor([scale.rate_w for scale in scales]),
        activation,
    )
    weights = Weights(torch.tensor(np.stack(output)), torch.tensor(np.stack(hidden)))
    return network, Weights(weights.a.to(dtype), weights.w.to(dtype))


def relative_distances(start: Weights, end: Weights) -> dict[str, Tensor]:
    """Relative distances of w, of a and of all weights theta, each (E,)."""
    moved_a, moved_w = end.distance(start)
    norm_a, norm_w = start.norms()
    return {
        "w": moved_w / norm_w,
        "a": moved_a / norm_a,
        "theta": torch.hypot(moved_a, moved_w) / torch.hypot(norm_a, norm_w),
    }


def stack(weights: Sequence[Weights]) -> Weights:
    """The weights of single runs, (m,) and (d, m), as those of a batch."""
    return Weights(torch.stack([one.a for one in weights]), torch.stack([one.w for one in weights]))
