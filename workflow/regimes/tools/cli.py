"""The command `regimes`: its subcommands, and errors as one line."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from regimes.errors import RegimesError
from regimes.plan.provenance import PACKAGE
from regimes.tools import cost

# Modules below regimes.tools: each has SUMMARY, add_arguments(parser) and run(arguments) -> exit
# code. Its docstring is the subcommand's help.
SUBCOMMANDS = (
    "new",
    "describe",
    "locate",
    "boundary",
    "cost",
    "origin",
    "check",
    "prune",
    "compare",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code. Errors of the project become one line and 1."""
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        _use_code_of_checkout(words)
    rest: list[str] = []
    if words[:1] == ["cost"] and not set(words[1:2]) & set(cost.OWN):
        # All words that follow are Snakemake's.
        words, rest = words[:1], words[1:]
    arguments = _parser().parse_args(words)
    arguments.rest = rest
    module = import_module(f"regimes.tools.{arguments.subcommand}")
    try:
        return module.run(arguments)
    except RegimesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        return 1


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit code 1, as all others of the project."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"error: {message} ({self.prog} --help explains)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="regimes", description="Tools beside the workflow.", allow_abbrev=False)
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name in SUBCOMMANDS:
        module = import_module(f"regimes.tools.{name}")
        subparser = subparsers.add_parser(
            name,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(subparser)
    return parser


def _use_code_of_checkout(words: Sequence[str]) -> None:
    """Start again with the code of the checkout at or above the working directory, if it is one.

    As Snakemake does, which runs the code beside the Snakefile whatever version is installed.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        code = folder / "workflow"
        if (folder / "Snakefile").is_file() and (code / "regimes/tools/cli.py").is_file():
            break
    else:
        return
    if code.resolve() == PACKAGE.parent or os.environ.get("REGIMES_CODE") == str(code):
        return
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH")]))
    # The second variable ends what would be a circle if the first one did not help.
    environment = os.environ | {"PYTHONPATH": path, "REGIMES_CODE": str(code)}
    os.execve(sys.executable, [sys.executable, "-m", "regimes", *words], environment)
