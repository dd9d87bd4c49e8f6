"""An activation made of functions of the user's own, as `activations` in the config names them."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch
from numba import njit
from numba.core.errors import NumbaError
from torch import Tensor

from regimes.errors import ConfigError

Function = Callable[[Tensor], Tensor]
Numbers = Callable[[float], tuple[float, float, float]]
# Where the functions are compared, to either side of 0.
CHECKED = (-20.0, -3.0, -1.0, -0.1, 0.1, 1.0, 3.0, 20.0)
# Of values and derivatives, relative to 1 where they are smaller.
CLOSE = 1e-6


def from_functions(name: str, function: Function, numbers: Numbers | None = None) -> ModuleType:
    """A module like those beside this one, with `value_and_slope_`, `curvature` and `scalar`.

    name: in errors. function: act of a tensor of any shape, written with torch's functions, which
    differentiate it. numbers: act, act' and act'' of a number, which Numba can compile; without it
    the module has no `scalar`. Raises ConfigError, one line, where act is not finite and real,
    changes the shape or the number format, or where the two disagree.
    """

    def value_and_slope_(z: Tensor, slope: Tensor) -> None:
        value, derivative = _with_derivatives(function, z, 1)
        slope.copy_(derivative)
        z.copy_(value)

    def curvature(z: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        return _with_derivatives(function, z, 2)[2]

    _check(name, function, numbers)
    module = ModuleType("regimes.activations.own", name)
    vars(module).update(value_and_slope_=value_and_slope_, curvature=curvature)
    if numbers is not None:
        vars(module).update(scalar=numbers)
    return module


def _with_derivatives(function: Function, z: Tensor, order: int) -> list[Tensor]:
    """act(z) and its derivatives up to an order, at each entry of z."""
    with torch.enable_grad():
        point = z.detach().clone().requires_grad_()
        found = [function(point)]
        for derivative in range(1, order + 1):
            last = found[-1]
            # A constant depends on no point.
            slope = None
            if last.requires_grad:
                more = derivative < order
                (slope,) = torch.autograd.grad(
                    last.sum(), point, create_graph=more, allow_unused=True
                )
            found.append(torch.zeros_like(point) if slope is None else slope)
    return [one.detach() for one in found]


def _check(name: str, function: Function, numbers: Numbers | None) -> None:
    """Raise ConfigError unless the functions are what `from_functions` needs."""
    for dtype in (torch.float32, torch.float64):
        z = torch.tensor(CHECKED, dtype=dtype).reshape(2, -1)
        value = function(z.clone())
        if not isinstance(value, Tensor) or value.shape != z.shape or value.dtype != dtype:
            raise ConfigError(f"{name} must return a tensor of the shape and dtype of z")
    derivatives = torch.stack(_with_derivatives(function, z, 2)).reshape(3, -1).numpy()
    given = None if numbers is None else np.array([numbers(point) for point in CHECKED])
    if given is not None and given.shape != (len(CHECKED), 3):
        raise ConfigError(f"{name}_numbers must return act, act' and act'' of a number")
    if numbers is not None:
        try:
            njit(numbers)(CHECKED[0])
        except NumbaError:
            raise ConfigError(
                f"{name}_numbers cannot be compiled by Numba: use numbers and Python's math alone"
            ) from None
    for order, what in enumerate(("the value", "the derivative", "the second derivative")):
        for index, point in enumerate(CHECKED):
            expected = derivatives[order, index]
            if not np.isfinite(expected):
                raise ConfigError(f"{what} of {name} at z = {point:g} is no finite real number")
            found = expected if given is None else given[index, order]
            if not abs(found - expected) <= CLOSE * max(1.0, abs(expected)):
                raise ConfigError(
                    f"{what} at z = {point:g} is {expected:g} by {name} and {found:g} by "
                    f"{name}_numbers"
                )
