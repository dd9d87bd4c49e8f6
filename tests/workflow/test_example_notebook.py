"""The example notebooks run as they are: one on results of the workflow, the other on nothing."""

from pathlib import Path

import nbformat
import pytest
from harness import ROOT, Workflow
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
FIGURES = {"read_results": 3, "five_papers": 5}


@pytest.fixture(scope="module")
def folders(finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each notebook runs: the first needs what the main job makes, the measures alone."""
    folder = tmp_path_factory.mktemp("notebooks")
    measures = folder / "results/measures"
    measures.mkdir(parents=True)
    name = "phase_diagram.nc"
    (measures / name).write_bytes((finished.directory / "results/measures" / name).read_bytes())
    return {"read_results": folder, "five_papers": tmp_path_factory.mktemp("empty")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, folders: dict[str, Path]) -> None:
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folders[path.stem])}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    outputs = _outputs(notebook)
    # Warnings, of runs that came to their limit, are output to stderr.
    assert [one for one in outputs if one.output_type == "error"] == []
    assert [one.text for one in outputs if one.get("name") == "stderr"] == []
    figures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(figures) == FIGURES[path.stem]
    if path.stem == "read_results":
        texts = " ".join(one.text for one in outputs if one.output_type == "stream")
        assert texts.startswith("smoke ")
        tables = [one["data"]["text/html"] for one in outputs if "text/html" in one.get("data", {})]
        assert any("theory_boundary_gamma" in table for table in tables)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    # Of an earlier run, they would say what is no longer so.
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not _outputs(notebook)
    assert path.stat().st_size < 20_000


def _outputs(notebook: nbformat.NotebookNode) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]
