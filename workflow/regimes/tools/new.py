"""Start a study of your own: a folder with a config, a measure, a figure and a claim that run.

  regimes new my_study
  regimes new ~/studies/my_study

The folder must not be there yet; its name is that of the study, which files and targets have. What
is written is small, commented, and meant to be changed: docs/own_study.md.
"""

import argparse
import shlex
import shutil
import tempfile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from regimes.config.axes import Name
from regimes.config.load import load
from regimes.config.models import RULES
from regimes.errors import ConfigError, StoreError
from regimes.storage.failures import one_line
from regimes.storage.versions import CHECKOUT

SUMMARY = "start a study of your own: a folder with config, measure, figure and claim"
SKELETON = Path(__file__).parent / "skeleton"
# What the skeleton calls the study, and the workflow's file.
STUDY, WORKFLOW = "my_study", "SNAKEFILE"
# Folders that the workflow makes in the study's, and what it keeps there.
TAKEN = ("results", "figures")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="that is made for the study")


def run(arguments: argparse.Namespace) -> int:
    """Write the folder, and say what comes next."""
    folder = arguments.folder
    make(folder)
    print(f"made {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    command = f"snakemake -s {_workflow()} --cores 2 {folder.name}"
    print(f"next: cd {shlex.quote(str(folder))} && {command}")
    return 0


def make(folder: Path) -> None:
    """Write the skeleton of a study into a new folder, complete or not at all.

    Raises ConfigError for a name that no study can have, StoreError for a folder that is there or
    cannot be made.
    """
    _check_name(folder.name)
    if folder.exists() or folder.is_symlink():
        raise StoreError(f"{folder} is there already, and is left as it is: choose another name")
    if not folder.parent.is_dir():
        raise StoreError(f"{folder.parent} is no folder: make it first")
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            made = Path(temporary) / folder.name
            made.mkdir()
            for template in sorted(SKELETON.iterdir()):
                if template.is_file():
                    text = template.read_text(encoding="utf-8").replace(STUDY, folder.name)
                    text = text.replace(WORKFLOW, _workflow())
                    (made / template.name).write_text(text, encoding="utf-8")
            shutil.move(made, folder)
    except OSError as error:
        raise StoreError(one_line(error, folder, "made")) from error


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"the study's name: {reason}") from None
    if name in (*RULES, *TAKEN, *load().papers):
        raise ConfigError(f"the study's name: {name!r} is taken by the workflow; choose another")


def _workflow() -> str:
    """The Snakefile of the checkout, for a shell; what stands for it in a package without one."""
    file = CHECKOUT / "Snakefile"
    return shlex.quote(str(file)) if file.is_file() else "PATH/TO/regimes/Snakefile"
