"""How jobs start: what they import, and when they look for garbage."""

import ast
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from regimes.config.load import load
from regimes.jobs.start import imported, start
from regimes.plan.plan import Plan

CHECKOUT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Rules of which the jobs compute with torch.
BY_TORCH = {"train", "probe", "features"}


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
