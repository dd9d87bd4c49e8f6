"""abc-parameterisations of Yang and Hu (2021), as in Appendix C of Chen et al. (2022).

A network of L hidden layers of width m and fixed input dimension has L + 1 layers of weights,
m^(-a_l) w^l with w^l ~ N(0, m^(-2 b_l)), and its learning rate is m^(-c) times a constant. Factors
of the input dimension, such as d^(-1/2) of the first layer, do not count. The partially trained
network of three layers has L = 2: its layers are z, W and c.
"""

from dataclasses import dataclass
from fractions import Fraction

from regimes.parameterisations.feature_scalings import FeatureScaling


@dataclass(frozen=True)
class AbcParameterisation:
    """Exponents a_1, ..., a_(L+1); b_1, ..., b_(L+1); and c. Fractions, for exact sums."""

    a: tuple[Fraction, ...]
    b: tuple[Fraction, ...]
    c: Fraction

    def __post_init__(self):
        if not len(self.a) == len(self.b) >= 2:
            raise ValueError(f"{len(self.a)} exponents a and {len(self.b)} exponents b")

    @property
    def n_hidden_layers(self) -> int:
        """L, one less than the layers of weights."""
        return len(self.a) - 1

    def feature_learning_exponent(self) -> Fraction:
        """The exponent r of (36), with all layers trained.

        A step changes the features by order m^(-r): they are learned if r is 0; training is lazy if
        it is positive, unstable if it is negative.
        """
        *hidden, output = self.a
        layers = (2 * a - (layer != 1) for layer, a in enumerate(hidden, start=1))
        return min(self.b[-1], output + self.c) + output + self.c + min(layers)

    def trained_layer_exponent(self) -> Fraction:
        """The exponent r if the last hidden layer alone is trained.

        A step changes its h by order m^(-r).

        r = a_(L+1) + b_(L+1) + c + 2 a_L - 1[L != 1]: of the minima of (36) there remain the
        output weights as drawn, b_(L+1), since their own steps would add a_(L+1) + c, and layer L.
        In the gradient for W_ij are the output weight i, m^(-a_(L+1) - b_(L+1)), the scale of the
        layer, m^(-a_L), and feature j; in h_i once more that scale, and the sum over the m
        features. These are of order one if a_1 + b_1 = 0 and a_l + b_l = 1/2 in the layers between,
        otherwise a ValueError is raised.
        """
        last = self.n_hidden_layers
        sums = [a + b for a, b in zip(self.a, self.b, strict=True)]
        if any(
            total != (Fraction(1, 2) if layer else 0)
            for layer, total in enumerate(sums[: last - 1])
        ):
            raise ValueError("the features before the trained layer are not of order one")
        return sums[-1] + self.c + 2 * self.a[-2] - (last != 1)

    def initial_hidden_exponent(self) -> Fraction:
        """The last h is of order m^(-this) at the start, on features of order one."""
        return self.a[-2] + self.b[-2] - Fraction(self.n_hidden_layers != 1, 2)

    @property
    def learns_features(self) -> bool:
        """Whether the last hidden layer learns features where it alone is trained."""
        return self.trained_layer_exponent() == 0


def from_scaling(scaling: FeatureScaling, n_hidden_layers: int = 2) -> AbcParameterisation:
    """A scaling of Table 1 with D = m, in a network of L = `n_hidden_layers` of at least 2.

    Only layer L has the scale of the scaling; the random ones before it have m^(-1/2), as in
    Appendix H, except for the first. All weights are drawn of order one, b_l = 0.
    """
    if n_hidden_layers < 2:
        raise ValueError("the trained layer is not on an embedding of width m")
    half = Fraction(1, 2)
    a = (
        Fraction(0),
        *[half] * (n_hidden_layers - 2),
        Fraction(scaling.hidden_exponent),
        Fraction(scaling.output_exponent),
    )
    rate = sum(map(Fraction, scaling.rate_exponents), Fraction(0))
    return AbcParameterisation(a, (Fraction(0),) * len(a), -rate)
