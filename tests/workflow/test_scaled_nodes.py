"""Networks with scaled nodes in the workflow: probes, and what runs again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from harness import SMOKE, Workflow

from regimes.claims.discover import claims_of

FIGURE = "figures/caron2023/fig06_concrete.pdf"
MEASURES = "results/measures/caron2023_concrete.nc"
IDS = tuple(one.id for one in claims_of("caron2023"))
FIGURES = 13


@pytest.fixture(scope="module")
def paper(everything: Workflow) -> Workflow:
    """All of the paper at smoke scale. Not to be changed."""
    return everything.asked_for("caron2023")


@pytest.fixture(scope="module")
def concrete(paper: Workflow) -> Workflow:
    """The same, asked for one figure and its measures."""
    return Workflow(paper.checkout, paper.directory, (MEASURES, FIGURE), SMOKE)


def test_everything_is_there(paper: Workflow) -> None:
    assert len(paper.files("figures/caron2023/*.pdf")) == FIGURES
    assert len(paper.files("figures/caron2023/*.png")) == FIGURES
    with xr.open_dataset(paper.directory / "results/claims/caron2023.nc") as claims:
        assert tuple(claims["claim"].values) == IDS
        # All are about sizes that this scale does not have.
        assert set(claims["verdict"].values.tolist()) == {"not run"}


def test_measures_hold_runs_and_probes(concrete: Workflow) -> None:
    with xr.open_dataset(concrete.directory / MEASURES) as measures:
        assert measures["gamma"].values.tolist() == [1.0, 0.5, 0.5, 0.0]
        assert measures["train_risk"].dims == ("node_scaling", "seed", "step")
        assert measures["pruned_test_risk"].dims == ("node_scaling", "seed", "kept")
        assert measures["transfer_test_risk"].dims == (
            "node_scaling",
            "seed",
            "n_transfer_features",
        )
        np.testing.assert_allclose(
            measures["pruned_test_risk"].sel(kept=1.0),
            measures["test_risk"].isel(step=-1),
            rtol=1e-9,
        )
    for path in concrete.files("results/probes/caron2023_concrete/*/*.nc"):
        with xr.open_dataset(path) as probed:
            assert probed.attrs["device"] == "cpu" and "probe" in probed.attrs["config"]


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ("probes: {transfer: {dataset: energy}}", {"probe": 1}),
        ("max_steps: 150", {"train": 1, "probe": 2}),
    ],
)
def test_probes_follow_their_settings_and_runs(
    concrete: Workflow, change: str, jobs: dict[str, int]
) -> None:
    plan = concrete.plan(config=(*SMOKE, f"experiments={{caron2023_concrete: {{{change}}}}}"))
    assert plan.jobs == jobs | {"measure": 1, "figure": 1}


def test_a_deleted_probe_is_made_again_with_the_same_bits(
    concrete: Workflow, tmp_path: Path
) -> None:
    copy = concrete.copy(tmp_path)
    (path,) = copy.files("results/probes/caron2023_concrete/transfer/*.nc")
    with xr.open_dataset(path) as before:
        before.load()
    path.unlink()
    # Snakemake does not make a file again while what was made from it is there.
    (copy.directory / MEASURES).unlink()
    result = copy.run()
    assert result.jobs == {"probe": 1, "measure": 1, "figure": 1}
    with xr.open_dataset(path) as after:
        assert after.drop_attrs().identical(before.drop_attrs())


def test_a_lost_snakemake_folder_trains_and_probes_nothing(
    concrete: Workflow, tmp_path: Path
) -> None:
    copy = concrete.copy(tmp_path)
    shutil.rmtree(copy.directory / ".snakemake")
    # Measures may be made again: dry runs of other tests have rewritten their stamps.
    assert not {"train", "probe", "data"} & set(copy.plan().jobs)
