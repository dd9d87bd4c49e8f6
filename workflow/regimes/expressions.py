"""Formulas in a config: parsed with a few allowed names, never executed as code."""

import ast
import math
import operator
from collections.abc import Callable, Iterable

import numpy as np
import sympy

from regimes.errors import DataError

FUNCTIONS: dict[str, Callable] = {
    name: getattr(sympy, name)
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf")
}
# Kinks and jumps: for targets, not for activations that are trained with as smooth ones.
KINKED: dict[str, Callable] = {"abs": sympy.Abs, "sign": sympy.sign}
CONSTANTS = {"pi": sympy.pi, "e": sympy.E}
OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
LONGEST = 1000


def parse(text: str, variables: Iterable[str], *, kinks: bool = False) -> sympy.Expr:
    """The expression that a formula stands for, in real symbols.

    text: a formula of numbers, `variables`, pi, e, + - * / **, and FUNCTIONS, with `kinks` of
    KINKED too. Raises DataError with one line that says what is wrong and what is allowed.
    """
    names = {name: sympy.Symbol(name, real=True) for name in variables}
    functions = FUNCTIONS | (KINKED if kinks else {})
    if len(text) > LONGEST:
        raise DataError(f"a formula may have {LONGEST} characters, this one has {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise DataError(f"{text!r} is no formula; such as 2 * {next(iter(names))} ** 2") from None
    return sympy.sympify(_build(tree.body, names, functions, text))


def evaluate(expression: sympy.Expr, values: dict[str, np.ndarray]) -> np.ndarray:
    """The expression at points: arrays (n_points,) by name of the variable; returns (n_points,)."""
    names = list(values)
    function = sympy.lambdify(
        [sympy.Symbol(name, real=True) for name in names], expression, ["numpy", "scipy"]
    )
    with np.errstate(all="ignore"):  # the caller looks at what is not finite
        found = np.asarray(function(*(values[name] for name in names)), dtype=np.float64)
    return np.broadcast_to(found, len(next(iter(values.values())))).copy()


def _build(
    node: ast.expr, names: dict[str, sympy.Symbol], functions: dict[str, Callable], text: str
) -> sympy.Expr:
    def build(inner: ast.expr) -> sympy.Expr:
        return _build(inner, names, functions, text)

    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if not math.isfinite(value):
                raise DataError(f"{text!r}: {value} is not finite")
            return sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            power = build(right)
            # A tower of powers would be computed exactly, for ever.
            if isinstance(op, ast.Pow) and power.is_number and abs(power) > 100:
                raise DataError(f"{text!r}: powers go up to 100")
            return OPERATORS[type(op)](build(left), power)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -build(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return build(operand)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in functions:
            return functions[name](build(argument))
    allowed = ", ".join([*names, *CONSTANTS, *functions])
    part = ast.unparse(node)
    raise DataError(
        f"{text!r}: {part!r} is not allowed; allowed are numbers, + - * / ** and {allowed}"
    )
