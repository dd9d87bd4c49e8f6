"""Training in function space in the workflow: all of a paper, and what runs again."""

import numpy as np
import pytest
import xarray as xr
from harness import SMOKE, Workflow

EXPERIMENTS = ("random_labels", "quadratic_embedding", "scalings")


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
    assert set(verdicts) == {f"C{number}" for number in range(1, 39)}
    # Below the sizes only tests of the code and what needs no run have one.
    decided = {name for name, verdict in verdicts.items() if verdict != "not run"}
    assert decided == {"C7", "C24", "C25", "C34", "C35", "C36"}
    assert verdicts["C7"] == "reproduced"


def test_only_what_is_new_is_trained(paper: Workflow) -> None:
    # Models come and go without the others.
    change = "experiments={chen2022_scalings: {models: {ours: {scaling: mean_field}}}}"
    jobs = paper.plan(config=(*SMOKE, change)).jobs
    # The figures are those of one experiment.
    expected = {"train": 2, "measure": 1, "claims": 1, "figure": 5}
    assert {rule: jobs.get(rule, 0) for rule in expected} == expected
