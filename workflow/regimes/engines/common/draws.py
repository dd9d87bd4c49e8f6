"""Random initial weights of two-layer networks, and their scales."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from regimes.parameterisations.scales import Scales

if TYPE_CHECKING:
    from regimes.engines.common.parameterised import ParameterisedExperiment

OutputWeights = Literal["rademacher", "gaussian"]


def initial_weights(
    random: np.random.Generator,
    width: int,
    n_features: int,
    n_outputs: int,
    output_weights: OutputWeights,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the initial weights of one network.

    Returns first-layer weights (width, n_features), standard normal, and output weights (n_outputs,
    width), which are -1 or 1 with equal probability, or standard normal.
    """
    hidden = random.standard_normal((width, n_features))
    if output_weights == "gaussian":
        return hidden, random.standard_normal((n_outputs, width))
    return hidden, 2.0 * random.integers(0, 2, (n_outputs, width)) - 1.0


def scales_of(
    settings: "ParameterisedExperiment", setting: Mapping[str, Any], n_features: int
) -> Scales:
    """The scales of one setting of a grid."""
    module = import_module(settings.modules(dict(settings))["parameterisation"])
    return module.scales(parameters(settings, setting, n_features))


def parameters(
    settings: "ParameterisedExperiment", setting: Mapping[str, Any], n_features: int
) -> dict[str, Any]:
    """What a parameterisation reads of a setting of the grid."""
    found = {
        **setting,
        "parameterisation": settings.parameterisation,
        "n_features": n_features,
        "exponents": settings.exponents.model_dump(exclude_none=True),
    }
    if settings.parameterisation == "node_scaled":
        scaling = settings.node_scalings[setting["node_scaling"]]
        found["node_scaling"] = {**dict(scaling), "skip_first": settings.skip_first}
    return found


def is_antisymmetric(settings: "ParameterisedExperiment", scales: Scales) -> bool:
    """Whether a network starts from f = 0."""
    choice = settings.antisymmetric_initialisation
    return choice == "always" or (choice == "auto" and scales.symmetric)


def has_signs(settings: "ParameterisedExperiment", scales: Scales) -> bool:
    """Whether the output weights start as signs, or are Gaussian."""
    if settings.output_weights == "auto":
        return scales.rate_a is None
    return settings.output_weights == "rademacher"


def antisymmetric(output: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Two copies of the first half of the neurons, with output weights +a and -a, so that f = 0.

    Luo et al. (2021), Remark 5 (Zhang et al., 2019). output: (..., width); others: what else the
    neurons have, such as first-layer weights, each (..., width). Shapes are kept.
    Raises ValueError for an odd width.
    """
    width = output.shape[-1]
    if width % 2:
        raise ValueError(f"antisymmetric initialisation needs an even width, not {width}")
    half = width // 2
    copies = (np.concatenate([values[..., :half]] * 2, axis=-1) for values in others)
    return np.concatenate([output[..., :half], -output[..., :half]], axis=-1), *copies


def scaled_weights(
    random: np.random.Generator,
    settings: "ParameterisedExperiment",
    scales: Scales,
    sizes: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Draw first-layer weights (width, n_features) and output weights (n_outputs, width).

    sizes: width, n_features, n_outputs. The scale of the output and those of the nodes are in the
    output weights, V = s node a, so that f = sum_k V_k act(w_k . x).
    """
    width, n_features, n_outputs = sizes
    kind: OutputWeights = "rademacher" if has_signs(settings, scales) else "gaussian"
    hidden, output = initial_weights(random, width, n_features, n_outputs, kind)
    if is_antisymmetric(settings, scales):
        output, columns = antisymmetric(output, hidden.T)
        hidden = np.ascontiguousarray(columns.T)
    return hidden * scales.deviation_w, output * (scales.deviation_a * scales.unit)
