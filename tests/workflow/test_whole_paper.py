"""All of a paper: `snakemake luo2021`, and what runs again for one of its experiments."""

import re
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest
import xarray as xr
from harness import PAPER, SMOKE, Result, Workflow

# Blocks at smoke scale
BLOCKS = {
    "phase_diagram": 6,
    "typical_cases": 1,
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
    "luo2021/fig01_regimes",
    "luo2021/fig02_typical_cases",
    "luo2021/fig03_growth",
    "luo2021/fig05_phase_diagram_mnist",
    "luo2021/fig06_condensation",
    "luo2021/fig07_condensation_mnist",
    "luo2021/fig10_all_parameters",
    "luo2021/table01_initializations",
}
CONDENSATION = {"measure": 1, "claims": 1, "figure": 1}


@pytest.fixture
def changed(whole_paper: Workflow, tmp_path: Path) -> Workflow:
    """A copy of the whole paper, for this test alone."""
    return whole_paper.copy(tmp_path)


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
        ids = ["L1", "L2", "L3", "L4", "L5", "L6", "L6-MNIST", "L7", "L8"]
        assert claims["claim"].values.tolist() == ids
        # All are about sizes that this scale does not have.
        assert set(claims["verdict"].values.tolist()) == {"not run"}
        assert all("scale smoke" in detail for detail in claims["detail"].values.tolist())


def test_runs_that_were_there_were_not_trained_again(whole_paper: Workflow) -> None:
    output = (whole_paper.directory.parent / "first_run.log").read_text()
    others = {name: count for name, count in BLOCKS.items() if name != "phase_diagram"}
    # What is printed when a job starts
    experiments = trained(Result(0, output))
    assert {name: experiments.count(name) for name in BLOCKS if name in experiments} == others


def test_second_run_of_the_paper_does_nothing(whole_paper: Workflow) -> None:
    assert whole_paper.run().nothing_to_do


def test_weights_are_stored_in_single_precision(whole_paper: Workflow) -> None:
    for path in whole_paper.files("results/runs/condensation/*.nc"):
        with xr.open_dataset(path) as runs:
            assert runs["input_weights"].dtype == "float32"
            assert runs["relative_distance_w"].dtype == "float64"


@pytest.mark.parametrize(
    ("change", "blocks"),
    [
        ("axes: {width: [100, 200, 1000]}", 1),
        ("axes: {width: [200, 400]}", 2),
        ("axes: {seed: [0, 1]}", 2),
        ("snapshots: [1.0, 0.0]", 2),
        ("solver: {tolerance: 0.05}", 2),
    ],
)
def test_a_knob_of_condensation_trains_condensation_alone(
    whole_paper: Workflow, change: str, blocks: int
) -> None:
    plan = whole_paper.plan(config=(*SMOKE, f"experiments={{condensation: {{{change}}}}}"))
    assert plan.jobs == {"train": blocks, **CONDENSATION}
    assert trained(plan) == ["condensation"] * blocks


def test_a_knob_of_one_family_trains_that_alone(whole_paper: Workflow) -> None:
    change = "experiments={growth_inverse_root: {exponents: {beta1: -0.6, beta2: -0.6}}}"
    plan = whole_paper.plan(config=(*SMOKE, change))
    assert plan.jobs == {"train": 1, "measure": 1, "claims": 1, "figure": 1}
    assert trained(plan) == ["growth_inverse_root"]


def test_a_new_seed_of_the_phase_diagram_leaves_the_other_experiments_alone(
    whole_paper: Workflow,
) -> None:
    change = "experiments={phase_diagram: {axes: {seed: [0, 1, 2]}}}"
    plan = whole_paper.plan(config=(*SMOKE, change))
    # Figures 4 and 10, and Table 1 in both forms
    assert plan.jobs == {"train": 3, "measure": 1, "claims": 1, "figure": 3, "table": 1}
    assert trained(plan) == ["phase_diagram"] * 3


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        # Figures 6 and 7
        ("papers/luo2021/condensation.py", {"measure": 2, "claims": 1, "figure": 2}),
        ("papers/luo2021/condensation_projected.py", CONDENSATION),
        # Behind Figure 2, of which there is no claim, and Figures 6 and 7
        ("papers/luo2021/neurons.py", {"measure": 3, "claims": 1, "figure": 3}),
        ("papers/luo2021/condensation_map.py", {"figure": 2}),
        ("papers/luo2021/condensation_map.py", {"figure": 2}),
        ("papers/luo2021/claims/experiments.py", {"claims": 1}),
        ("papers/luo2021/table01_initializations.py", {"figure": 1, "table": 1}),
        ("figures/style.py", {"figure": 12, "table": 1}),
    ],
)
def test_code_reruns_what_imports_it(changed: Workflow, module: str, jobs: dict[str, int]) -> None:
    changed.add_code(f"workflow/regimes/{module}")
    assert changed.plan().jobs == jobs


def test_code_of_the_solver_trains_everything(changed: Workflow) -> None:
    changed.add_code("workflow/regimes/engines/gradient_flow/snapshots.py")
    plan = changed.plan()
    assert plan.jobs["train"] == sum(BLOCKS.values())
    assert set(trained(plan)) == set(BLOCKS)


def test_code_of_the_notebook_reruns_nothing(changed: Workflow) -> None:
    changed.add_code("workflow/regimes/api.py")
    assert changed.plan().nothing_to_do


def test_the_report_shows_figures_and_the_table(whole_paper: Workflow) -> None:
    result = whole_paper.run("--report", "report.html")
    assert result.code == 0, result.output
    path = whole_paper.directory / "report.html"
    report = path.read_text()
    path.unlink()
    settings = {
        name: figure
        for name, figure in whole_paper.config()["figures"].items()
        if figure["paper"] == PAPER
    }
    assert set(settings) == FIGURES
    for figure in settings.values():
        assert f'"source": "{figure["labels"]["source"]}"' in report
    assert "table01_initializations.csv" in report
