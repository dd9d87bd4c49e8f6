"""Small problems of gradient descent that several tests share."""

import numpy as np
import torch
from torch import Tensor

from regimes.engines.common.draws import initial_weights
from regimes.engines.common.shallow import Rates, Weights


def draw(
    n_runs: int,
    width: int,
    n_points: int,
    n_features: int,
    n_outputs: int = 1,
    output_weights: str = "gaussian",
) -> tuple[Tensor, Tensor, Weights]:
    """Inputs (E, d, n) on the unit sphere, targets (E, k, n) of variance m, and weights."""
    random = np.random.default_rng([n_runs, width, n_points, n_features, n_outputs])
    inputs = random.standard_normal((n_runs, n_features, n_points))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    targets = random.standard_normal((n_runs, n_outputs, n_points)) * width**0.5
    layers = zip(
        *(
            initial_weights(random, width, n_features, n_outputs, output_weights)
            for _ in range(n_runs)
        ),
        strict=True,
    )
    hidden, output = (torch.tensor(np.stack(layer)) for layer in layers)
    return torch.tensor(inputs), torch.tensor(targets), Weights(hidden, output)


def rates(n_runs: int, hidden: float, output: float = 0.0) -> Rates:
    """The same rates for all runs."""
    values = torch.tensor([[hidden], [output]], dtype=torch.float64).expand(2, n_runs)
    return Rates(*values.clone())
