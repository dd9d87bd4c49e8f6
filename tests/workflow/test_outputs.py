"""What the workflow writes, where, and how it starts."""

import json
import re
from pathlib import Path

import matplotlib.image
import pytest
import xarray as xr
from harness import PAPER, ROOT, SMALL, SMOKE, Workflow, copy_checkout
from PIL import Image

from regimes.config.load import load
from regimes.plan.absent import without_absent
from regimes.plan.plan import Plan
from regimes.tools import settings
from regimes.tools.cli import main

GLOBAL_ATTRIBUTES = {
    "title",
    "source",
    "references",
    "history",
    "regimes_version",
    "git_commit",
    "config",
    "device",
    "torch_version",
    "created",
    "Conventions",
    "cpu_seconds",
    "wall_seconds",
    "peak_memory",
}


def test_everything_lands_in_the_directory(finished: Workflow) -> None:
    assert {path.name for path in finished.directory.iterdir()} == {
        "results",
        "figures",
        ".snakemake",
    }
    left_behind = {path.name for path in finished.checkout.iterdir()}
    assert not left_behind & {"results", "figures", ".snakemake"}
    assert not list(finished.directory.rglob("*.tmp"))


def test_files_describe_themselves(finished: Workflow) -> None:
    paths = finished.files("results/**/*.nc")
    assert len(paths) == 9
    for path in paths:
        with xr.open_dataset(path) as dataset:
            assert set(dataset.attrs) >= GLOBAL_ATTRIBUTES, path
            assert dataset.attrs["Conventions"] == "CF-1.11"
            assert isinstance(json.loads(dataset.attrs["config"]), dict)
            for name, variable in dataset.variables.items():
                assert {"long_name", "units"} <= set(variable.attrs), (path, name)


def test_measures_cover_the_grid(finished: Workflow) -> None:
    with xr.open_dataset(finished.directory / "results/measures/phase_diagram.nc") as measures:
        assert dict(measures.sizes) | {"gamma_prime": 3, "gamma": 4, "width": 3, "seed": 2} == dict(
            measures.sizes
        )
        config = json.loads(measures.attrs["config"])
        scale = measures.attrs["scale"]
    assert config["scale"] == scale == "smoke"
    assert config["experiments"]["phase_diagram"]["axes"]["seed"] == [0, 1]


def test_figures_carry_their_provenance(finished: Workflow) -> None:
    png = finished.directory / "figures/phase_diagram.png"
    with Image.open(png) as image:
        hashes = image.text
    assert hashes["source"] == "regimes.papers.luo2021.diagram"
    assert (hashes["scale"], hashes["measures"]) == ("smoke", "phase_diagram")
    for name in ("config_hash", "code_hash"):
        assert re.fullmatch("[0-9a-f]{64}", hashes[name])
        pdf = (finished.directory / "figures/phase_diagram.pdf").read_bytes()
        assert f"{name}={hashes[name]}".encode() in pdf
    assert matplotlib.image.imread(png).std() > 0.01


def test_claims_come_with_a_table(finished: Workflow) -> None:
    with xr.open_dataset(finished.directory / "results/claims/luo2021.nc") as claims:
        assert "L1" in claims["claim"].values
    assert "| L1 |" in (finished.directory / "results/claims/luo2021.md").read_text()


def test_every_job_has_a_log(finished: Workflow) -> None:
    logs = finished.files("results/logs/**/*.log")
    assert len(logs) == 10
    assert all("finished" in path.read_text() for path in logs)


def test_slow_blocks_start_first(finished: Workflow) -> None:
    output = (finished.directory.parent / "first_run.log").read_text()
    started = [float(value) for value in re.findall(r"job=gamma_prime=(-?[\d.]+)_", output)]
    assert started == sorted(started)
    assert len(started) == 6


def test_dry_run_imports_no_torch(fresh: Workflow, tmp_path: Path) -> None:
    poison = tmp_path / "poison/torch"
    poison.mkdir(parents=True)
    (poison / "__init__.py").write_text("raise SystemExit('torch was imported')\n")
    result = fresh.run("-n", targets=(), config=(), PYTHONPATH=str(poison.parent))
    assert result.code == 0, result.output
    plan = Plan.from_config(without_absent(load(ROOT / "config.yaml"), fresh.directory))
    jobs = [job for job in plan.jobs.values() if not plan.measures[job.experiment].on_request]
    assert result.jobs["train"] == len(jobs) >= 27


