"""Moves through an activation with act(z) = act'(z) z whose slope jumps at 0, as relu's does.

Only where the kink may be crossed is a share not just the slope; there it is solved for exactly.
"""

from dataclasses import dataclass
from types import ModuleType

from torch import Tensor

from regimes.networks.passages import Push, Shares
from regimes.networks.shallow import activate_


@dataclass
class KinkedShares(Shares):
    """crossings: flat indices of the shares that are not the slope at the start."""

    crossings: Tensor


class Kinked:
    """A `Passage`. activation: a module with `slope`, `value`, `apply_` and `share`."""

    arrays = 1

    def __init__(self, activation: ModuleType):
        self.activation = activation

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        slope = self.activation.slope(z)
        return self.activation.value(z, slope), slope

    def forward_(self, z: Tensor, slope: Tensor) -> Tensor:
        activate_(self.activation, z, slope)
        return z

    def first(self, z: Tensor, values: Tensor, slope: Tensor, push: Push) -> KinkedShares:
        change = push.change(slope)
        # <= : a neuron may start exactly on a kink
        crossings = ((change + z).mul_(z) <= 0).view(-1).nonzero().squeeze(1)
        shares = KinkedShares(slope.clone(), crossings)
        if len(crossings):
            self._cross(z, slope, change.view(-1)[crossings], push.kick(crossings), shares)
        return shares

    def arrive_(
        self, z: Tensor, values: Tensor, slope: Tensor, end: Tensor, shares: Shares
    ) -> Tensor:
        return self.activation.apply_(end)

    def second(self, z: Tensor, slope: Tensor, push: Push, shares: KinkedShares) -> Tensor:
        """Looks at the crossings of the first try alone: what the second one would newly carry
        across a kink, it carries but a little beyond.
        """
        change, crossings = push.change(shares.values), shares.crossings
        better = KinkedShares(slope.clone(), crossings)
        if len(crossings):
            kick, change = push.kick(crossings), change.view(-1)[crossings]
            # As if the slope had stayed what it was
            back = slope.view(-1)[crossings] - shares.values.view(-1)[crossings]
            self._cross(z, slope, change.addcmul_(back, kick), kick, better)
        return better.values

    def _cross(
        self, z: Tensor, slope: Tensor, change: Tensor, kick: Tensor, shares: KinkedShares
    ) -> None:
        """Put the shares of those that may cross the kink in their places."""
        index = shares.crossings
        start, slope = z.view(-1)[index], slope.view(-1)[index]
        shares.values.view(-1)[index] = self.activation.share(start, slope, change, kick)
