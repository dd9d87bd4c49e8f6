"""Gradient descent in the workflow: several grids, their measures, and what runs again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from harness import SMOKE, Workflow

MEASURES = "results/measures/razborov2022.nc"
TABLE = "figures/razborov2022/table1.csv"
# Of each grid of the smoke scale: width and numbers of points
GRIDS = [(40, [20, 40]), (60, [20, 30, 40])]


@pytest.fixture(scope="module")
def descent(everything: Workflow) -> Workflow:
    """Table 1 of Razborov at smoke scale. Not to be changed."""
    return everything.asked_for(MEASURES, TABLE)


def test_measures_are_on_the_union_of_the_grids(descent: Workflow) -> None:
    with xr.open_dataset(descent.directory / MEASURES) as measures:
        assert measures["width"].values.tolist() == [40, 60]
        assert measures["n_train"].values.tolist() == [20, 30, 40]
        for name in ("stopping_time", "kappa_h", "activation_changes", "weight_distance"):
            assert measures[name].dims == ("width", "n_train", "seed")
            for width, n_train in GRIDS:
                was_run = measures["n_train"].isin(n_train).values
                known = np.isfinite(measures[name].sel(width=width).values)
                np.testing.assert_array_equal(known, np.repeat(was_run[:, None], 2, axis=1))
        assert float(measures["aborted"].sum()) == 0 and float(measures["converged"].mean()) == 1


def test_no_checkpoint_is_left(descent: Workflow) -> None:
    assert not descent.files("results/checkpoints/*")


def test_a_raised_cap_goes_on_with_the_same_bits(descent: Workflow, tmp_path: Path) -> None:
    copy = replace(descent, directory=tmp_path / "out", targets=(MEASURES,))
    low = (*SMOKE, "experiments={razborov2022: {stopping: {max_steps: 20}}}")
    assert copy.run(config=low).code == 0
    with xr.open_dataset(copy.directory / MEASURES) as measures:
        assert float(measures["converged"].mean()) < 1
    assert copy.run().code == 0
    for path in descent.files("results/runs/razborov2022/*.nc"):
        name = path.relative_to(descent.directory)
        with xr.open_dataset(path) as whole, xr.open_dataset(copy.directory / name) as continued:
            assert whole.equals(continued), name
        log = copy.directory / "results/logs" / name.relative_to("results").with_suffix(".log")
        assert "going on from the states of a job up to 20" in log.read_text()


def test_jobs_of_which_all_runs_diverged_warn_on_the_console(
    descent: Workflow, tmp_path: Path
) -> None:
    copy = replace(descent, directory=tmp_path / "out", targets=(MEASURES,))
    rates = "learning_rate: 1.0e+9, learning_rate_exceptions: []"
    changes = f"{{razborov2022: {{{rates}, stopping: {{abort_on_increase: false}}}}}}"
    result = copy.run(config=(*SMOKE, f"experiments={changes}"))
    assert result.code == 0
    logs = copy.files("results/logs/runs/razborov2022/*.log")
    warnings = [line for line in result.output.splitlines() if line.startswith("warning:")]
    for log in logs:
        n_runs = 2 if "width=40" in log.name else 3
        (warning,) = [line for line in warnings if str(log.name) in line]
        assert f"experiments.razborov2022: all runs ({n_runs}) of job {log.stem} " in warning
        assert "a smaller learning_rate" in warning
        last = log.read_text().splitlines()[-1]
        assert f"finished: {n_runs} runs: {n_runs} diverged; " in last
    with xr.open_dataset(copy.directory / MEASURES) as measures:
        assert json.loads(measures.attrs["endings"]) == {"diverged": 10}
        assert measures.attrs["comment"].startswith("10 runs: 10 diverged; ")


def test_states_are_kept_unless_the_config_says_no(descent: Workflow, tmp_path: Path) -> None:
    n_blocks = len(descent.files("results/runs/razborov2022/*.nc"))
    assert len(descent.files("results/states/razborov2022/*.pt")) == n_blocks
    copy = replace(descent, directory=tmp_path / "out", targets=(MEASURES,))
    assert copy.run(config=(*SMOKE, "keep_states=false")).code == 0
    assert len(copy.files("results/runs/razborov2022/*.nc")) == n_blocks
    assert not copy.files("results/states")


def test_the_table_has_the_papers_rows(descent: Workflow) -> None:
    table = pd.read_csv(descent.directory / TABLE)
    assert len(table) == 40 and (table["runs"] == 0).all()
    assert table["paper_stopping_time_mean"].notna().all()


def test_only_what_is_new_is_trained(descent: Workflow) -> None:
    grids = "grids: [{width: [40], n_train: [20, 40]}, {width: [50], n_train: [30]}]"
    jobs = descent.plan(config=(*SMOKE, f"experiments={{razborov2022: {{{grids}}}}}")).jobs
    assert jobs == {"train": 2, "measure": 1, "table": 1}


def test_the_whole_paper(everything: Workflow) -> None:
    paper = everything.asked_for("razborov2022")
    for name in ("labels", "both_layers", "table1", "table2", "fig1_kappa_h"):
        assert paper.files(f"figures/razborov2022/{name}.pdf")
    with xr.open_dataset(paper.directory / "results/claims/razborov2022.nc") as claims:
        assert set(claims["verdict"].values) <= {"reproduced", "not reproduced", "not run"}
        assert claims.sizes["claim"] == 46
