"""The worked example: data and an activation of one's own, by a config file alone."""

import shutil
from pathlib import Path

import xarray as xr
from harness import ROOT, Workflow

FIGURE = "figures/own_problem.pdf"
# Smaller networks than the example's.
SMALL = ("experiments={own_problem: {axes: {width: [50, 100], seed: [0, 1]}}}",)


def test_the_example_makes_its_figure_and_follows_its_table(
    fresh: Workflow, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples", fresh.directory / "examples")
    config = ("--configfile", ROOT / "examples/own_problem.yaml")

    def run(*arguments: str) -> dict[str, int]:
        result = fresh.run("--cores", "2", *arguments, *config, targets=(FIGURE,), config=SMALL)
        assert result.code == 0, result.output
        return result.jobs

    assert run() == {"data": 1, "train": 3, "measure": 1, "figure": 1}
    with xr.open_dataset(fresh.directory / "results/measures/own_problem.nc") as measures:
        assert measures["converged"].all()
        assert "z * sigmoid(z)" in measures.attrs["config"]
        assert measures.attrs["references"] == "unpublished"
    with xr.open_dataset(fresh.directory / "results/data/own_table.nc") as data:
        assert data["feature_name"].values.tolist() == ["position", "temperature", "bias"]
    assert run("-n") == {}
    table = fresh.directory / "examples/own_problem.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:-1], lines[-1].replace("0.062", "0.2")]) + "\n")
    assert run("-n") == {"data": 1, "train": 3, "measure": 1, "figure": 1}
