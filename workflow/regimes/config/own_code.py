"""Names of code of the user's own: a function, `measures.py:rise`, or a whole file, `claims.py`.

Relative paths count from the directory in which the workflow runs, as those of data files do.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

# No blanks: the metadata of PDF files separate their entries by them.
NAME = re.compile(r"(?P<file>(?:[^\s:]*/)?[^\W\d]\w*\.py)(?::(?P<function>[^\W\d]\w*))?", re.ASCII)
# What the stages call the function that a name stands for. Others go with it, such as `table`:
# they have its name and theirs, `rise_table`.
MAIN = ("measure", "draw", "activation")
COMPANIONS = ("reduce", "table", "numbers")


def is_own(module: str) -> bool:
    """Whether a module is a file of the user's own, not one of the package."""
    return NAME.fullmatch(module) is not None


def split(module: str) -> tuple[str, str]:
    """The path of the file of an own module, and the function; "" without one."""
    file, _, function = module.partition(":")
    return file, function


def module_named(name: str) -> str:
    """The module that `measure` or `plot` names: of the papers' package, or a file.

    The path is the one that leads from the working directory to the file, however it was written:
    it is a part of hashes, which must not change when a folder is moved with all that it holds.
    """
    if not is_own(name):
        return f"regimes.papers.{name}"
    file, function = split(name)
    path = Path(os.path.relpath(Path(file).expanduser())).as_posix()
    return f"{path}:{function}" if function else path


def function_name(module: str, name: str) -> str:
    """What a module calls one of the functions of a stage, such as `measure` or `table`."""
    if not is_own(module):
        return name
    function = split(module)[1]
    return function if name in MAIN else f"{function}_{name}"


def companions(function: str) -> tuple[str, ...]:
    """Names of functions that go with one, if they are there."""
    return tuple(f"{function}_{name}" for name in COMPANIONS)


def looks_own(name: str) -> bool:
    """Whether a name is meant as that of a file, be it a valid one or not."""
    return name.endswith(".py") or not {":", "/"}.isdisjoint(name)


def check_function(name: str) -> str:
    """The name of a function of a file; raises ValueError for another one."""
    _check(name, "FILE.py:FUNCTION")
    file, function = split(name)
    if not function:
        raise ValueError(f"{name!r} names no function: write {file}:FUNCTION")
    return name


def _check_file(name: str) -> str:
    _check(name, "FILE.py")
    if split(name)[1]:
        raise ValueError(f"{name!r} must be the file alone, without a function")
    return name


def _check(name: str, form: str) -> None:
    if not is_own(name):
        raise ValueError(
            f"{name!r} is not of the form {form}: names of files and functions have letters, "
            "digits and _, and paths no blanks"
        )


OwnFile = Annotated[str, AfterValidator(_check_file)]
