"""The scales that a parameterisation gives a two-layer network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scales:
    """Scales of a network, of its gradient flow and of its initial weights.

    f(x) = output * sum_k a_k act(w_k . x) follows a' = -rate_a dR/da, w' = -rate_w dR/dw, from a ~
    N(0, deviation_a^2) and w ~ N(0, deviation_w^2). `gamma` is the exponent of the output's scale
    in the width.
    """

    output: float
    rate_a: float
    rate_w: float
    deviation_a: float
    deviation_w: float
    gamma: float
