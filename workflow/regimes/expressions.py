"""Expressions in z, read from the config: numbers, z, + - * / **, and FUNCTIONS of these.

They are parsed, never run as code: whatever else Python or SymPy would understand is an error.
"""

import ast
import math

import sympy

from regimes.errors import ConfigError

Z = sympy.Symbol("z", real=True)
# Longer ones, or larger powers, are a mistake, and SymPy would take long over them.
LONGEST = 500
LARGEST_POWER = 100
# Where a value and its derivatives must be finite: to either side of 0, on the scale of
# pre-activations. 0 itself may be a point where a formula divides 0 by 0.
CHECKED = (-20.0, -3.0, -1.0, -0.1, 0.1, 1.0, 3.0, 20.0)


class sigmoid(sympy.Function):  # noqa: N801, as SymPy writes functions
    """1 / (1 + exp(-z)), without its overflow."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self * (1 - self)

    def _eval_evalf(self, precision: int) -> sympy.Expr | None:
        return (1 / (1 + sympy.exp(-self.args[0])))._eval_evalf(precision)


class softplus(sympy.Function):  # noqa: N801
    """log(1 + exp(z)), without its overflow."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sigmoid(self.args[0])

    def _eval_evalf(self, precision: int) -> sympy.Expr | None:
        return sympy.log(1 + sympy.exp(self.args[0]))._eval_evalf(precision)


FUNCTIONS = {
    **{
        name: getattr(sympy, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "erf")
    },
    "atan": sympy.atan,
    "asinh": sympy.asinh,
    "sigmoid": sigmoid,
    "softplus": softplus,
}
# Others may come of these: sqrt(z**2) is |z|.
KNOWN = tuple(one for name, one in FUNCTIONS.items() if name != "sqrt")
CONSTANTS = {"pi": sympy.pi}
OPERATIONS = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: left**right,
}
ALLOWED = f"z, numbers, pi, + - * / **, {', '.join(sorted(FUNCTIONS))}"


def canonical(text: str) -> str:
    """The expression in a layout of its own, so that spaces do not matter.

    Raises ConfigError, one line, for what is no expression in z.
    """
    parse(text)
    return ast.unparse(_tree(text))


def parse(text: str) -> sympy.Expr:
    """The expression, in the symbol Z.

    Raises ConfigError, one line that names what is wrong and what is allowed: another name or
    function, a syntax that is none, no z, a value that is not a finite real number.
    """
    expression = _expression(_tree(text).body, text)
    if Z not in expression.free_symbols:
        raise ConfigError(f"{text!r} does not depend on z")
    if not all(isinstance(one, KNOWN) for one in expression.atoms(sympy.Function)):
        raise ConfigError(f"{text!r} is {expression}, which has a kink: kinks are not allowed")
    _check_values(expression, text)
    return expression


def _tree(text: str) -> ast.Expression:
    if not isinstance(text, str):
        raise ConfigError(f"{text!r} is no expression in z; allowed: {ALLOWED}")
    if len(text) > LONGEST:
        raise ConfigError(f"an expression may have at most {LONGEST} characters, not {len(text)}")
    try:
        return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(f"{text!r} is no expression in z; allowed: {ALLOWED}") from None


def _expression(node: ast.expr, text: str) -> sympy.Expr:
    def inner(one: ast.expr) -> sympy.Expr:
        return _expression(one, text)

    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number) if math.isfinite(number):
            return sympy.nsimplify(repr(number), rational=True)
        case ast.Name(id="z"):
            return Z
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -inner(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return inner(operand)
        case ast.BinOp(op=operation, left=left, right=right) if type(operation) in OPERATIONS:
            base, other = inner(left), inner(right)
            if isinstance(operation, ast.Pow):
                _check_power(base, other, text)
            return OPERATIONS[type(operation)](base, other)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](inner(argument))
    shown = ast.unparse(node)
    raise ConfigError(f"{shown!r} in {text!r} is not allowed in an expression; allowed: {ALLOWED}")


def _check_power(base: sympy.Expr, exponent: sympy.Expr, text: str) -> None:
    """Raise ConfigError for powers of powers that no computer holds, such as 9**9**9."""
    if not exponent.is_number or abs(exponent.evalf()) > LARGEST_POWER:
        raise ConfigError(
            f"powers in {text!r} must be numbers of at most {LARGEST_POWER}; exp(...) is allowed"
        )


def _check_values(expression: sympy.Expr, text: str) -> None:
    derivatives = [expression, sympy.diff(expression, Z), sympy.diff(expression, Z, 2)]
    for point in CHECKED:
        for order, one in enumerate(derivatives):
            value = one.subs(Z, sympy.Float(point)).evalf()
            if not (value.is_Float or value.is_Rational) or not math.isfinite(float(value)):
                what = ("the value", "the derivative", "the second derivative")[order]
                raise ConfigError(f"{what} of {text!r} at z = {point:g} is no finite real number")
