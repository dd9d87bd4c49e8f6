"""Functions of a number without branches: compilers turn loops over them into vectors.

A loop that calls functions of a library, or branches, takes its numbers one by one. These functions
have the names of those of Python's `math`, and their values but for a few roundings; beyond the
range of numbers they are infinite or 0. They are for code that Numba compiles.
"""

import math
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

# At each place where it is called: what is too long for LLVM to do that would stay a call.
_inlined = njit(error_model="numpy", fastmath={"contract"}, inline="always")

# Added to a number it leaves the nearest whole number in the last bits.
_WHOLE = 1.5 * 2.0**52
# ln 2, and what is missing to it: products of the first with exponents are exact.
_LN2, _LN2_REST = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Of expm1(x) / x, |x| <= ln(2) / 2, of atanh(x) / x - 1 in x^2, and of erf(x) / x in x^2, highest
# powers first.
_EXPM1 = tuple(1 / math.factorial(k) for k in range(14, 0, -1))
_ATANH = tuple(1 / k for k in range(23, 1, -2))
_ERF = tuple(
    (-1) ** k * 2 / math.sqrt(math.pi) / math.factorial(k) / (2 * k + 1) for k in range(13, -1, -1)
)
# Of (x + _CENTRE) exp(x^2) erfc(x), x >= 0, in (x - _CENTRE) / (x + _CENTRE), from s^24 to s^13 and
# from s^12 on. Interpolated at Chebyshev's points with 60 digits: the first term that is left out
# is 4e-18.
_CENTRE = 3.75
# fmt: off
_ERFC_HIGH = (
    5.502110856245974e-11, 4.397753661117405e-10, -5.600907857569765e-10, -5.364827795123285e-9,
    3.6417177659232076e-9, 4.0197891247238073e-8, -2.723028744130082e-8, -2.633607419379133e-7,
    2.799077357164491e-7, 1.6555721573319336e-6, -3.2893609480353137e-6, -8.903619266998117e-6,
)
_ERFC_LOW = (
    3.747164357350598e-5, 1.0593863854687785e-5, -0.0003486468330659182, 0.0007948231289535177,
    0.0009863380763845768, -0.012535880045084727, 0.04911877861552134, -0.13195540117823448,
    0.2790620490337755, -0.4904702912076886, 0.7363189252217518, -0.9587415766529095,
    1.0919229095627891,
)
# fmt: on


def _reinterpreting(given: Any, wanted: Any) -> Any:
    """A function that takes the bits of a number of one type for those of another type."""

    def bits(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(wanted))

    return intrinsic(lambda typing_context, number: (wanted(given), bits))


_bits = _reinterpreting(types.float64, types.int64)
_number = _reinterpreting(types.int64, types.float64)


@_inlined
def _polynomial(coefficients, x):
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


@_inlined
def _split(x):
    """Return expm1(r) and 2^k, where x = k ln 2 + r, |r| <= ln(2) / 2, for -1023 <= k <= 1024."""
    shifted = x * (1 / _LN2) + _WHOLE
    exponent = shifted - _WHOLE
    rest = (x - exponent * _LN2) - exponent * _LN2_REST
    return _polynomial(_EXPM1, rest) * rest, _number((_bits(shifted) + 1023) << 52)


@_inlined
def exp(x):
    """e^x; 0 below the smallest normal number."""
    # Comparisons with no number are false, so that it stays none.
    x = 710.0 if x > 710.0 else x
    x = -709.0 if x < -709.0 else x
    more, power = _split(x)
    return (1 + more) * power


@_inlined
def tanh(x):
    """The hyperbolic tangent."""
    double = 2 * abs(x)
    double = 44.0 if double > 44.0 else double
    more, power = _split(double)
    expm1 = more * power + (power - 1)
    return math.copysign(expm1 / (expm1 + 2), x)


@_inlined
def erf(x):
    """The error function."""
    size = abs(x)
    size = 27.0 if size > 27.0 else size
    inverse = 1 / (size + _CENTRE)
    s = (size - _CENTRE) * inverse
    s4 = (s * s) * (s * s)
    erfcx = (_polynomial(_ERFC_HIGH, s) * (s4 * s4 * s4 * s) + _polynomial(_ERFC_LOW, s)) * inverse
    near = size * _polynomial(_ERF, size * size)
    return math.copysign(near if size < 0.5 else 1 - exp(-size * size) * erfcx, x)


@_inlined
def log(x):
    """The natural logarithm."""
    bits = _bits(x)
    exponent = (bits - _bits(math.sqrt(0.5))) >> 52
    # Between sqrt(1/2) and sqrt(2)
    mantissa = _number(bits - (exponent << 52))
    f = (mantissa - 1) / (mantissa + 1)
    square = f * f
    tail = 2 * f * (_polynomial(_ATANH, square) * square)
    value = exponent * _LN2 + (tail + (exponent * _LN2_REST + 2 * f))
    value = -math.inf if x == 0 else value
    value = math.nan if x < 0 else value
    # Infinite, or no number
    return value if x < math.inf else x


@_inlined
def log1p(x):
    """log(1 + x), as accurately where x is small."""
    near = 1 + x
    rest = (x - (near - 1)) / near
    # 0 / 0 at -1, infinities
    return log(near) + (rest if rest == rest else 0.0)


_OWN: dict[Any, Any] = {
    math.exp: exp,
    math.tanh: tanh,
    math.erf: erf,
    math.log: log,
    math.log1p: log1p,
}
# What a function finds in place of Python's `math`.
_MATH = ModuleType("math", "Python's math, with functions without branches where there are any.")
vars(_MATH).update(vars(math), **{one.__name__: own for one, own in _OWN.items()})


def compiled(function: Callable[..., Any]) -> Any:
    """A function of numbers, compiled, with the functions above for those of Python's `math`.

    Code that it calls, other than `math`, stays as it is.
    """
    function = getattr(function, "py_func", function)
    names = {
        name: _MATH if value is math else _OWN.get(value, value) if callable(value) else value
        for name, value in function.__globals__.items()
    }
    other = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    return njit(error_model="numpy", fastmath={"contract"}, inline="always")(other)
