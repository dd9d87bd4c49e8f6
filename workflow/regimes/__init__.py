"""Simulations of how wide, shallow neural networks train.

In a notebook: `regimes.open("phase_diagram")` reads a result, `regimes.simulate(gamma=1.5,
gamma_prime=0.0, width=1000)` trains a single setting, `regimes.catalog()` lists the experiments and
`regimes.describe("phase_diagram")` explains the settings of one. `regimes.locate(scheme="he")` says
where a network lies on the phase plane, `regimes.boundary((x, y))` where the boundary lies on one's
own data.
"""

from importlib import import_module
from typing import Any

# Loaded by name and only when asked for: no stage of the workflow imports them, so that a change
# in them reruns nothing.
_PUBLIC = {
    "boundary": "api",
    "catalog": "api",
    "describe": "api",
    "locate": "location",
    "open": "api",
    "simulate": "api",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"regimes.{_PUBLIC[name]}"), name)
    if name == "__version__":
        return import_module("regimes.storage.versions").package_version()
    raise AttributeError(f"module 'regimes' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
