"""Formulas of the config: numbers, variables, + - * / **, and FUNCTIONS of these.

They are parsed, never run as code: whatever else Python or SymPy would understand is an error.
"""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.special
import sympy

from regimes.errors import ConfigError

# Longer ones, deeper ones, or larger powers, are a mistake, and SymPy would take long over them.
LONGEST = 500
DEEPEST = 50
LARGEST_POWER = 100
# exp and its like of larger numbers overflow, and SymPy would work them out to the last digit.
LARGEST_EXPONENT = 1000
GROWING = ("exp", "sinh", "cosh")
# Bits of the integers in a fraction beyond which SymPy becomes slow; longer ones become floats.
LONGEST_NUMBER = 20_000
# Digits of constants, such as sqrt(2): more than float64 has.
DIGITS = 20
# float64, and so every library of arrays, has the integers below this.
LARGEST_INTEGER = 2**53


class sigmoid(sympy.Function):  # noqa: N801, as SymPy writes functions
    """The function 1 / (1 + exp(-z)), without its overflow."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative."""
        return self * (1 - self)

    def _eval_evalf(self, precision: int) -> sympy.Expr | None:
        return (1 / (1 + sympy.exp(-self.args[0])))._eval_evalf(precision)


class softplus(sympy.Function):  # noqa: N801
    """The function log(1 + exp(z)), without its overflow."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative."""
        return sigmoid(self.args[0])

    def _eval_evalf(self, precision: int) -> sympy.Expr | None:
        return sympy.log(1 + sympy.exp(self.args[0]))._eval_evalf(precision)


FUNCTIONS: dict[str, Any] = {
    **{
        name: getattr(sympy, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "tanh", "erf")
    },
    "atan": sympy.atan,
    "asinh": sympy.asinh,
    "sigmoid": sigmoid,
    "softplus": softplus,
}
# Functions with kinks or jumps.
KINKED: dict[str, Any] = {"abs": sympy.Abs, "sign": sympy.sign}
CONSTANTS = {"pi": sympy.pi}
OPERATIONS: dict[type, Callable] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: left**right,
}
NO_NUMBERS = (sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)
# The functions that SymPy lacks, for arrays.
NUMERIC = {"sigmoid": scipy.special.expit, "softplus": lambda z: np.logaddexp(0, z)}
# Number of variables that a message names.
MOST_NAMED = 8


def symbol(name: str) -> sympy.Symbol:
    """The symbol of a variable, a real number."""
    return sympy.Symbol(name, real=True)


def parse(text: str, variables: Sequence[str], *, kinks: bool = False) -> sympy.Expr:
    """The expression that a formula stands for, in the symbols of the variables.

    kinks: allow KINKED, too. Raises ConfigError, one line that names what is wrong and what is
    allowed: another name or function, a syntax that is none, a part that is a number but no finite
    real one, a variable that has the name of a function.
    """
    for name in variables:
        if name in FUNCTIONS | KINKED | CONSTANTS:
            raise ConfigError(
                f"{text!r} cannot have a variable {name!r}, the name of a function or constant"
            )
    body = tree(text, variables, kinks=kinks).body
    try:
        return _Reader(text, variables, kinks).expression(body)
    except RecursionError:
        raise ConfigError(f"{text!r} is too deep for an expression") from None


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
    """Say in words what a formula may contain."""
    functions = [*FUNCTIONS, *(KINKED if kinks else ())]
    return f"{_listed(variables)}, numbers, pi, + - * / **, {', '.join(sorted(functions))}"


def with_floats(expression: sympy.Expr) -> sympy.Expr:
    """The expression with floats for its constants, but for integers that float64 has."""
    made: dict[sympy.Expr, sympy.Expr] = {}

    def of(part: sympy.Expr) -> sympy.Expr:
        # Derivatives have the same parts again and again.
        if part not in made:
            made[part] = _with_floats(part, of)
        return made[part]

    return of(expression)


def _with_floats(part: sympy.Expr, of: Callable[[sympy.Expr], sympy.Expr]) -> sympy.Expr:
    if part.is_Symbol or (part.is_Integer and abs(part) < LARGEST_INTEGER):
        return part
    if part.is_number:
        return part.evalf(DIGITS)
    return part.func(*map(of, part.args))


