"""The example notebook runs as it is on results of the workflow."""

from pathlib import Path

import nbformat
import pytest
from harness import ROOT, Workflow
from nbclient import NotebookClient

NOTEBOOK = ROOT / "examples/read_results.ipynb"


@pytest.fixture(scope="module")
def executed(finished: Workflow) -> nbformat.NotebookNode:
    """The notebook after it ran in a folder with results."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(finished.directory)}}
    ).execute()
    return notebook


def _outputs(notebook: nbformat.NotebookNode) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def test_every_cell_runs(executed: nbformat.NotebookNode) -> None:
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [one for one in _outputs(executed) if one.output_type == "error"]


def test_it_shows_figures_and_the_results_of_this_run(executed: nbformat.NotebookNode) -> None:
    outputs = _outputs(executed)
    figures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(figures) == 3
    texts = " ".join(one.text for one in outputs if one.output_type == "stream")
    assert texts.startswith("smoke ")
    tables = [one["data"]["text/html"] for one in outputs if "text/html" in one.get("data", {})]
    assert any("theory_boundary_gamma" in table for table in tables)
    assert any("not run" in table for table in tables)


def test_the_notebook_is_kept_without_outputs() -> None:
    # Of an earlier run, they would say what is no longer so.
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not _outputs(notebook)
    assert Path(NOTEBOOK).stat().st_size < 20_000
