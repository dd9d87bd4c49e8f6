"""Training in function space in the workflow: all of a paper, and what runs again."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from harness import SMOKE, Workflow

EXPERIMENTS = ("random_labels", "quadratic_embedding", "scalings")
CHANGED = "experiments={{chen2022_scalings: {{{change}}}}}"
# What is made again of the paper when the measures of one experiment change.
DOWNSTREAM = {"measure": 1, "claims": 1, "figure": 5}


@pytest.fixture(scope="module")
def paper(everything: Workflow) -> Workflow:
    """All of Chen et al. at smoke scale. Not to be changed."""
    return everything.asked_for("chen2022")


def test_every_figure_and_measure_is_made(paper: Workflow) -> None:
    assert len(paper.files("figures/chen2022/*.pdf")) == 11
    assert len(paper.files("figures/chen2022/*.png")) == 11
    assert len(paper.files("figures/chen2022/*.csv")) == 1
    for name in EXPERIMENTS:
        with xr.open_dataset(paper.directory / f"results/measures/chen2022_{name}.nc") as measures:
            for variable in ("train_loss", "test_error", "feature_movement"):
                assert set(measures[variable].dims) == {"model", "width", "n_train", "seed", "step"}
                assert np.isfinite(measures[variable].values).all()
            assert set(measures["gram_min_eigenvalue"].dims) >= {"n_train", "seed"}
            assert int(measures["step"][-1]) == 200
    with xr.open_dataset(paper.directory / "results/claims/chen2022.nc") as claims:
        verdicts = dict(zip(claims["claim"].values, claims["verdict"].values, strict=True))
    assert set(verdicts) == {f"C{number}" for number in range(1, 10)}
    assert {verdicts[name] for name in ("C1", "C4", "C5", "C6", "C9")} == {"not run"}
    assert verdicts["C7"] == "reproduced"


def test_second_run_does_nothing(paper: Workflow) -> None:
    assert paper.run().nothing_to_do


@pytest.mark.parametrize(
    ("change", "trains"),
    [
        # Models come and go without the others.
        ("models: {deep: {embedding: random_layers, depth: 5}}", 2),
        ("models: {ours: {scaling: mean_field}}", 2),
        ("axes: {model: [ours, ntk]}", 0),
        ("multistep: {enabled: false}", 6),
        ("grids: [{width: [32]}, {width: [24]}]", 3),
    ],
)
def test_only_what_is_new_is_trained(paper: Workflow, change: str, trains: int) -> None:
    jobs = paper.plan(config=(*SMOKE, CHANGED.format(change=change))).jobs
    expected = {"train": trains, **DOWNSTREAM}
    assert {rule: jobs.get(rule, 0) for rule in expected} == expected


@pytest.mark.parametrize(
    ("code", "trains"),
    [
        ("engines/function_space/embeddings/quadratic.py", 2),
        ("engines/function_space/multistep.py", 13),
    ],
)
def test_code_trains_what_runs_it(paper: Workflow, tmp_path: Path, code: str, trains: int) -> None:
    copy = paper.copy(tmp_path)
    copy.add_code(f"workflow/regimes/{code}")
    assert copy.plan().jobs["train"] == trains


def test_errors_are_one_line(paper: Workflow) -> None:
    for change, words in (
        ("axes: {model: [other]}", "other"),
        ("models: {ours: {depth: 4}}", "depth is only for embedding: random_layers"),
        ("axes: {model: [ours, ours]}", "is there twice"),
        ("record: {every: 1}, max_steps: 1000000", "record.every"),
        ("axes: {n_train: [10, 30]}", "n_train 30 is more than xor_with_noise has"),
    ):
        result = paper.run("-n", config=(*SMOKE, CHANGED.format(change=change)))
        assert result.code != 0 and "Traceback" not in result.output
        assert words in result.output.replace("\n", " "), result.output
