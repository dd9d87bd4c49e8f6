"""Call Snakemake on a copy of the checkout and look at what it plans and does."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "config.yaml", "pyproject.toml", "workflow", "profiles", "envs")
SMOKE = ("scale=smoke",)


@dataclass
class Result:
    """What a call of Snakemake printed and returned."""

    code: int
    output: str

    @property
    def jobs(self) -> dict[str, int]:
        """Number of jobs by rule, from the first table; empty when nothing is to be done."""
        table = re.search(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", self.output, flags=re.M)
        rows = (line.split() for line in table.group(1).splitlines()) if table else ()
        return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}

    @property
    def nothing_to_do(self) -> bool:
        """True when Snakemake says so."""
        return self.code == 0 and "Nothing to be done" in self.output


@dataclass
class Workflow:
    """A checkout and a directory with its results."""

    checkout: Path
    directory: Path

    def command(self, *arguments: str, config: tuple[str, ...] = SMOKE) -> list[str]:
        """The Snakemake command line, with the checkout's Snakefile."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.checkout / "Snakefile"]
        command += ["--directory", self.directory, *arguments]
        return [str(word) for word in (*command, *(("--config", *config) if config else ()))]

    def run(self, *arguments: str, config: tuple[str, ...] = SMOKE, **environment: str) -> Result:
        """Call Snakemake; `--cores 2` unless the arguments say what else to do."""
        if not arguments:
            arguments = ("--cores", "2")
        done = subprocess.run(
            self.command(*arguments, config=config),
            cwd="/",
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Result(done.returncode, done.stdout)

    def plan(self, *arguments: str, config: tuple[str, ...] = SMOKE) -> Result:
        """Dry run."""
        result = self.run("-n", *arguments, config=config)
        assert result.code == 0, result.output
        return result

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there in a file of the checkout."""
        file = self.checkout / path
        text = file.read_text()
        assert old in text, (path, old)
        file.write_text(text.replace(old, new))

    def add_code(self, path: str) -> None:
        """Add a statement to a module of the checkout, so that it does something else."""
        file = self.checkout / path
        file.write_text(file.read_text() + "\nADDED_BY_A_TEST = 1\n")

    def config(self) -> dict:
        """The checkout's config.yaml."""
        return yaml.safe_load((self.checkout / "config.yaml").read_text())

    def files(self, pattern: str) -> list[Path]:
        """Result files that match a pattern, sorted."""
        return sorted(self.directory.glob(pattern))

    def copy(self, target: Path) -> "Workflow":
        """The same checkout and results elsewhere, file times kept."""
        shutil.copytree(self.checkout, target / "checkout")
        shutil.copytree(self.directory, target / "out")
        return Workflow(target / "checkout", target / "out")


def clean_environment() -> dict[str, str]:
    """The environment without what could lead to another copy of the code."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def copy_checkout(target: Path) -> Path:
    """Copy the files of the project that the workflow needs."""
    target.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / part, target / part, ignore=ignored)
        else:
            shutil.copy2(ROOT / part, target / part)
    return target


def with_seeds(seeds: int = 3) -> tuple[str, ...]:
    """Config arguments for the smoke scale with another number of seeds (it has two)."""
    return (*SMOKE, f"experiments={{phase_diagram: {{axes: {{seed: {list(range(seeds))}}}}}}}")
