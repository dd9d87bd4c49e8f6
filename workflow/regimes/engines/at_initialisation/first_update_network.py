"""The start of gradient flow for networks with scaled nodes, a batch of random ones at a time.

Caron et al. (2023): f(x) = sum_j lambda_j^(1/2) a_j act(Z_j(x)), Z_j(x) = w_j . x / d^(1/2) (2),
under the gradient flow of the first layer on L = 1/2 sum_i (f(x_i) - y_i)^2 (5). With few training
points everything is made of the pre-activations Z on them.
"""

import numpy as np

from regimes.activations.derivatives import Activation


class FirstUpdate:
    """Networks of a batch at t = 0: b networks of m nodes on n points of d features.

    pre_activations: Z (b, m, n). signs: a (b, m). scales: lambda (m,). inputs: (n, d). targets:
    (n,). antithetic: rates are those of the network averaged with those of the network -a; the sign
    of a being even, their expectations are the same.
    """

    def __init__(
        self,
        activation: Activation,
        inputs: np.ndarray,
        targets: np.ndarray,
        scales: np.ndarray,
        pre_activations: np.ndarray,
        signs: np.ndarray,
        antithetic: bool = True,
    ):
        self.inputs, self.scales = inputs, scales
        self.products = inputs @ inputs.T / inputs.shape[1]
        self.slopes = activation.slope(pre_activations)
        self.curvatures = activation.curvature and activation.curvature(pre_activations)
        self.factors = np.sqrt(scales) * signs
        values = activation.value(pre_activations)
        self.outputs = (self.factors[:, None, :] @ values)[:, 0]
        residuals = targets - self.outputs
        if antithetic:
            # -a has the outputs -f; the rates are the product of a and of y - f.
            residuals = (residuals - (targets + self.outputs)) / 2
        # (b, m, n): act'(Z_j(x_i)) (y_i - f(x_i))
        self.driven = self.slopes * residuals[:, None, :]

    def weight_rates(self, nodes: np.ndarray) -> np.ndarray:
        """dw_jk/dt of the nodes of some indices: (b, nodes, d)."""
        driven = self.factors[:, nodes, None] * self.driven[:, nodes]
        return driven @ self.inputs / np.sqrt(self.inputs.shape[1])

    def scaled_weight_rate(self) -> np.ndarray:
        """sum_j lambda_j dw_jk/dt over all nodes: (b, d)."""
        driven = ((self.scales * self.factors)[:, None, :] @ self.driven)[:, 0]
        return driven @ self.inputs / np.sqrt(self.inputs.shape[1])

    def tangent_gram(self, scales: np.ndarray) -> np.ndarray:
        """Theta_m(x_k, x_l) of (6) with scales (m,), its own or others: (b, n, n)."""
        weighted = np.swapaxes(self.slopes * scales[:, None], 1, 2)
        return self.products * (weighted @ self.slopes)

    def kernel_rates(self) -> np.ndarray:
        """dTheta_m(x_k, x_l)/dt: (b, n, n), for an activation with a second derivative.

        (1/d) x_k . x_l sum_j lambda_j act''(Z_jk) Z_jk' act'(Z_jl), and the same with k and l
        exchanged, where Z_jk' = lambda_j^(1/2) a_j sum_i (x_k . x_i / d) act'(Z_ji) (y_i - f(x_i)).
        """
        moving = self.driven @ self.products
        moving *= self.curvatures
        moving *= (self.scales * self.factors)[:, :, None]
        half = np.swapaxes(moving, 1, 2) @ self.slopes
        return self.products * (half + np.swapaxes(half, 1, 2))
