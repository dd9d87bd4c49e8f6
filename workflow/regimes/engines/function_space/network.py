"""Shallow networks on an embedding, trained by gradient descent on their pre-activations.

f(x) = s sum_i c_i act(h_i(x)): (2) and (3) of Chen et al. (2022), and Table 1 with its scales; with
c_i = lambda_i^(1/2) a_i, (2) of Caron et al. (2023). Only the weights of h are trained, so that a
step of gradient descent moves the pre-activations along the Gram matrix G of the embedding,

    h_i(x) <- h_i(x) - (k/n) c_i sum_a G(x, x_a) e_a act'(h_i(x_a)),

which is (11) in discrete time, and the dimension of the embedding never appears. The state is the
coefficients A of h = h_0 + A B: B = G, and A sums up c_i e_a act'(h_i(x_a)); or, where the
embedding has fewer dimensions than half the number of points, B = Psi^T and A is the way of the
weights.
Either predicts at any other point.

Shapes: m neurons, n training points, r coordinates of the embedding, p further points.
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from regimes.activations.apply import activate_, kinked
from regimes.engines.common.outputs import Number, number
from regimes.engines.function_space.slope_products import slope_products

# On the CPU the neurons are worked through in pieces whose pre-activations take this many bytes
# and stay in a core's cache, but not of fewer neurons than this.
PIECE_BYTES = 1024**2
LEAST_NEURONS = 64


@dataclass(frozen=True)
class Embedded:
    """Points in orthonormal coordinates of the embedding, training (n, r) and further ones (p, r).

    Products of rows are the Gram function G of (12).
    """

    train: Tensor
    test: Tensor


@dataclass
class Place:
    """Where a network is or may go: coefficients (m, r), residuals (n,) and slopes act'(h) (m, n).

    slopes: None where they are made anew from the coefficients.
    """

    coefficients: Tensor
    errors: Tensor
    slopes: Tensor | None


class FunctionSpaceNetwork:
    """One network: its state, and how it moves.

    embedded: the points. initial: pre-activations h_0 of all points, (m, n + p), training points
    first. output_weights: c (m,), fixed. targets: (n,). output_scale: s. step_factor: k.
    in_weights: the state is the way of the weights; by default where that takes less work.
    """

    # Steps work in place; `move_to` does not.
    static = True
    coefficients: Tensor
    errors: Tensor

    def __init__(
        self,
        embedded: Embedded,
        initial: Tensor,
        output_weights: Tensor,
        targets: Tensor,
        activation: ModuleType,
        *,
        output_scale: float,
        step_factor: float,
        in_weights: bool | None = None,
    ):
        n_points, n_coordinates = embedded.train.shape
        self.targets = targets
        self.output_weights = output_weights
        # Where they are not 1 throughout, as of signs they are.
        squares = output_weights.square()
        self._squares = None if bool((squares == 1).all()) else squares[:, None]
        self.activation = activation
        self._products = slope_products(activation, squares)
        self.output_scale = output_scale
        self.step_factor = step_factor
        self.in_weights = 2 * n_coordinates < n_points if in_weights is None else in_weights
        self.gram = embedded.train @ embedded.train.mT
        self.initial = initial[:, :n_points].contiguous()
        self._initial_test = initial[:, n_points:]
        if self.in_weights:
            self.basis = embedded.train.mT.contiguous()
            self._test_basis = embedded.test.mT.contiguous()
        else:
            self.basis = self.gram
            self._test_basis = embedded.train @ embedded.test.mT
        # What sum_a act'(h_i(x_a)) e_a is multiplied by in a step, (m, 1).
        self.factor = (output_weights * (-step_factor / n_points))[:, None].contiguous()
        self._values = torch.empty_like(self.initial[: self._rows()])
        self.move_to(self.look(initial.new_zeros(len(output_weights), len(self.basis))))

    @property
    def width(self) -> int:
        """Number of neurons m."""
        return len(self.output_weights)

    @property
    def n_points(self) -> int:
        """Number of training points n."""
        return len(self.targets)

    @property
    def kinked(self) -> bool:
        """Whether act' is constant but for jumps, as that of ReLU: act(z) = act'(z) z."""
        return kinked(self.activation)

    @property
    def slopes(self) -> Tensor:
        """act'(h) (m, n)."""
        if self._slopes is not None:
            return self._slopes
        slopes = torch.empty_like(self.initial)
        self._forward(self.coefficients, slopes)
        return slopes

    def step(self) -> None:
        """One step of gradient descent."""
        outputs = torch.zeros_like(self.targets)
        all_slopes = self.slopes
        for rows in self.pieces():
            slopes, coefficients = all_slopes[rows], self.coefficients[rows]
            slopes.mul_(self.errors)
            way = self._times_coordinates(slopes) if self.in_weights else slopes
            coefficients.addcmul_(way, self.factor[rows])
            self._add_outputs(outputs, rows, coefficients, slopes)
        torch.sub(outputs.mul_(self.output_scale), self.targets, out=self.errors)

    def directions(self, errors: Tensor) -> Tensor:
        """Change of the coefficients (m, rows of B) in one step here with given residuals (n,)."""
        return self._directions(self.slopes, errors)

    def directions_at_end(self, end: Place) -> tuple[Tensor, Tensor | None]:
        """Changes of the coefficients in a step at the end of a way from here, and what they lack.

        Slopes are those at the end, but those here for pre-activations that have crossed a kink
        with c_i e_a > 0. Being active adds -c_i e_a times something positive to the change of
        h_i(x_a), so that a kink can drive a pre-activation back from both sides for this sign
        alone. What that makes of the changes is the second; None without kinks.
        """
        assert end.slopes is not None
        if not self.kinked:
            return self._directions(end.slopes, end.errors), None
        driven_back = self.output_weights[:, None] * end.errors > 0
        kept = torch.where(driven_back, self.slopes, end.slopes)
        return self._directions(kept, end.errors), self._directions(end.slopes - kept, end.errors)

    def _directions(self, slopes: Tensor, errors: Tensor) -> Tensor:
        change = (slopes * errors).mul_(self.factor)
        return self._times_coordinates(change) if self.in_weights else change

    def _times_coordinates(self, values: Tensor) -> Tensor:
        """Values (m, n) times the coordinates (n, r): (m, r)."""
        # In this order a product with few columns is two to four times faster on a CPU.
        return (self.basis @ values.mT).mT

    def look(self, coefficients: Tensor) -> Place:
        """What some coefficients (m, r) lead to."""
        slopes = torch.empty_like(self.initial)
        return Place(coefficients, self._forward(coefficients, slopes), slopes)

    def move_to(self, place: Place) -> None:
        """Go to a place that `look` has given."""
        self.coefficients, self.errors = place.coefficients, place.errors
        self._slopes = place.slopes

    def tangent_kernel(self) -> Tensor:
        """Theta (n, n): a step changes the residuals by -Theta e, to first order."""
        share = self.step_factor * self.output_scale / self.n_points
        return (self._slope_products() * self.gram).mul_(share)

    def _slope_products(self) -> Tensor:
        """sum_i c_i^2 s_i s_i^T (n, n) of the slopes s; not to be written to."""
        if self._products is not None:
            return self._products.at(self._positive())
        weighted = self.slopes if self._squares is None else self.slopes * self._squares
        return self.slopes.mT @ weighted

    def _positive(self) -> np.ndarray:
        """Whether pre-activations (m, n) of a kinked activation are positive."""
        return (self.slopes == 1).numpy()

    def output_change(self, directions: Tensor) -> Tensor:
        """Change of the outputs (n,) with a change of the coefficients, to first order."""
        change, slopes = torch.zeros_like(self.targets), self.slopes
        for rows in self.pieces():
            moved = (directions[rows] @ self.basis).mul_(slopes[rows])
            change += self.output_weights[rows] @ moved
        return change.mul_(self.output_scale)

    def pre_activations(self, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Return h of some neurons at the training points (m, n) and at the others (m, p)."""
        coefficients = self.coefficients[rows]
        train = torch.addmm(self.initial[rows], coefficients, self.basis)
        return train, torch.addmm(self._initial_test[rows], coefficients, self._test_basis)

    def initial_pre_activations(self, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Return the initial h of some neurons at the training points and at the others."""
        return self.initial[rows], self._initial_test[rows]

    def coordinate_distance(self) -> Number:
        """Norm of the way of the weights in orthonormal coordinates: ||A Psi||_F."""
        if self.in_weights:
            return number(torch.linalg.vector_norm(self.coefficients))
        total = torch.zeros((), dtype=self.basis.dtype, device=self.basis.device)
        for rows in self.pieces():
            coefficients = self.coefficients[rows]
            total += ((coefficients @ self.basis).mul_(coefficients)).sum()
        return number(total.clamp(min=0).sqrt())

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""
        products = {} if self._products is None else self._products.state()
        return {"coefficients": self.coefficients, **products}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state of the same network, with the same bits."""
        self.coefficients.copy_(state["coefficients"])
        if self._products is not None:
            self._products.restore(state)
        self.move_to(self.look(self.coefficients))

    def _forward(self, coefficients: Tensor, slopes: Tensor) -> Tensor:
        outputs = torch.zeros_like(self.targets)
        for rows in self.pieces():
            self._add_outputs(outputs, rows, coefficients[rows], slopes[rows])
        return outputs.mul_(self.output_scale).sub_(self.targets)

    def _add_outputs(
        self, outputs: Tensor, rows: slice, coefficients: Tensor, slopes: Tensor
    ) -> None:
        """Add the contribution of a piece to the outputs before scaling, and write its slopes."""
        values = self._values[: len(coefficients)]
        torch.addmm(self.initial[rows], coefficients, self.basis, out=values)
        activate_(self.activation, values, slopes)
        outputs.addmv_(values.mT, self.output_weights[rows])

    def _rows(self) -> int:
        if self.initial.device.type != "cpu":
            return self.width
        in_a_piece = PIECE_BYTES // (self.n_points * self.initial.element_size())
        n_pieces = -(-self.width // max(LEAST_NEURONS, in_a_piece))
        return -(-self.width // n_pieces)

    def pieces(self) -> list[slice]:
        """The neurons, in pieces that are worked through one after the other."""
        rows = self._rows()
        return [slice(first, first + rows) for first in range(0, self.width, rows)]
