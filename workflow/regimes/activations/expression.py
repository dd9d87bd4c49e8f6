"""An activation made from an expression in z, as `activations` in the config has them."""

from collections.abc import Callable
from types import ModuleType

import sympy
import torch
from torch import Tensor

from regimes.activation_formulas import Z, parse
from regimes.formulas import with_floats

# What the functions of an expression are here, by their names in SymPy.
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "atan": torch.arctan,
    "asinh": torch.arcsinh,
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "softplus": lambda z: torch.logaddexp(z, z.new_zeros(())),
}


def from_expression(text: str) -> ModuleType:
    """A module like those beside this one, with `value_and_slope_` and `curvature`.

    text: see `regimes.activation_formulas`. Raises ConfigError for what is not allowed there. What
    the expression comes to where it divides 0 by 0 or overflows, it comes to here too.
    """
    value = parse(text)
    slope = sympy.diff(value, Z)
    value_and_slope, curvature = _compiled([value, slope]), _compiled([sympy.diff(slope, Z)])

    def value_and_slope_(z: Tensor, slope: Tensor) -> None:
        values, slopes = value_and_slope(z)
        slope.copy_(slopes)
        z.copy_(values)

    module = ModuleType("regimes.activations.expression", text)
    module.value_and_slope_ = value_and_slope_
    module.curvature = lambda z, value, slope: curvature(z)[0]
    return module


def _compiled(expressions: list[sympy.Expr]) -> Callable[[Tensor], list[Tensor]]:
    """Expressions in z as one function of a tensor, which works out what they share once."""
    # torch's functions take tensors alone, not the constants of SymPy.
    numeric = [with_floats(expression) for expression in expressions]
    function = sympy.lambdify(Z, numeric, modules=[FUNCTIONS], cse=True)

    def of_tensor(z: Tensor) -> list[Tensor]:
        values = function(z)
        return [one if isinstance(one, Tensor) else torch.full_like(z, one) for one in values]

    return of_tensor
