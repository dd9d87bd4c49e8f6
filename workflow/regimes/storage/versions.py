"""Which code wrote a file: the package version and the git commit."""

import subprocess
import tomllib
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


@lru_cache(maxsize=1)
def package_version() -> str:
    """Version of `regimes`, from the checkout's pyproject.toml, else from the installed package.

    It is read, not imported: a version constant in a module would be part of the hash of every
    run that imports the module, so that each release would train everything again.
    """
    try:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
        if project["name"] == "regimes":
            return project["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        pass
    try:
        return metadata.version("regimes")
    except metadata.PackageNotFoundError:
        return "unknown"


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Short commit of the checkout, with `-dirty` when it has changes; `unknown` outside git."""
    try:
        top = _git("rev-parse", "--show-toplevel")
        # If the package lies in somebody else's repository, that repository must not be reported.
        if Path(top).resolve() != CHECKOUT:
            return "unknown"
        return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def package_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions, without importing them."""
    return {name: _installed_version(name) for name in names}


# Asked for each experiment, and read from files of thousands of lines.
@cache
def _installed_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def torch_version() -> str:
    """The public version of torch: builds for CPUs and GPUs agree to rounding."""
    return package_versions("torch")["torch"].partition("+")[0]


def _git(*arguments: str) -> str:
    # A checkout of another user is read too: its code is what runs.
    trusted = f"safe.directory={CHECKOUT}"
    command = ["git", "-c", trusted, "-C", str(CHECKOUT), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return result.stdout.strip()
