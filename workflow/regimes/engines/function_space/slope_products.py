"""Sums over the neurons of products of slopes, updated where few slopes have changed.

The tangent kernel of a network with a kinked activation is S = sum_k c_k^2 s_k s_k^T, with slopes s
of two values, times the Gram matrix of the inputs. From one multistep to the next a few slopes in a
hundred change, and each takes n multiplications, where the whole sum takes m n^2.
"""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from regimes.activations.apply import kinked, slope_below

# From this share of changed slopes on, the whole sum takes less time.
MOST_CHANGED = 0.15


class SlopeProducts:
    """S (n, n) of a network that moves.

    squares: c^2 (m,). low: the slope of pre-activations that are not positive; of others it is 1.
    """

    def __init__(self, squares: Tensor, low: float):
        self._squares = squares.numpy()
        self._low = self._squares.dtype.type(low)
        self._kept: tuple[np.ndarray, Tensor] | None = None

    def at(self, positive: np.ndarray) -> Tensor:
        """S (n, n), where pre-activations (m, n) are positive as given; not to be written to."""
        products = None if self._kept is None else self._updated(*self._kept, positive)
        if products is None:
            slopes = torch.from_numpy(np.where(positive, self._squares.dtype.type(1), self._low))
            products = slopes.mT @ (slopes * torch.from_numpy(self._squares)[:, None])
        self._kept = positive, products
        return products

    def _updated(self, old: np.ndarray, products: Tensor, new: np.ndarray) -> Tensor | None:
        changed = np.flatnonzero(old != new)
        if len(changed) > MOST_CHANGED * new.size:
            return None
        from regimes.engines.function_space.changed_slopes import half_change

        half = half_change(changed, old, new, self._squares, self._low)
        return products + torch.from_numpy(half + half.T)

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""
        if self._kept is None:
            return {}
        positive, products = self._kept
        return {"positive": torch.from_numpy(positive), "products": products}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state, with the same bits."""
        self._kept = None
        if "products" in state:
            self._kept = state["positive"].numpy(), state["products"]


def slope_products(activation: ModuleType, squares: Tensor) -> SlopeProducts | None:
    """Those of a network with output weights c, c^2 (m,); None where slopes have more values.

    None, too, on other devices than the CPU, where sums are fast, and without Numba.
    """
    if not kinked(activation) or squares.device.type != "cpu":
        return None
    try:
        import regimes.engines.function_space.changed_slopes  # noqa: F401
    except ImportError:
        return None
    return SlopeProducts(squares, slope_below(activation))
