"""Formulas of the config: numbers, variables, + - * / **, and FUNCTIONS of these.

They are parsed, never run as code: whatever else Python or SymPy would understand is an error.
"""

import ast
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.special
import sympy

from regimes.errors import ConfigError

# Longer ones, or larger powers, are a mistake, and SymPy would take long over them.
LONGEST = 500
LARGEST_POWER = 100


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


FUNCTIONS: dict[str, Callable] = {
    **{
        name: getattr(sympy, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "erf")
    },
    "atan": sympy.atan,
    "asinh": sympy.asinh,
    "sigmoid": sigmoid,
    "softplus": softplus,
}
# With kinks or jumps
KINKED: dict[str, Callable] = {"abs": sympy.Abs, "sign": sympy.sign}
CONSTANTS = {"pi": sympy.pi}
OPERATIONS: dict[type, Callable] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: left**right,
}
# What the functions that SymPy does not have are in arrays.
NUMERIC = {"sigmoid": scipy.special.expit, "softplus": lambda z: np.logaddexp(0, z)}
# So many variables are named in a message.
MOST_NAMED = 8


def symbol(name: str) -> sympy.Symbol:
    """The symbol of a variable, a real number."""
    return sympy.Symbol(name, real=True)


def parse(text: str, variables: Sequence[str], *, kinks: bool = False) -> sympy.Expr:
    """The expression that a formula stands for, in the symbols of the variables.

    kinks: allow KINKED, too. Raises ConfigError, one line that names what is wrong and what is
    allowed: another name or function, a syntax that is none, a power that no computer holds.
    """
    return _Reader(text, variables, kinks).expression(tree(text, variables, kinks=kinks).body)


def tree(text: str, variables: Sequence[str], *, kinks: bool = False) -> ast.Expression:
    """The syntax tree of a formula, not yet looked at. Raises ConfigError for what has none."""
    wrong = f"{text!r} is no expression in {_listed(variables)}; allowed: "
    wrong += allowed(variables, kinks)
    if not isinstance(text, str):
        raise ConfigError(wrong)
    if len(text) > LONGEST:
        raise ConfigError(f"an expression may have at most {LONGEST} characters, not {len(text)}")
    try:
        return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(wrong) from None


def allowed(variables: Sequence[str], kinks: bool = False) -> str:
    """What a formula may have, in words."""
    functions = [*FUNCTIONS, *(KINKED if kinks else ())]
    return f"{_listed(variables)}, numbers, pi, + - * / **, {', '.join(sorted(functions))}"


def evaluate(expression: sympy.Expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """An expression at points: arrays (n_points,) by name of the variable; returns (n_points,).

    Not finite where the expression is not.
    """
    symbols = [symbol(name) for name in values]
    function = sympy.lambdify(symbols, expression, [NUMERIC, "numpy", "scipy"])
    with np.errstate(all="ignore"):
        found = np.asarray(function(*values.values()), dtype=np.float64)
    return np.broadcast_to(found, len(next(iter(values.values())))).copy()


class _Reader:
    """Turns the syntax tree of one formula into an expression."""

    def __init__(self, text: str, variables: Sequence[str], kinks: bool):
        self.text = text
        self.names = {name: symbol(name) for name in variables} | CONSTANTS
        self.functions = FUNCTIONS | (KINKED if kinks else {})
        self.allowed = allowed(variables, kinks)

    def expression(self, node: ast.expr) -> sympy.Expr:
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number) if math.isfinite(number):
                return sympy.nsimplify(repr(number), rational=True)
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.expression(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand)
            case ast.BinOp(op=operation, left=left, right=right) if type(operation) in OPERATIONS:
                base, other = self.expression(left), self.expression(right)
                if isinstance(operation, ast.Pow):
                    self._check_power(other)
                return OPERATIONS[type(operation)](base, other)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if (
                name in self.functions
            ):
                return self.functions[name](self.expression(argument))
        shown = ast.unparse(node)
        raise ConfigError(
            f"{shown!r} in {self.text!r} is not allowed in an expression; allowed: {self.allowed}"
        )

    def _check_power(self, exponent: sympy.Expr) -> None:
        """Raise ConfigError for powers of powers that no computer holds, such as 9**9**9."""
        if not exponent.is_number or abs(exponent.evalf()) > LARGEST_POWER:
            raise ConfigError(
                f"powers in {self.text!r} must be numbers of at most {LARGEST_POWER}; exp(...) is "
                "allowed"
            )


def _listed(variables: Sequence[str]) -> str:
    variables = list(variables)
    if len(variables) > MOST_NAMED:
        variables = [*variables[:MOST_NAMED], "..."]
    return ", ".join(variables)
