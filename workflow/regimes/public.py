"""The public names of the package: loaded when they are asked for, since some take seconds.

No stage of the workflow imports this module, so that a new name here reruns nothing.
"""

from importlib import import_module
from typing import Any

# By the module that has them.
PUBLIC = {
    "boundary": "api",
    "catalog": "api",
    "describe": "api",
    "locate": "location",
    "open": "api",
    "simulate": "api",
}
VERSION = "__version__"


def load(name: str) -> Any:
    """What has a public name; AttributeError for any other."""
    if name in PUBLIC:
        return getattr(import_module(f"regimes.{PUBLIC[name]}"), name)
    if name == VERSION:
        return import_module("regimes.storage.versions").package_version()
    raise AttributeError(f"module 'regimes' has no attribute {name!r}")


def names() -> list[str]:
    """The public names, sorted."""
    return sorted([*PUBLIC, VERSION])
