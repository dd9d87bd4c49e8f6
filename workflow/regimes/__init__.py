"""Simulations of how wide, shallow neural networks train.

In a notebook: `regimes.open("phase_diagram")` reads a result, `regimes.simulate(gamma=1.5,
gamma_prime=0.0, width=1000)` trains a single setting, `regimes.catalog()` lists the experiments and
`regimes.describe("phase_diagram")` explains the settings of one. `regimes.locate(scheme="he")` says
where a network lies on the phase plane, `regimes.boundary((x, y))` where the boundary lies on one's
own data.
"""

from importlib import import_module
from typing import Any

# The code of this module is a part of that of every run: the names are in one that is not.


def __getattr__(name: str) -> Any:
    return import_module("regimes.public").load(name)


def __dir__() -> list[str]:
    return import_module("regimes.public").names()
