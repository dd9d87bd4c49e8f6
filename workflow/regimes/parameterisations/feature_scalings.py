"""The three scalings of partially trained networks: Table 1 of Chen et al. (2022).

f = m^(-output) sum_i c_i act(h_i), h_i = D^(-hidden) sum_j W_ij phi_j(x), and steps
W <- W - rate dL/dW.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regimes.parameterisations.scales import Scales


@dataclass(frozen=True)
class FeatureScaling:
    """One column of Table 1, as exponents of the widths.

    rate_exponents: the learning rate is delta m^(the first) D^(the second). The table has D = m
    throughout; where D is another, the mean-field rate m D delta keeps the step in h, which is
    delta G, and with it what sets that scaling apart, its initial h.
    symmetrised: pairs of neurons with the same weights and opposite signs start from f = 0.
    """

    name: str
    title: str
    output_exponent: float
    hidden_exponent: float
    rate_exponents: tuple[float, float]
    symmetrised: bool = False

    def output_scale(self, width: int) -> float:
        """Factor m^(-output) of the sum over the neurons."""
        return width**-self.output_exponent

    def hidden_scale(self, dimension: int) -> float:
        """Factor D^(-hidden) of h."""
        return dimension**-self.hidden_exponent

    def rate(self, width: int, dimension: int, step_size: float) -> float:
        """Learning rate of W for a step size delta."""
        of_width, of_dimension = self.rate_exponents
        return step_size * width**of_width * dimension**of_dimension

    def step_factor(self, width: int, dimension: int, step_size: float) -> float:
        """Return the factor k of h(x) <- h(x) - (k/n) c_i sum_a G(x, x_a) e_a act'(h_i(x_a)).

        This is the step of (9) and (11): k is delta for ours and mean-field, delta/m^(1/2) for NTK.
        """
        scales = self.output_scale(width) * self.hidden_scale(dimension) ** 2 * dimension
        return self.rate(width, dimension, step_size) * scales

    def initial_hidden_factor(self, dimension: int) -> float:
        """Standard deviation of h at the start over G(x, x)^(1/2), W being standard normal."""
        return self.hidden_scale(dimension) * dimension**0.5


SCALINGS = {
    scaling.name: scaling
    for scaling in (
        FeatureScaling("ours", "Ours", 1.0, 0.5, (1.0, 0.0)),
        FeatureScaling("ntk", "NTK", 0.5, 0.5, (0.0, 0.0), symmetrised=True),
        FeatureScaling("mean_field", "MF", 1.0, 1.0, (1.0, 1.0)),
    )
}


def scales(setting: Mapping[str, Any]) -> Scales:
    """Scales of one setting, a network of two layers, so that Phi is x itself and D = n_features.

    Its `parameterisation` is "chen_" and the name of a scaling; its output weights are fixed.
    """
    scaling = SCALINGS[setting["parameterisation"].removeprefix("chen_")]
    width, dimension = setting["width"], setting["n_features"]
    factor = scaling.hidden_scale(dimension)
    return Scales(
        output=scaling.output_scale(width),
        rate_a=None,
        rate_w=scaling.rate(width, dimension, 1.0) * factor**2,
        deviation_a=1.0,
        deviation_w=factor,
        symmetric=scaling.symmetrised,
    )
