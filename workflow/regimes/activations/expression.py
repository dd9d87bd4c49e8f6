"""An activation made from an expression in z, as `activations` in the config has them."""

from collections.abc import Callable
from types import ModuleType

import sympy
import torch
from torch import Tensor

from regimes.expressions.activations import Z, parse
from regimes.expressions.formulas import sigmoid, softplus, with_floats

# torch's functions, by their names in SymPy.
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
    """A module like those beside this one, with `value_and_slope_`, `curvature` and `scalar`.

    text: see `regimes.expressions.activations`. Raises ConfigError for what is not allowed there.
    Where the expression divides 0 by 0 or overflows, so does the module.
    """
    value = parse(text)
    slope = sympy.diff(value, Z)
    value_and_slope, curvature = _compiled([value, slope]), _compiled([sympy.diff(slope, Z)])

    def value_and_slope_(z: Tensor, slope: Tensor) -> None:
        values, slopes = value_and_slope(z)
        slope.copy_(slopes)
        z.copy_(values)

    module = ModuleType("regimes.activations.expression", text)
    vars(module).update(
        value_and_slope_=value_and_slope_,
        curvature=lambda z, value, slope: curvature(z)[0],
        scalar=_scalar([value, slope, sympy.diff(slope, Z)]),
    )
    return module


def _scalar(expressions: list[sympy.Expr]) -> Callable[[float], tuple[float, float, float]]:
    """Expressions in z as one function of a number, of Python's arithmetic and `math` alone."""
    numeric = [
        with_floats(
            expression.replace(sigmoid, lambda z: 1 / (1 + sympy.exp(-z))).replace(
                softplus, lambda z: sympy.Max(0, z) + sympy.log(1 + sympy.exp(-sympy.Abs(z)))
            )
        )
        for expression in expressions
    ]
    return sympy.lambdify(Z, tuple(numeric), modules="math", cse=True)


def _compiled(expressions: list[sympy.Expr]) -> Callable[[Tensor], list[Tensor]]:
    """Expressions in z as one function of a tensor, which works out what they share once."""
    # torch's functions take tensors alone, not the constants of SymPy.
    numeric = [with_floats(expression) for expression in expressions]
    function = sympy.lambdify(Z, numeric, modules=[FUNCTIONS], cse=True)

    def of_tensor(z: Tensor) -> list[Tensor]:
        values = function(z)
        return [one if isinstance(one, Tensor) else torch.full_like(z, one) for one in values]

    return of_tensor
