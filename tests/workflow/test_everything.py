"""`snakemake all`: every paper, and what is made of all of them."""

import pandas as pd
import pytest
import xarray as xr
from harness import Workflow

from regimes.plan.parts import modules_with

OVERVIEW = {"scorecard", "atlas"}


def test_every_figure_of_the_config_is_there(everything: Workflow) -> None:
    for name, figure in everything.config()["figures"].items():
        if figure["on_request"]:
            continue
        kinds = ("pdf", "png", "csv") if figure.get("table") else ("pdf", "png")
        for kind in kinds:
            assert (everything.directory / f"figures/{name}.{kind}").stat().st_size > 0, name


def test_a_second_time_there_is_nothing_to_do(everything: Workflow) -> None:
    assert everything.run().nothing_to_do
    # Every paper is a target of its own, the overview too.
    papers = everything.config()["papers"]
    assert everything.asked_for(*papers).run().nothing_to_do


def test_the_claims_of_all_papers_are_in_one_file(everything: Workflow) -> None:
    with xr.open_dataset(everything.directory / "results/claims.nc") as claims:
        papers = list(modules_with("claims"))
        assert set(claims["paper"].values.tolist()) == set(papers)
        assert set(claims["scale"].values.tolist()) == {"smoke"}
        for paper in papers:
            with xr.open_dataset(everything.directory / f"results/claims/{paper}.nc") as one:
                part = claims.isel(claim=claims["paper"].values == paper)
                assert part["verdict"].values.tolist() == one["verdict"].values.tolist()
                assert part["claim"].values.tolist() == one["claim"].values.tolist()
        table = pd.read_csv(everything.directory / "figures/scorecard.csv")
        assert table["claim"].tolist() == claims["claim"].values.tolist()


def test_the_atlas_has_runs_of_every_paper(everything: Workflow) -> None:
    table = pd.read_csv(everything.directory / "figures/atlas.csv")
    config = everything.config()
    assert set(table["experiment"]) == set(config["figures"]["atlas"]["measures"])
    assert set(table["paper"]) == set(modules_with("claims"))
    assert table["exponent"].notna().all()
    assert set(table["measured_regime"]) <= {"linear", "critical", "condensed"}


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        # The claims of one paper are evaluated again, and what shows all of them.
        (
            "experiments={song2021_lazy: {relative_loss: 0.02}}",
            {
                "train": 1,
                "measure": 1,
                "claims": 1,
                "all_claims": 1,
                "table": 2,
                "figure": 4,
                "explorer": 1,
            },
        ),
    ],
)
def test_what_shows_all_papers_follows_each(
    everything: Workflow, change: str, jobs: dict[str, int]
) -> None:
    config = (*everything.config_arguments, change)
    # lazy_training and order, the scorecard and the atlas
    assert everything.plan(config=config).jobs == jobs


def test_the_overview_has_its_figures(everything: Workflow) -> None:
    assert {
        name for name, one in everything.config()["figures"].items() if one["paper"] == "overview"
    } == OVERVIEW
