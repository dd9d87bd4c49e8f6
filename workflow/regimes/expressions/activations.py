"""Activation functions as formulas in z: smooth ones, finite with two derivatives."""

import ast
from itertools import islice

import numpy as np
import sympy

from regimes.errors import ConfigError
from regimes.expressions import formulas

NAME = "z"
Z = formulas.symbol(NAME)
# Where a value and its derivatives must be finite: to either side of 0, on the scale of
# pre-activations. 0 itself may be a point where a formula divides 0 by 0.
CHECKED = (-20.0, -3.0, -1.0, -0.1, 0.1, 1.0, 3.0, 20.0)
# Where value and slope must not jump: between these and the same below 0. A jump is one that is far
# more than what they do on either side, and than rounding.
BESIDE = 1e-8 * np.linspace(1, 2, 5)
JUMP, ROUNDING = 10.0, 1e-6
NEAR = [abs(point) <= 1 for point in CHECKED]
# Parts of the derivative. Of longer ones the second derivative, which is of the square of this
# length, takes SymPy many seconds: the derivative of gelu has 60.
LONGEST_SLOPE = 500
# Functions that have no kinks. A square root may have one: sqrt(z**2) is |z|.
SMOOTH = tuple(one for name, one in formulas.FUNCTIONS.items() if name != "sqrt")


def canonical(text: str) -> str:
    """Return the expression in a canonical layout, so that spaces do not matter.

    Raises ConfigError, one line, for a text that is not an expression in z.
    """
    parse(text)
    try:
        return ast.unparse(formulas.tree(text, [NAME]))
    except RecursionError:
        raise ConfigError(f"{text!r} is too deep for an expression") from None


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
    slope = sympy.diff(expression, Z)
    if len(list(islice(sympy.preorder_traversal(slope), LONGEST_SLOPE + 1))) > LONGEST_SLOPE:
        raise ConfigError(
            f"{text!r} is too long for an activation: its derivative may have at most "
            f"{LONGEST_SLOPE} parts; nest or multiply fewer functions"
        )
    derivatives = [expression, slope, sympy.diff(slope, Z)]
    # In float64, since SymPy would compute all digits of exp(exp(exp(20))).
    for order, one in enumerate(derivatives):
        what = ("the value", "the derivative", "the second derivative")[order]
        values = _at(one, np.array(CHECKED))
        if not np.isfinite(values).all():
            point = CHECKED[np.flatnonzero(~np.isfinite(values))[0]]
            raise ConfigError(f"{what} of {text!r} at z = {point:g} is no finite real number")
        if order < 2 and _jumps(_at(one, -BESIDE), _at(one, BESIDE), abs(values[NEAR]).max()):
            raise ConfigError(f"{what} of {text!r} jumps at z = 0: kinks are not allowed")


def _at(expression: sympy.Expr, points: np.ndarray) -> np.ndarray:
    return formulas.evaluate(expression, {NAME: points})


def _jumps(below: np.ndarray, above: np.ndarray, scale: float) -> bool:
    """Whether values right below 0 and right above are two groups. False where they are NaN."""
    gap = max(above.min() - below.max(), below.min() - above.max())
    spread = max(np.ptp(above), np.ptp(below))
    return bool(gap > JUMP * spread and gap > ROUNDING * scale)
