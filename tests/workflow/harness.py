"""Call Snakemake on a copy of the checkout and look at what it plans and does."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from regimes.config.load import load

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "config.yaml", "pyproject.toml", "workflow", "profiles", "envs")
SMOKE = ("scale=smoke",)
# Most tests are about one experiment, whatever others the config has: the figure of the phase
# diagram, and the claims that it alone decides.
SMALL = (*SMOKE, "claims={luo2021: {measures: [phase_diagram]}}")
TARGETS = (
    "results/measures/phase_diagram.nc",
    "figures/phase_diagram.pdf",
    "figures/phase_diagram.png",
    "results/claims/luo2021.nc",
    "results/claims/luo2021.md",
)
# The whole paper
PAPER = "luo2021"


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
        return {rule: int(count) for rule, count in rows if rule not in ("all", "total", PAPER)}

    @property
    def nothing_to_do(self) -> bool:
        """True when Snakemake says so."""
        return self.code == 0 and "Nothing to be done" in self.output


@dataclass
class Workflow:
    """A checkout and a directory with its results.

    targets, config: what is asked for, and with which settings, unless a call says otherwise.
    options: of every call; each job is printed with its files, settings and reason.
    """

    checkout: Path
    directory: Path
    targets: tuple[str, ...] = TARGETS
    config_arguments: tuple[str, ...] = SMALL
    options: tuple[str, ...] = ("--quiet", "host")

    def command(
        self,
        *arguments: str,
        targets: tuple[str, ...] | None = None,
        config: tuple[str, ...] | None = None,
    ) -> list[str]:
        """The Snakemake command line, with the checkout's Snakefile."""
        targets = self.targets if targets is None else targets
        config = self.config_arguments if config is None else config
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.checkout / "Snakefile"]
        # Targets first: some options would take them for their own.
        command += ["--directory", self.directory, *targets, *self.options, *arguments]
        return [str(word) for word in (*command, *(("--config", *config) if config else ()))]

    def run(
        self,
        *arguments: str,
        targets: tuple[str, ...] | None = None,
        config: tuple[str, ...] | None = None,
        **environment: str,
    ) -> Result:
        """Call Snakemake; `--cores 2` unless the arguments say what else to do."""
        if not arguments:
            arguments = ("--cores", "2")
        done = subprocess.run(
            self.command(*arguments, targets=targets, config=config),
            cwd="/",
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Result(done.returncode, done.stdout)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Snakemake in the background, with its jobs a process group, to be killed."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd="/",
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def plan(
        self,
        *arguments: str,
        targets: tuple[str, ...] | None = None,
        config: tuple[str, ...] | None = None,
    ) -> Result:
        """Dry run."""
        result = self.run("-n", *arguments, targets=targets, config=config)
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
        """The settings that hold at the default scale."""
        return load(self.checkout / "config.yaml").model_dump(mode="json")

    def asked_for(self, *targets: str) -> "Workflow":
        """The same checkout and results, asked for other targets."""
        return replace(self, targets=targets)

    def files(self, pattern: str) -> list[Path]:
        """Result files that match a pattern, sorted."""
        return sorted(self.directory.glob(pattern))

    def assert_same_results(self, other: "Workflow") -> None:
        """Fail unless another directory has the same results, bit for bit, and the same figures."""
        paths = [path.relative_to(self.directory) for path in self.files("results/**/*.nc")]
        for path in paths:
            with (
                xr.open_dataset(self.directory / path) as mine,
                xr.open_dataset(other.directory / path) as others,
            ):
                # `equals` takes NaN as equal to NaN, and compares variables and coordinates alone.
                assert mine.equals(others), path
        for path in self.files("figures/*"):
            assert path.read_bytes() == (other.directory / "figures" / path.name).read_bytes()

    def copy(self, target: Path) -> "Workflow":
        """The same checkout and results elsewhere, file times kept."""
        shutil.copytree(self.checkout, target / "checkout")
        shutil.copytree(self.directory, target / "out")
        return replace(self, checkout=target / "checkout", directory=target / "out")


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
    return (*SMALL, f"experiments={{phase_diagram: {{axes: {{seed: {list(range(seeds))}}}}}}}")
