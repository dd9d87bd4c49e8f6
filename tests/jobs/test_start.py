"""How jobs start: what they import, and when they look for garbage."""

import ast
import gc
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from regimes.config.load import load
from regimes.jobs.start import imported, start
from regimes.plan.plan import Plan

CHECKOUT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Rules of which the jobs compute with torch.
BY_TORCH = {"train", "probe", "features"}
# Packages that have another name than their module, and than their package of conda.
PACKAGES = {"yaml": "pyyaml", "PIL": "pillow"}
CONDA = {"matplotlib-base": "matplotlib", "seaborn-base": "seaborn", "pytorch": "torch"}


def test_what_is_imported_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.setenv(name, "8")
    frozen = gc.get_freeze_count()
    try:
        start()
        assert not gc.isenabled() and os.environ["OMP_NUM_THREADS"] == "8"
        start(2)
        assert [os.environ[name] for name in THREADS] == ["2"] * 3
        imported()
        assert gc.isenabled() and gc.get_freeze_count() > frozen
        # Of a script that has not started so, nothing is kept.
        gc.unfreeze()
        imported()
        assert gc.isenabled() and gc.get_freeze_count() == 0
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.fixture(scope="module")
def planned() -> dict[str, set[str]]:
    """The modules that the jobs of each rule load, by the rule."""
    plan = Plan.from_config(load(CHECKOUT / "config.yaml"))
    return {
        rule: {root for one in stages.values() for root in one.handed()["roots"]}
        for rule, stages in plan.by_rule.items()
        if stages
    }


def imports_of(rule: str, roots: set[str]) -> str:
    """Lines that import what the script of a rule imports, and what its jobs load."""
    tree = ast.parse((CHECKOUT / f"workflow/scripts/{rule}.py").read_text())
    own = [ast.unparse(one) for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]
    return "\n".join([*own, *(f"import {root}" for root in sorted(roots))])


@pytest.mark.slow
@pytest.mark.parametrize("torch", [False, True])
def test_jobs_import_only_what_they_need(planned: dict[str, set[str]], torch: bool) -> None:
    lines = [imports_of(rule, planned[rule]) for rule in planned if (rule in BY_TORCH) == torch]
    # Compiled code is imported where it runs.
    needless = {"numba", "scipy.sparse.linalg"} if torch else {"numba", "torch"}
    report = f"import sys; print(*({needless} & sys.modules.keys()))"
    command = [sys.executable, "-c", "\n".join([*lines, report])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow
@pytest.mark.parametrize("torch", [False, True])
def test_the_environments_of_conda_have_what_jobs_import(
    planned: dict[str, set[str]], torch: bool
) -> None:
    lines = [imports_of(rule, planned[rule]) for rule in planned if (rule in BY_TORCH) == torch]
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", "\n".join([*lines, report])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Imported where they are needed, the first by compiled code and the second by downloads.
    modules = {*done.stdout.split(), "numba" if torch else "requests"}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    ours = {re.match(r"[\w-]+", one)[0].lower() for one in project["dependencies"]} - {"snakemake"}
    dependencies = {PACKAGES.get(name, name.lower()) for name in modules} & ours
    text = (CHECKOUT / f"envs/{'training' if torch else 'analysis'}.yaml").read_text()
    there = {one.split("=")[0] for one in yaml.safe_load(text)["dependencies"] if "=" in one}
    there = {CONDA.get(name, name) for name in there}
    assert dependencies and dependencies <= there
