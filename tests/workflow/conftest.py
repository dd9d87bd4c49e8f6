"""Finished runs of the workflow at smoke scale, copied for each test that changes something."""

from pathlib import Path

import pytest
from harness import PAPER, SMOKE, Workflow, copy_checkout

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder `workflow`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("workflow")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A finished run of one experiment. Tests that change anything take `workflow` instead."""
    base = tmp_path_factory.mktemp("finished")
    workflow = Workflow(copy_checkout(base / "checkout"), base / "out")
    result = workflow.run()
    assert result.code == 0, result.output
    (base / "first_run.log").write_text(result.output)
    return workflow


@pytest.fixture
def workflow(finished: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the finished run, for this test alone."""
    return finished.copy(tmp_path)


@pytest.fixture
def fresh(finished: Workflow, tmp_path: Path) -> Workflow:
    """The same checkout without any results."""
    return Workflow(finished.checkout, tmp_path / "empty")


@pytest.fixture(scope="session")
def everything(finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """All that the config has: `snakemake --config scale=smoke`, begun with what was finished.

    Tests ask it for a part by other `targets`. Not to be changed either.
    """
    base = tmp_path_factory.mktemp("everything")
    copy = finished.copy(base)
    workflow = Workflow(copy.checkout, copy.directory, targets=(), config_arguments=SMOKE)
    result = workflow.run()
    assert result.code == 0, result.output
    (base / "first_run.log").write_text(result.output)
    return workflow


@pytest.fixture(scope="session")
def whole_paper(everything: Workflow) -> Workflow:
    """The same, asked for every experiment and figure of one paper."""
    return everything.asked_for(PAPER)
