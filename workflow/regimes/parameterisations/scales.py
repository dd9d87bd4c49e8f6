"""The scales that a parameterisation gives a two-layer network.

A parameterisation is a module beside this one with a function `scales`, from a setting to the
`Scales` of its network. A setting is a mapping: `width`, `n_features`, the name `parameterisation`
itself, and what else the parameterisation reads, such as `gamma`. A factor of the inputs, s in
act(s w . x), is in the scales of w: s w moves as weights do that start at s times their deviation
and have s^2 times their rate.
"""

from dataclasses import dataclass

import numpy as np

# What the axes of parameterisations are.
AXES = {
    "gamma_prime": "exponent gamma' of the dynamical scaling kappa' = m^-gamma'",
    "gamma": "exponent gamma of the energetic scaling kappa = m^-gamma",
    "node_scaling": "node scaling: its gamma and its alpha",
}


@dataclass(frozen=True)
class Scales:
    """Scales of a network, of its training and of its initial weights.

    f(x) = output * sum_k node_k a_k act(w_k . x) follows a' = -rate_a dR/da, w' = -rate_w dR/dw in
    gradient flow, and descent takes steps of its learning rate times these; it starts from a ~ N(0,
    deviation_a^2), or signs times that, and w ~ N(0, deviation_w^2). rate_a is None where the
    output weights are fixed. node: scales of the neurons (width,), None: 1 for all. symmetric:
    whether the network needs pairs of neurons with opposite signs to start from a small output.
    """

    output: float
    rate_a: float | None
    rate_w: float
    deviation_a: float
    deviation_w: float
    symmetric: bool = False
    node: np.ndarray | None = None

    @property
    def unit(self) -> float | np.ndarray:
        """V over a, in f = sum_k V_k act(w_k . x): one number, or one for each neuron (width,)."""
        return self.output if self.node is None else self.output * self.node


def is_symmetric(gamma: float) -> bool:
    """Whether the initial output does not vanish for wide networks: Luo et al. (2021), Remark 5.

    gamma: exponent of the output's scale, kappa = m^-gamma.
    """
    # Sums of exponents are rounded, and 0.5 is where it changes.
    return round(gamma, 9) <= 0.5
