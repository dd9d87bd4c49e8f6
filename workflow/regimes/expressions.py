"""Activation functions as formulas in z: smooth ones, finite with two derivatives."""

import ast
import math

import sympy

from regimes import formulas
from regimes.errors import ConfigError

NAME = "z"
Z = formulas.symbol(NAME)
# Where a value and its derivatives must be finite: to either side of 0, on the scale of
# pre-activations. 0 itself may be a point where a formula divides 0 by 0.
CHECKED = (-20.0, -3.0, -1.0, -0.1, 0.1, 1.0, 3.0, 20.0)
# Others may come of these: sqrt(z**2) is |z|.
SMOOTH = tuple(one for name, one in formulas.FUNCTIONS.items() if name != "sqrt")


def canonical(text: str) -> str:
    """The expression in a layout of its own, so that spaces do not matter.

    Raises ConfigError, one line, for what is no expression in z.
    """
    parse(text)
    return ast.unparse(formulas.tree(text, [NAME]))


def parse(text: str) -> sympy.Expr:
    """The expression, in the symbol Z.

    Raises ConfigError, one line that names what is wrong and what is allowed: what `formulas`
    does not read, no z, a kink, a value that is not a finite real number.
    """
    expression = formulas.parse(text, [NAME])
    if Z not in expression.free_symbols:
        raise ConfigError(f"{text!r} does not depend on z")
    if not all(isinstance(one, SMOOTH) for one in expression.atoms(sympy.Function)):
        raise ConfigError(f"{text!r} is {expression}, which has a kink: kinks are not allowed")
    _check_values(expression, text)
    return expression


def _check_values(expression: sympy.Expr, text: str) -> None:
    derivatives = [expression, sympy.diff(expression, Z), sympy.diff(expression, Z, 2)]
    for point in CHECKED:
        for order, one in enumerate(derivatives):
            value = one.subs(Z, sympy.Float(point)).evalf()
            if not (value.is_Float or value.is_Rational) or not math.isfinite(float(value)):
                what = ("the value", "the derivative", "the second derivative")[order]
                raise ConfigError(f"{what} of {text!r} at z = {point:g} is no finite real number")
