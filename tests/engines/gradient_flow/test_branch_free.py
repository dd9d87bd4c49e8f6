"""Functions without branches against those of NumPy and SciPy, and in place of Python's `math`."""

import math
import re
from math import exp as exponential

import numpy as np
import pytest
from numba import njit
from scipy import special

from regimes.engines.gradient_flow import branch_free

EXPECTED = {
    "exp": np.exp,
    "tanh": np.tanh,
    "erf": special.erf,
    "log": np.log,
    "log1p": np.log1p,
}
SPECIAL = (0.0, -0.0, 1.0, -1.0, -2.0, 800.0, -800.0, 1e300, -1e300, np.inf, -np.inf, np.nan)


def of_each(name: str, z: np.ndarray) -> np.ndarray:
    function = getattr(branch_free, name)
    compiled = njit(error_model="numpy")(lambda x: np.array([function(one) for one in x]))
    return compiled(z)


@pytest.mark.parametrize("name", EXPECTED)
def test_values_are_those_of_libraries_but_for_roundings(name: str) -> None:
    sizes = np.concatenate([np.geomspace(1e-300, 700, 20_000), np.linspace(0, 8, 20_001)])
    z = np.concatenate([-sizes, sizes])
    if name.startswith("log"):
        z = np.concatenate([sizes, 1e290 * sizes, -0.999 * np.linspace(0, 1, 1001)])
        z = z[z > (0 if name == "log" else -1)]
    expected = EXPECTED[name](z)
    off = np.abs(of_each(name, z) - expected)
    assert (off <= 5 * np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("name", EXPECTED)
def test_ends_of_the_range(name: str) -> None:
    z = np.array(SPECIAL)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(of_each(name, z), EXPECTED[name](z), rtol=1e-14)


def test_functions_find_these_in_place_of_those_of_python() -> None:
    shift = 0.25

    def function(z: float) -> tuple[float, float, float]:
        if z < -2:
            return math.erf(z), math.log1p(abs(z)), math.sqrt(-z) + math.pi
        return math.tanh(z + shift), exponential(z), math.sin(z)

    compiled = branch_free.compiled(function)
    for z in (-3.0, -1.0, 0.0, 2.0):
        assert compiled(z) == pytest.approx(function(z), rel=1e-14)
    assert compiled.py_func.__globals__["exponential"] is branch_free.exp
    assert compiled.py_func.__globals__["math"].erf is branch_free.erf
    assert function.__globals__["exponential"] is math.exp


@pytest.mark.parametrize("name", ["exp", "tanh", "erf"])
def test_loops_over_them_are_of_vectors(name: str) -> None:
    function = getattr(branch_free, name)

    def over(z: np.ndarray) -> None:
        for k in range(len(z)):
            z[k] = function(z[k])

    compiled = njit("void(f8[::1])", error_model="numpy", fastmath={"contract"})(over)
    assert re.search(r"fmul .*<[2-9] x double>", next(iter(compiled.inspect_llvm().values())))
