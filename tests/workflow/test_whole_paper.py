"""All of a paper: `snakemake luo2021`, and what runs again for one of its experiments."""

import re
from pathlib import Path

import matplotlib.image
import pandas as pd
import xarray as xr
from harness import PAPER, SMOKE, Result, Workflow

from regimes.claims.discover import claims_of

# Blocks at smoke scale
BLOCKS = {
    "phase_diagram": 6,
    "typical_cases": 1,
    "typical_cases_other_points": 1,
    "along_the_flow": 4,
    "growth_unit": 1,
    "growth_inverse_root": 1,
    "growth_inverse": 1,
    "condensation": 2,
    "conservation": 1,
    "phase_diagram_mnist": 2,
    "condensation_mnist": 2,
    "phase_diagram_tanh": 1,
    "phase_diagram_gelu": 1,
    "phase_diagram_leaky_relu": 1,
}
FIGURES = {
    "phase_diagram",
    "phase_diagram_tanh",
    "phase_diagram_gelu",
    "phase_diagram_leaky_relu",
    "luo2021/boundary_finite_width",
    "luo2021/fig01_regimes",
    "luo2021/fig02_typical_cases",
    "luo2021/fig03_growth",
    "luo2021/fig05_phase_diagram_mnist",
    "luo2021/fig06_condensation",
    "luo2021/fig07_condensation_mnist",
    "luo2021/fig10_all_parameters",
    "luo2021/table01_initializations",
}


def trained(result: Result) -> list[str]:
    """Experiments of the training jobs in a plan, one for each job."""
    return re.findall(r"wildcards: experiment=(\w+), job=", result.output)


def test_every_figure_comes_as_pdf_and_png_and_the_table_as_csv(whole_paper: Workflow) -> None:
    expected = {f"{figure}.{kind}" for figure in FIGURES for kind in ("pdf", "png")}
    expected.add("luo2021/table01_initializations.csv")
    folder = whole_paper.directory / "figures"
    paths = [*folder.glob("phase_diagram*"), *folder.glob(f"{PAPER}/*")]
    assert {str(path.relative_to(folder)) for path in paths} == expected
    for path in paths:
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF") and path.stat().st_size > 10_000, path
        elif path.suffix == ".png":
            assert matplotlib.image.imread(path).std() > 0.01, path
    table = pd.read_csv(folder / "luo2021/table01_initializations.csv")
    assert {"name", "gamma", "gamma_prime", "regime", "slope_w"} <= set(table.columns)
    assert {"LeCun", "He", "Xavier", "NTK", "Mean-field"} <= set(table["name"])


def test_every_experiment_is_measured_and_every_claim_has_a_verdict(whole_paper: Workflow) -> None:
    folder = whole_paper.directory / "results"
    assert set(BLOCKS) <= {path.stem for path in (folder / "measures").glob("*.nc")}
    for experiment, count in BLOCKS.items():
        assert len(list((folder / "runs" / experiment).glob("*.nc"))) == count, experiment
    with xr.open_dataset(folder / "claims/luo2021.nc") as claims:
        assert claims["claim"].values.tolist() == [one.id for one in claims_of(PAPER)]
        # All are about sizes that this scale does not have.
        assert set(claims["verdict"].values.tolist()) == {"not run"}
        assert all("scale smoke" in detail for detail in claims["detail"].values.tolist())


def test_runs_that_were_there_were_not_trained_again(whole_paper: Workflow) -> None:
    output = (whole_paper.directory.parent / "first_run.log").read_text()
    others = {name: count for name, count in BLOCKS.items() if name != "phase_diagram"}
    # What is printed when a job starts
    experiments = trained(Result(0, output))
    assert {name: experiments.count(name) for name in BLOCKS if name in experiments} == others


def test_weights_are_stored_in_single_precision(whole_paper: Workflow) -> None:
    for path in whole_paper.files("results/runs/condensation/*.nc"):
        with xr.open_dataset(path) as runs:
            assert runs["input_weights"].dtype == "float32"
            assert runs["final_relative_distance_w"].dtype == "float64"


def test_a_new_seed_of_the_phase_diagram_leaves_the_other_experiments_alone(
    whole_paper: Workflow,
) -> None:
    change = "experiments={phase_diagram: {axes: {seed: [0, 1, 2]}}}"
    plan = whole_paper.plan(config=(*SMOKE, change))
    # Figures 4 and 10, and Table 1 in both forms
    assert plan.jobs == {"train": 3, "measure": 1, "claims": 1, "figure": 3, "table": 1}
    assert trained(plan) == ["phase_diagram"] * 3


def test_code_reruns_what_imports_it(whole_paper: Workflow, tmp_path: Path) -> None:
    changed = whole_paper.copy(tmp_path)
    # Behind Figure 2, on two sets of points, and Figures 6 and 7
    changed.add_code("workflow/regimes/papers/luo2021/neurons.py")
    assert changed.plan().jobs == {"measure": 4, "claims": 1, "figure": 3}