def test_paper_is_a_target(fresh: Workflow) -> None:
    jobs = fresh.plan(targets=(PAPER,), config=SMOKE).jobs
    assert jobs["figure"] >= 1 and jobs["claims"] == 1


def test_report_has_caption_category_and_labels(finished: Workflow) -> None:
    result = finished.run("--report", "report.html")
    assert result.code == 0, result.output
    path = finished.directory / "report.html"
    report = path.read_text()
    path.unlink()
    figure = finished.config()["figures"]["phase_diagram"]
    assert "Phase diagram of two-layer ReLU networks" in report
    assert finished.config()["papers"]["luo2021"]["title"] in report
    for label, value in figure["labels"].items():
        assert f'"{label}": "{value}"' in report


def test_the_tools_plan_what_snakemake_runs(tmp_path: Path) -> None:
    """Whatever `scales` of config.yaml and of a config file say, the command line holds."""
    workflow = Workflow(copy_checkout(tmp_path / "checkout"), tmp_path / "out")
    said = (
        "phase_diagram: {scales: {smoke: {solver: {tolerance: 0.05}}}, solver: {tolerance: 0.01}}"
    )
    workflow.edit("config.yaml", "experiments: {}", f"experiments: {{{said}}}")
    user = tmp_path / "user.yaml"
    user.write_text(f"experiments: {{{said}}}\n")
    # The value that config.yaml has already.
    config = ("scale=smoke", "experiments={phase_diagram: {solver: {tolerance: 0.01}}}")
    own = workflow.checkout / "config.yaml"
    for files in ([], [str(user)]):
        plan = Plan.from_config(load(own, settings.overrides(config, files)))
        job = plan.jobs_of("phase_diagram")[0]
        assert job.settings["solver"]["tolerance"] == 0.01
        options = ("--configfile", *files) if files else ()
        planned = workflow.plan(*options, targets=(job.path,), config=config)
        assert planned.jobs == {"data": 1, "train": 1}


def test_a_file_that_is_there_but_that_nothing_makes_is_named(tmp_path: Path) -> None:
    workflow = Workflow(copy_checkout(tmp_path / "checkout"), tmp_path / "out")
    path = workflow.directory / "figures/phase_diagrams.pdf"
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    result = workflow.run("-n", targets=("figures/phase_diagrams.pdf",))
    assert result.code == 1 and "Exception" not in result.output
    assert "no rule makes this file with the present config; did you mean" in result.output


def test_configfile_and_config_win_over_the_overlay(fresh: Workflow, tmp_path: Path) -> None:
    axes = "experiments: {phase_diagram: {axes: {seed: [0, 1, 2, 3]}}}\n"
    user = tmp_path / "user.yaml"
    user.write_text(axes)
    # The overlay: 3 values of gamma_prime x 2 seeds. --configfile: 4 seeds. --config: 1 seed.
    assert fresh.plan("--configfile", str(user)).jobs["train"] == 12
    one = "experiments={phase_diagram: {axes: {seed: [5]}}}"
    assert fresh.plan("--configfile", str(user), config=(*SMALL, one)).jobs["train"] == 3


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("scale=big", ["scale = 'big'", "laptop, smoke, paper"]),
        (
            "experiments={phase_diagram: {activation: relo}}",
            ["experiments.phase_diagram.activation = 'relo'", "allowed:", "relu"],
        ),
    ],
)
def test_bad_config_stops_with_one_line(fresh: Workflow, config: str, expected: list[str]) -> None:
    result = fresh.run("-n", config=(config,))
    assert result.code == 1
    lines = [line for line in result.output.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert all(text in lines[0] for text in expected), lines
    assert "Traceback" not in result.output


def test_every_file_knows_its_origin(finished: Workflow, capsys: pytest.CaptureFixture) -> None:
    for pattern in ("figures/*.p*", "results/**/*.nc"):
        for path in finished.files(pattern):
            arguments = ["--directory", str(finished.directory), "--config", *SMALL]
            assert main(["origin", str(path), *arguments]) == 0
            assert "state        up to date" in capsys.readouterr().out, path
