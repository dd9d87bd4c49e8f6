"""The activation that a block's settings name: the one place where trainings load it."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load_activation(block: Mapping[str, Any]) -> Any:
    """A module of `regimes.activations`; or, with `activation_expression` in the settings, the
    same made from an expression in z.
    """
    if "activation_expression" in block:
        # Loaded by name, as the modules are: what is not used is not part of a result's code.
        made = import_module("regimes.activations.expression")
        return made.from_expression(block["activation_expression"])
    return import_module(f"regimes.activations.{block['activation']}")
