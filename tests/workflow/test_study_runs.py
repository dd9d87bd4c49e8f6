"""`regimes new`, and the study that it makes, as a user has it: its own folder, `snakemake -s`."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr
from harness import Result, clean_environment, copy_checkout

FOLLOWING = {"measure": 1, "figure": 1, "claims": 1}
TANH = """import math

import torch


def bent(z):
    return torch.tanh(z)


def bent_numbers(z):
    value = math.tanh(z)
    return value, 1 - value**2, -2 * value * (1 - value**2)
"""


@dataclass
class Study:
    """A folder, and the checkout whose code runs in it."""

    checkout: Path
    folder: Path

    def call(self, *arguments: str, code: int = 0) -> Result:
        """Call Python in the folder."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=clean_environment() | {"PYTHONPATH": str(self.checkout / "workflow")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return Result(done.returncode, done.stdout)

    def snakemake(self, *arguments: str, code: int = 0) -> Result:
        """Make the study."""
        file = str(self.checkout / "Snakefile")
        words = ("-m", "snakemake", "-s", file, "--cores", "2", "waves", *arguments)
        return self.call(*words, code=code)

    def planned(self) -> dict[str, int]:
        """Jobs that would run, by rule."""
        jobs = self.snakemake("-n").jobs
        jobs.pop("waves", None)
        return jobs

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        path = self.folder / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study as it is made; tests that change it take `study`."""
    base = tmp_path_factory.mktemp("own")
    start = Study(copy_checkout(base / "checkout"), base)
    start.call("-m", "regimes", "new", "waves")
    study = Study(start.checkout, base / "waves")
    # A module of its own, and an activation that is no part of what is made first.
    study.edit("measures.py", "import numpy as np\n", "import helpers\nimport numpy as np\n")
    study.edit("measures.py", "slope.mean", "helpers.SIGN * slope.mean")
    (study.folder / "helpers.py").write_text('"""Helpers."""\n\nSIGN = 1\n')
    (study.folder / "activations.py").write_text(TANH)
    study.snakemake()
    return study


@pytest.fixture
def study(made: Study, tmp_path: Path) -> Study:
    """A copy of the study, with the times of its files."""
    return Study(made.checkout, shutil.copytree(made.folder, tmp_path / "moved"))


def test_the_skeleton_makes_its_figure_and_its_claim(made: Study) -> None:
    assert (made.folder / "figures/waves/growth.pdf").is_file()
    assert "| S1 |" in (made.folder / "results/claims/waves.md").read_text()
    with xr.open_dataset(made.folder / "results/claims/waves.nc") as claims:
        assert claims["verdict"].values.tolist() == ["reproduced"]
    with xr.open_dataset(made.folder / "results/measures/waves_growth.nc") as measures:
        assert measures.attrs["source"] == "measures.py:growth"
        assert str(made.folder) not in str(measures.attrs)
    # The tools, as a user calls them there.
    origin = made.call("-m", "regimes", "origin", "results/measures/waves_growth.nc").output
    assert "own files    helpers.py, measures.py" in origin and "up to date" in origin
    assert (
        "not up to date"
        not in made.call("-m", "regimes", "origin", "figures/waves/growth.png").output
    )
    said = made.call("-m", "regimes", "cost", "--cores", "2", "--forceall", "--", "waves").output
    assert "waves_growth" in said


def test_what_runs_again(study: Study) -> None:
    # In another folder than it was made in.
    assert study.planned() == {}
    study.edit("helpers.py", '"""Helpers."""', '"""Other words."""  # and a comment')
    study.edit("figures.py", '"""What is drawn', '"""What else is drawn')
    assert study.planned() == {}
    study.edit("figures.py", 'marker="o"', 'marker="s"')
    assert study.planned() == {"figure": 1}
    study.edit("helpers.py", "SIGN = 1", "SIGN = -1")
    assert study.planned() == FOLLOWING
    study.edit("helpers.py", "SIGN = -1", "SIGN = 1")
    study.edit("measures.py", '"slope of log', '"slope, of log')
    assert study.planned() == FOLLOWING


def test_an_activation_of_ones_own(study: Study) -> None:
    config = study.folder / "config.yaml"
    config.write_text(
        config.read_text().replace("activation: relu", "activation: bent")
        + '\nactivations: {bent: "activations.py:bent"}\n'
    )
    assert study.planned() == {"train": 2, **FOLLOWING}
    study.snakemake()
    study.edit("activations.py", "import math", '"""Activations."""\n\nimport math')
    assert study.planned() == {}
    study.edit("activations.py", "torch.tanh(z)", "torch.tanh(z) + 0")
    assert study.planned() == {"train": 2, **FOLLOWING}


def test_code_that_fails_is_one_line(study: Study) -> None:
    study.edit("figures.py", "figure, axes", "nothing[0]\n    figure, axes")
    said = study.snakemake(code=1).output
    assert "error: figures.py, line 16: NameError: name 'nothing' is not defined" in said
    log = (study.folder / "results/logs/figures/waves/growth.log").read_text()
    assert "Traceback" in log and "nothing[0]" in log
    assert not (study.folder / "figures/waves/growth.pdf").exists()
    study.edit("figures.py", "def growth(", "def grown(")
    said = study.snakemake(code=1).output
    assert "error: config.yaml: figures.waves/growth.plot" in said
    assert "figures.py has no function growth" in said and "Traceback" not in said