def evaluate(expression: sympy.Expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """An expression at points: arrays (n_points,) by name of the variable; returns (n_points,).

    The values are not finite where the expression is not finite or not real.
    """
    # Names of its own for the variables: a column may be called numpy, or have a space.
    symbols = {symbol(name): symbol(f"_{index}") for index, name in enumerate(values)}
    renamed = with_floats(expression).xreplace(symbols)
    function = sympy.lambdify([*symbols.values()], renamed, [NUMERIC, "numpy", "scipy"], cse=True)
    with np.errstate(all="ignore"):
        found = np.asarray(function(*values.values()))
    if np.iscomplexobj(found):
        found = np.where(found.imag == 0, found.real, np.nan)
    shape = len(next(iter(values.values())))
    return np.broadcast_to(found.astype(np.float64), shape).copy()


class _Reader:
    """Turns the syntax tree of one formula into an expression."""

    def __init__(self, text: str, variables: Sequence[str], kinks: bool):
        self.text = text
        self.names = {name: symbol(name) for name in variables} | CONSTANTS
        self.functions = FUNCTIONS | (KINKED if kinks else {})
        self.allowed = allowed(variables, kinks)

    def expression(self, node: ast.expr, depth: int = 1) -> sympy.Expr:
        """The expression of a node; depth: how many others it is in, those of sums not counted."""
        if depth > DEEPEST:
            raise ConfigError(
                f"{self.text!r} is too deep for an expression: at most {DEEPEST} operations may "
                "lie in one another"
            )
        return self._checked(node, self._read(node, depth))

    def _read(self, node: ast.expr, depth: int) -> sympy.Expr:
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number) if _is_finite(number):
                return sympy.nsimplify(repr(number), rational=True)
            case ast.Constant(value=int() | float()):
                raise self._no_number(node)
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.expression(operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand, depth + 1)
            case ast.BinOp(op=operation, left=left, right=right) if type(operation) in OPERATIONS:
                # A long sum does not count as a deep expression.
                base = self.expression(left, depth + (not _is_sum(node) or not _is_sum(left)))
                other = self.expression(right, depth + 1)
                if isinstance(operation, ast.Pow):
                    self._check_power(other)
                if isinstance(operation, ast.Div) and other.is_zero:
                    raise self._no_number(node)
                return OPERATIONS[type(operation)](base, other)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if (
                name in self.functions
            ):
                inner = self.expression(argument, depth + 1)
                if name in GROWING and not _is_moderate(inner):
                    raise self._no_number(node)
                return self.functions[name](inner)
        shown = ast.unparse(node)
        raise ConfigError(
            f"{shown!r} in {self.text!r} is not allowed in an expression; allowed: {self.allowed}"
        )

    def _checked(self, node: ast.expr, found: sympy.Expr) -> sympy.Expr:
        """Return the expression, unless it has numbers that are not real, not finite, or very long.

        Looked at after each operation, so that none starts from numbers that are large already.
        """
        if found.has(*NO_NUMBERS):
            raise self._no_number(node)
        if found.is_number:
            if found.is_Rational and _bits(found) > LONGEST_NUMBER:
                found = found.evalf(DIGITS)
            value = found.evalf()
            if not (value.is_Float or value.is_Rational) or not _is_finite(value):
                raise self._no_number(node)
            return found
        for number in found.atoms(sympy.Number):
            if not _is_finite(number) or (number.is_Rational and _bits(number) > LONGEST_NUMBER):
                raise self._no_number(node)
        return found

    def _no_number(self, node: ast.expr) -> ConfigError:
        return ConfigError(
            f"{ast.unparse(node)!r} in {self.text!r} has a number that is no finite real one, or "
            "one too large or too long for a computer"
        )

    def _check_power(self, exponent: sympy.Expr) -> None:
        """Raise ConfigError for powers of powers that no computer holds, such as 9**9**9."""
        if not exponent.is_number or abs(exponent.evalf()) > LARGEST_POWER:
            raise ConfigError(
                f"powers in {self.text!r} must be numbers of at most {LARGEST_POWER}; exp(...) is "
                "allowed"
            )


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _is_finite(number: float | sympy.Expr) -> bool:
    """Whether a real number is a finite one in float64."""
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _bits(number: sympy.Rational) -> int:
    return max(abs(number.p).bit_length(), number.q.bit_length())


def _is_moderate(argument: sympy.Expr) -> bool:
    """Whether SymPy can take exp of it and makes no huge power, as of 10**9 * log(2 * z)."""
    if argument.is_number:
        return abs(float(argument)) < LARGEST_EXPONENT
    return all(
        abs(float(term.as_coeff_Mul()[0])) <= LARGEST_EXPONENT
        for term in sympy.Add.make_args(argument)
        if term.has(sympy.log)
    )


def _listed(variables: Sequence[str]) -> str:
    variables = list(variables)
    if len(variables) > MOST_NAMED:
        variables = [*variables[:MOST_NAMED], "..."]
    return ", ".join(variables)
