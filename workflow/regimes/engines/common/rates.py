"""Learning rates of the layers of two-layer networks."""

from typing import TYPE_CHECKING

from torch import Tensor

from regimes.kernels.tangent_kernel import largest_eigenvalue
from regimes.parameterisations.scales import Scales

if TYPE_CHECKING:
    from regimes.engines.common.parameterised import ParameterisedExperiment


def layer_rates(
    settings: "ParameterisedExperiment", scales: Scales, ratio: float = 1.0
) -> tuple[float, float]:
    """Rates of w and of V = s a, relative to the learning rate; 0 for a layer that is fixed.

    ratio: by which that of a is multiplied.
    """
    of_a = scales.output**2 * (scales.rate_a or 0.0) * ratio
    return scales.rate_w * (settings.layers != "second"), of_a * (settings.layers != "first")


def stability_limit(kernel: Tensor, factor: float) -> float:
    """Learning rate up to which descent on a squared loss is stable, were the kernel to stay.

    2 over the largest eigenvalue of the tangent kernel with the rates of the layers; factor: of the
    loss, see `regimes.engines.common.losses`. 0 for a network of dead neurons, which moves at no
    rate.
    """
    largest = factor * largest_eigenvalue(kernel)
    return 2 / largest if largest > 0 else 0.0
