"""Load the code of stages: modules of the package, and files of the user's own."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

from regimes.config.own_code import function_name, is_own, split
from regimes.errors import ConfigError, RegimesError
from regimes.plan.provenance import dotted, import_closure

# Of own code, by its file and the text of all that it imports from its folder.
_loaded: dict[tuple[Any, ...], ModuleType] = {}


class OwnCodeError(ConfigError):
    """Code of the user's own fails: names the file, the line and the error."""


@contextmanager
def own_code(module: str, *passed: type[Exception]) -> Iterator[None]:
    """Turn what goes wrong in code of the user's own into one line.

    passed: errors that are left as they are, as those of the project and a lack of memory are. So
    are all of a module of the package.
    """
    try:
        yield
    except (RegimesError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if not is_own(module) or isinstance(error, passed):
            raise
        folder = Path(split(module)[0]).resolve().parent
        place = module
        for frame, line in walk_tb(error.__traceback__):
            file = Path(frame.f_code.co_filename)
            if folder in file.parents:
                place = f"{os.path.relpath(file)}, line {line}"
        said = str(error).partition("\n")[0]
        raise OwnCodeError(f"{place}: {type(error).__name__}: {said}") from error


def load(module: str) -> ModuleType:
    """A module of the package; or the module in the file of own code, as the file is now.

    Modules in the file's folder can be imported by it. Raises OwnCodeError when it fails.
    """
    if not is_own(module):
        return importlib.import_module(module)
    file = split(module)[0]
    folder = Path(file).parent
    closure = {
        dotted(name, folder): path for name, path in import_closure([file]).items() if is_own(name)
    }
    key = (Path(file).resolve(), *((name, path.read_bytes()) for name, path in closure.items()))
    if key not in _loaded:
        search = str(folder.resolve())
        sys.path[:] = [search, *(one for one in sys.path if one != search)]
        # Those of another folder, or of a text that has been edited.
        for name in closure:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        # Python takes compiled files for current that are of the same second and length.
        written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            with own_code(module):
                _loaded[key] = importlib.import_module(dotted(file, folder))
        finally:
            sys.dont_write_bytecode = written
    return _loaded[key]


def function_of(module: str, name: str, returns: type = object) -> Callable[..., Any] | None:
    """A function of a stage, such as `measure`; None where its module has none of this name.

    returns: what one of own code must return. What goes wrong there raises OwnCodeError.
    """
    found = getattr(load(module), function_name(module, name), None)
    return found if found is None else guarded(module, found, returns)


def guarded(
    module: str, function: Callable[..., Any], returns: type = object, *passed: type[Exception]
) -> Callable[..., Any]:
    """A function of a module, which raises OwnCodeError for what goes wrong in own code."""
    if not is_own(module):
        return function

    @wraps(function)
    def calling(*arguments: Any, **keywords: Any) -> Any:
        with own_code(module, *passed):
            found = function(*arguments, **keywords)
        if not isinstance(found, returns):
            file, name = split(module)[0], function.__name__
            kind = type(found).__name__
            raise OwnCodeError(f"{file}: {name} returned {kind}; it must return {returns.__name__}")
        return found

    return calling


def install_activation(settings: Mapping[str, Any]) -> None:
    """Let the activation of a job's settings be found, if it is a function of the user's own.

    It takes the place of the module of `regimes.activations` that has its name, for this process:
    so the code of the engines, whose hash names all runs, knows nothing of such functions. Raises
    OwnCodeError, or ConfigError, when they are no activation.
    """
    module = settings.get("activation_function")
    if module is None:
        return
    # Here, since it takes torch.
    from regimes.activations.own import from_functions

    code, name = load(module), split(module)[1]
    numbers = getattr(code, function_name(module, "numbers"), None)
    with own_code(module):
        made = from_functions(name, getattr(code, name), numbers)
    sys.modules[f"regimes.activations.{settings['activation']}"] = made
