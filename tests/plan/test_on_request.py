"""Experiments and figures on request, and those that there are for each data set."""

from pathlib import Path

import pytest

from regimes.config.load import load
from regimes.errors import ConfigError
from regimes.plan.plan import Plan

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
OWN = {"kind": "points", "inputs": [-1.0, 1.0], "targets": [1.0, 0.5]}


def plan(**changes: object) -> Plan:
    return Plan.from_config(load(CONFIG, {"scale": "smoke", **changes}))


def test_all_leaves_out_what_is_on_request() -> None:
    made = plan(figures={"atlas": {"on_request": True}})
    targets = [*made.all_targets(), *made.targets("lab"), *made.targets("overview")]
    assert "figures/boundary_four_point.pdf" in made.figures["boundary_four_point"].outputs
    assert not [path for path in targets if "figures/boundary_" in path or "atlas" in path]
    assert "figures/scorecard.pdf" in targets
    made.check_target("figures/boundary_four_point.pdf")
    made.check_target("results/measures/boundary_mnist_45.nc")
    reported = {figure.name for figure in made.asked_for([])}
    assert "scorecard" in reported and not {"atlas", "boundary_four_point"} & reported
    assert made.asked_for(["figures/atlas.pdf"]) == [made.figures["atlas"]]


def test_each_data_set_has_its_own_ones() -> None:
    made = plan(datasets={"mine": OWN})
    (job,) = made.jobs_of("boundary_mine")
    assert job.settings["dataset"] == "mine" and job.settings["widths"] == [60, 200]
    assert made.figures["boundary_mine"].outputs[0] == "figures/boundary_mine.pdf"
    changed = plan(experiments={"boundary_four_point": {"standard_error": 0.5}})
    (job,) = changed.jobs_of("boundary_four_point")
    assert job.settings["standard_error"] == 0.5


def test_a_removed_data_set_has_none() -> None:
    # As a config file may take away what another one adds.
    made = plan(datasets={"mine": None})
    assert "boundary_mine" not in made.measures


def test_what_cannot_be_made_says_why_when_it_is_asked_for() -> None:
    made = plan()
    for name, reason in (
        ("mnist_one_hot", "has targets of several outputs"),
        ("unit_sphere_40", "has draws, which engine: gradient_flow.boundary does not use"),
    ):
        assert f"boundary_{name}" not in made.measures | made.figures
        for path in (f"figures/boundary_{name}.pdf", f"results/measures/boundary_{name}.nc"):
            with pytest.raises(ConfigError, match=reason) as error:
                made.check_target(path)
            assert str(error.value).startswith(f"{path} cannot be made: ")
            assert "\n" not in str(error.value)


def test_whether_it_is_on_request_retrains_nothing() -> None:
    (before,) = plan().jobs_of("boundary_four_point")
    after = plan(
        experiments={"boundary_four_point": {"on_request": False}},
        figures={"boundary_four_point": {"on_request": False}},
    )
    assert after.jobs_of("boundary_four_point")[0].hash == before.hash
    assert "figures/boundary_four_point.pdf" in after.all_targets()


def test_a_figure_of_all_needs_experiments_that_can_be_made() -> None:
    with pytest.raises(ConfigError, match="boundary_mnist_one_hot"):
        plan(figures={"boundary_mnist_one_hot": {"on_request": False}})


def test_errors_of_what_all_makes_stop_the_plan() -> None:
    experiments = {"growth_unit": {"dataset": "mnist_one_hot"}}
    with pytest.raises(ConfigError, match=r"^--config: experiments\.growth_unit\.dataset = "):
        plan(experiments=experiments)


def test_what_is_left_out_says_where_its_settings_stand() -> None:
    name = "boundary_four_point"
    made = plan(experiments={name: {"activation": "rleu"}})
    assert made.left_out[name].startswith(f"--config: experiments.{name}.activation = 'rleu'")


def test_a_figure_goes_with_the_experiment_that_is_taken_away() -> None:
    made = plan(experiments={"boundary_four_point": None})
    assert "boundary_four_point" not in made.figures
    with pytest.raises(ConfigError, match="there is no experiment boundary_four_point"):
        made.check_target("figures/boundary_four_point.pdf")
