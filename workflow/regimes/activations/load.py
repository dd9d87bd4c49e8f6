"""Load the activation that settings name; nothing else does."""

from importlib import import_module
from typing import Any


def load_activation(name: str, expression: str | None = None) -> Any:
    """The module of `regimes.activations` with this name, or the same made from an expression in z.

    expression: of an activation of the user's own, which the name stands for.
    """
    if expression is not None:
        # Loaded by name, as the modules are, so that unused code is not part of a result's hash.
        return import_module("regimes.activations.expression").from_expression(expression)
    return import_module(f"regimes.activations.{name}")
