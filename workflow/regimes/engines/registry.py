"""Find the engines: each folder beside this module that has settings is a room of engines.

`engine: room` is the module `regimes.engines.room.engine`, `engine: room.other` the module
`regimes.engines.room.other`. Each has its settings, a class derived from `EngineSettings`, in the
module `settings` of the room.
"""

from functools import cache
from importlib import import_module
from pathlib import Path

from regimes.engines.common.settings import EngineSettings


def engine_module(engine: str) -> str:
    """The module of an engine."""
    return f"regimes.engines.{engine}" + ("" if "." in engine else ".engine")


@cache
def settings_classes() -> dict[str, type[EngineSettings]]:
    """The settings of every engine, by its name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*/settings.py")):
        module = import_module(f"regimes.engines.{path.parent.name}.settings")
        for value in vars(module).values():
            if not isinstance(value, type) or not issubclass(value, EngineSettings):
                continue
            # Settings that several rooms share do not belong to an engine of this room.
            if "engine" in value.model_fields and value.__module__ == module.__name__:
                found[value.name()] = value
    return found
