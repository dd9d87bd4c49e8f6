"""`regimes cost`: what would run, and what it may take."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

from regimes.errors import ConfigError
from regimes.plan.placement import START_SECONDS
from regimes.plan.plan import Plan
from regimes.plan.provenance import config_hash
from regimes.storage.sealed import sealed
from regimes.tools import cli, cost
from regimes.tools.dry_run import Job, dry_run
from regimes.tools.records import FILES, Record, all_records, kind_of, read_table, records, work
from regimes.tools.settings import plan_of

ROOT = Path(__file__).resolve().parents[2]
TARGET = "figures/phase_diagram.pdf"
JOB = Job("train", "some", "abc", 1000.0, ("data",), ("run",), 0, 0)
RECORD = Record("train", "some", "abc", 1000.0, 50.0, 60.0, 2_000_000)


def snakemake(directory: Path, *arguments: str) -> list[str]:
    return ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory), *arguments]


@pytest.mark.slow
def test_snakemake_says_which_jobs_would_start(tmp_path: Path) -> None:
    options = ("--cores", "3", "--quiet", "--config", "scale=smoke", "--", TARGET)
    planned = dry_run(snakemake(tmp_path, *options))
    assert planned.cores == 3 and planned.scale == "smoke" and planned.directory == tmp_path
    names = [(job.rule, job.name) for job in planned.jobs]
    assert sorted(set(names)) == [
        ("data", "four_point"),
        ("figure", "phase_diagram"),
        ("measure", "phase_diagram"),
        ("train", "phase_diagram"),
    ]
    trainings = [job for job in planned.jobs if job.rule == "train"]
    # 4 values of gamma, 3 widths; a gamma' and a seed of their own.
    assert len(trainings) == 6 and len({job.settings for job in trainings}) == 6
    assert {job.input for job in trainings} == {("results/data/four_point.nc",)}
    measure = next(job for job in planned.jobs if job.rule == "measure")
    assert measure.work == sum(job.work for job in trainings)
    assert {job.output[0] for job in trainings} < set(measure.input)
    assert not (tmp_path / "results/runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config", "scale=big"), "scale = 'big'; allowed: laptop, smoke, paper"),
        (
            ("--cores", "x"),
            "error: snakemake: CliException: Error parsing number of cores (--cores, -c): must be",
        ),
        (("no_such_target",), "No rule to produce no_such_target"),
        (("--unlock",), "--unlock starts no jobs"),
        (("--delete-all-output",), "--delete-all-output starts no jobs"),
        (("--lint",), "--lint starts no jobs"),
        (("--touch",), "--touch starts no jobs"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: tuple[str, ...], message: str
) -> None:
    assert cli.main(["cost", *snakemake(tmp_path, *arguments)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["cost", "--help"])
    assert caught.value.code == 0
    assert "regimes cost --cores 8 figures/" in capsys.readouterr().out


def estimated(here: list[Record], table: list[Record], job: Job = JOB) -> tuple:
    (one,) = cost.estimate([job], here, table, "laptop")
    return one.origin, one.seconds, one.size


def test_same_settings_here_come_first() -> None:
    other = replace(RECORD, settings="other", seconds=1.0)
    twice = [RECORD, replace(RECORD, seconds=70.0), other]
    assert estimated(twice, [other]) == (cost.HERE, 60.0, 2e6)


def test_other_blocks_are_scaled_by_their_work() -> None:
    near = replace(RECORD, settings="other", work=500.0)
    far = replace(RECORD, settings="other", work=200.0, seconds=1000.0)
    table = [replace(RECORD, settings=None)]
    assert estimated([far, near], table) == (cost.SCALED, 100.0, 4e6)
    # Not over more than a factor of ten, as from tiny runs to large ones.
    tiny = replace(near, work=99.0)
    assert estimated([tiny], table) == (cost.TABLE, 50.0, 2e6)
    assert estimated([tiny], []) == (cost.UNKNOWN, None, None)
    # Nor from other experiments, or other stages.
    assert estimated([replace(near, name="other")], [replace(RECORD, rule="probe")])[1] is None


def test_an_estimate_of_the_engine_comes_last() -> None:
    job = replace(JOB, seconds=7e4)
    assert estimated([], [], job) == (cost.GUESSED, 7e4, None)
    assert estimated([], [RECORD], job)[0] == cost.TABLE


def test_jobs_that_do_not_train_take_what_others_of_their_rule_do() -> None:
    job = replace(JOB, rule="measure", name="mine", work=None)
    rows = [replace(RECORD, rule="measure", name=str(n), seconds=n) for n in (1.0, 2.0, 60.0)]
    assert estimated([], rows, job) == (cost.GUESSED, 2.0, None)
    assert estimated([], [replace(rows[0], rule="train")], job)[0] == cost.UNKNOWN
    # Of trainings it says nothing.
    assert estimated([], [replace(RECORD, name="other")])[0] == cost.UNKNOWN


def test_jobs_on_a_gpu_have_times_of_gpus_or_guesses() -> None:
    job = replace(JOB, gpu=1, gpu_gain=10.0, sharing=5, seconds=7e4)
    there = replace(RECORD, device="cuda", seconds=8.0)
    assert estimated([RECORD, there], [RECORD], job) == (cost.HERE, 8.0, 2e6)
    # Nor do those count for a job on the CPU.
    assert estimated([there], [], JOB)[0] == cost.UNKNOWN
    start = START_SECONDS / 5
    assert estimated([RECORD], [], job) == (cost.ON_GPU, 5.0 + start, 2e6)
    assert estimated([], [], job) == (cost.ON_GPU, 7e3 + start, None)
    assert estimated([], [], replace(job, seconds=None))[0] == cost.UNKNOWN
    text = cost.report(cost.estimate([job], [RECORD], [], None), cores=2)
    assert "estimate for a GPU" in text


@pytest.mark.slow
def test_jobs_that_share_a_process_are_told_apart(tmp_path: Path) -> None:
    options = ("--cores", "3", "--config", "scale=smoke", "device=cuda", "--", TARGET)
    trainings = [one for one in dry_run(snakemake(tmp_path, *options)).jobs if one.rule == "train"]
    assert len(trainings) == 6 and len({job.settings for job in trainings}) == 6
    assert {(job.name, job.gpu, job.sharing) for job in trainings} == {("phase_diagram", 1, 6)}
    assert all(job.seconds and job.gpu_gain > 1 for job in trainings)


def test_data_and_figures_of_the_table_are_of_the_scale() -> None:
    job = replace(JOB, rule="features", name="pictures", work=None)
    assert job.kind == ("data", "pictures")
    row = replace(RECORD, rule="data", name="pictures", work=None, settings=None, scale="laptop")
    assert estimated([], [row], job) == (cost.TABLE, 50.0, 2e6)
    assert estimated([], [replace(row, scale="smoke")], job)[0] == cost.UNKNOWN
    # The same data at another scale.
    assert estimated([], [replace(row, scale="smoke", settings="ab")], job)[0] == cost.TABLE
    assert estimated([], [replace(row, scale="smoke", settings="b")], job)[0] == cost.UNKNOWN
    # Other settings of the same data here say nothing of these.
    assert estimated([replace(row, settings="other", scale=None)], [], job)[0] == cost.UNKNOWN


def test_report_sums_what_is_known_and_counts_the_rest() -> None:
    jobs = [JOB, replace(JOB, output=("other",)), replace(JOB, rule="measure", name="new")]
    text = cost.report(cost.estimate(jobs, [RECORD], [], None), cores=2)
    lines = [line.split() for line in text.splitlines()]
    assert ["train", "some", "2", "1.7", "4.0", "measured", "here"] in lines
    assert ["measure", "new", "1", "?", "?", "unknown"] in lines
    assert "wall time   at least 0.8 min on 2 cores," in text and "unknown     1 job," in text
    assert "CPU time    at least 1.7 min" in text
    assert "disk        at least 4.0 MB, unknown of 1 job" in text
    text = cost.report(cost.estimate(jobs[:2], [RECORD], [], None), cores=2)
    assert "CPU time    1.7 min" in text and "disk        4.0 MB\n" in f"{text}\n"
    assert cost.report([], 1) == "nothing to be done"


def test_a_sum_of_nothing_known_is_unknown() -> None:
    jobs = [JOB, replace(JOB, output=("other",))]
    text = cost.report(cost.estimate(jobs, [], [], None), cores=2)
    for line in ("CPU time    ? min", "wall time   ? min on 2 cores", "disk        ? MB"):
        assert line in text
    unsized = cost.report(cost.estimate(jobs, [replace(RECORD, size=None)], [], None), cores=2)
    assert "CPU time    1.7 min" in unsized and "disk        ? MB, unknown of 2 jobs" in unsized
    other = replace(JOB, settings="other", work=None)
    mixed = cost.report(cost.estimate([JOB, other], [RECORD], [], None), cores=2)
    assert "train  some     2  at least 0.8  at least 2.0  1 measured here, 1 unknown" in mixed


def test_jobs_of_unknown_time_are_waited_for() -> None:
    between = replace(JOB, name="new", input=("run",), output=("made",))
    last = replace(JOB, input=("made",), output=("last",))
    text = cost.report(cost.estimate([JOB, between, last], [RECORD], [], None), cores=3)
    assert "wall time   at least 1.7 min" in text


def test_gpus_limit_the_jobs_that_want_one() -> None:
    jobs = [replace(JOB, gpu=1, output=(f"run{index}",)) for index in range(4)]
    estimates = cost.estimate(jobs, [replace(RECORD, device="cuda")], [], None)
    assert "wall time   4.0 min on 8 cores and 1 GPU," in cost.report(estimates, 8, 1)
    assert "wall time   2.0 min on 8 cores and 2 GPUs," in cost.report(estimates, 8, 2)
    # Nothing limits them, as with Slurm, but the number of jobs.
    assert "wall time   1.0 min on 8 cores," in cost.report(estimates, 8)
    assert "wall time   2.0 min on 2 cores," in cost.report(estimates, 2)


@pytest.mark.slow
def test_gpus_are_those_of_the_command_line_or_the_profile(tmp_path: Path) -> None:
    options = ("--cores", "3", "--config", "scale=smoke", "--", "results/data/four_point.nc")
    given = ("--resources", "gpu=4", "mem_mb=1000")
    assert dry_run(snakemake(tmp_path, *given, *options)).gpus == 4
    assert dry_run(snakemake(tmp_path, *options)).gpus == 1
    profile = ("--workflow-profile", str(ROOT / "profiles/gpu"))
    assert dry_run(snakemake(tmp_path, *profile, *options)).gpus == 2
    none = ("--workflow-profile", "none")
    assert dry_run(snakemake(tmp_path, *none, *options)).gpus is None


def test_jobs_wait_for_files_cores_and_gpus() -> None:
    first = replace(JOB, input=(), output=("a",))
    second = replace(JOB, input=("a", "not made here"), output=("b",))
    apart = [replace(JOB, input=(), output=(f"x{index}",)) for index in range(5)]
    with_gpu = [replace(job, gpu=1) for job in apart]
    seconds = [4.0] * 5
    assert cost.wall_seconds([second, first], [5.0, 10.0], 8) == 15.0
    assert cost.wall_seconds(apart, seconds, 2) == 12.0
    assert cost.wall_seconds(apart, seconds, 1) == 20.0
    assert cost.wall_seconds(with_gpu, seconds, 8) == 20.0
    # Jobs that can never start.
    assert cost.wall_seconds(with_gpu, seconds, 8, 0) == 0.0
    # The long one first, as its priority says.
    prior = replace(first, priority=1)
    assert cost.wall_seconds([*apart[:2], prior], [4.0, 4.0, 10.0], 2) == 10.0
    assert cost.wall_seconds([*apart[:2], first], [4.0, 4.0, 10.0], 2) == 14.0
    assert cost.wall_seconds([], [], 2) == 0.0


def test_work_counts_neurons_points_and_steps() -> None:
    axes = {"width": [10, 30], "n_train": [5], "seed": [0, 1]}
    flow = {"engine": "gradient_flow", "solver": {"max_steps": 9}, "axes": axes}
    assert work(flow) == 40 * 5 * 2
    descent = {"engine": "function_space.node_scaled", "max_steps": 100, "axes": axes}
    assert work(descent) == 100 * work(flow)
    grids = flow | {"axes": {"seed": [0, 1]}, "grids": [{"width": [1]}, {"width": [2, 3]}]}
    assert work(grids) == 12
    assert work({"experiments": {"a": flow, "b": grids}}) == 412
    assert work({"experiments": {"a": flow, "b": {}}}) is None
    assert work({"kind": "points"}) is None


@pytest.mark.slow
def test_claims_of_all_papers_and_the_explorer_are_known(tmp_path: Path) -> None:
    targets = ("--config", "scale=smoke", "--", "results/claims.nc", "results/explorer.html")
    jobs = [
        job
        for job in dry_run(snakemake(tmp_path, "--cores", "1", *targets)).jobs
        if job.rule in ("all_claims", "explorer")
    ]
    assert sorted(job.rule for job in jobs) == ["all_claims", "explorer"]
    for scale in ("smoke", "laptop"):
        shipped = cost.estimate(jobs, [], read_table(), scale)
        assert {one.origin for one in shipped} == {cost.TABLE}
    for log, file in (("claims", "claims.nc"), ("explorer", "explorer.html")):
        (tmp_path / "results/logs").mkdir(exist_ok=True)
        (tmp_path / f"results/logs/{log}.log").write_text("    12.0 s  finished\n")
        (tmp_path / "results" / file).write_text("x" * 1000)
    here = list(records(tmp_path, [tmp_path / "results"]))
    for one in cost.estimate(jobs, here, read_table(), "smoke"):
        assert (one.origin, one.seconds, one.size) == (cost.HERE, 12.0, 1000)


@pytest.mark.parametrize(
    "experiment",
    [
        "phase_diagram_tanh",
        "phase_diagram_gelu",
        "phase_diagram_leaky_relu",
        "growth_unit",
        "growth_inverse_root",
        "growth_inverse",
        "conservation",
        "typical_cases",
    ],
)
def test_trainings_at_laptop_scale_are_in_the_table(laptop: Plan, experiment: str) -> None:
    settings = [block.settings for block in laptop.jobs_of(experiment)]
    jobs = [replace(JOB, name=experiment, settings="new", work=work(one)) for one in settings]
    assert {one.origin for one in cost.estimate(jobs, [], read_table(), "laptop")} == {cost.TABLE}


@pytest.fixture(scope="module")
def laptop() -> Plan:
    return plan_of()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("results/data/airfoil.nc", ("data", "airfoil")),
        ("results/runs/some/gamma=0.5-0123456789abcdef.nc", ("train", "some")),
        ("results/probes/some/pruning/all-0123456789abcdef.nc", ("probe", "some/pruning")),
        ("results/measures/some.nc", ("measure", "some")),
        ("results/claims/luo2021.nc", ("claims", "luo2021")),
        ("results/claims.nc", ("all_claims", "all_claims")),
        ("results/explorer.html", ("explorer", "explorer")),
        ("figures/luo2021/fig03_growth.pdf", ("figure", "luo2021/fig03_growth")),
        ("figures/table.csv", ("table", "table")),
        ("figures/table.png", None),
        ("results/code/data-airfoil.txt", None),
    ],
)
def test_paths_tell_the_kind_of_a_job(path: str, kind: tuple[str, str] | None) -> None:
    assert kind_of(path) == kind


@pytest.fixture
def results(tmp_path: Path, write_result: Callable[..., None]) -> Path:
    """A folder with a run that says its time and one that only its log tells of."""
    block = {
        "experiment": "some",
        "engine": "gradient_flow",
        "axes": {"width": [10], "seed": [0]},
    }
    for name, logged in (("new", "99.0"), ("old", "7.5")):
        path = tmp_path / f"results/runs/some/{name}-0123456789abcdef.nc"
        write_result(path, "Runs of it", block | {"datasets": {"d": {}}})
        if name == "old":
            dataset = xr.load_dataset(path)
            del dataset.attrs["cpu_seconds"]
            with sealed(path) as temporary:
                dataset.to_netcdf(temporary)
        log = tmp_path / f"results/logs/runs/some/{path.stem}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"     0.0 s  started\n{logged:>8} s  finished\n")
    (tmp_path / "results/runs/some/damaged-0123456789abcdef.nc").write_text("no NetCDF")
    (tmp_path / "results/logs/figures").mkdir()
    (tmp_path / "results/logs/figures/failed.log").write_text("     0.0 s  started\nerror: x\n")
    return tmp_path


def test_records_are_read_from_files_and_logs(results: Path) -> None:
    new, old = all_records(results)
    assert list(records(results, [results / "results/runs/some"])) == [new, old]
    settings = {"experiment": "some", "engine": "gradient_flow"}
    settings["axes"] = {"width": [10], "seed": [0]}
    assert new.settings == old.settings == config_hash(settings)
    assert (new.rule, new.name, new.work) == ("train", "some", 10.0)
    # From the attribute, not the log.
    assert 0 < new.seconds != 99.0 and old.seconds == old.wall == 7.5
    path = results / "results/runs/some/new-0123456789abcdef.nc"
    assert new.size == path.stat().st_size


def test_a_recorded_table_is_read_again(results: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["cost", "--record", str(results), "--machine", "my, machine"]) == 0
    path = results / "times.csv"
    printed = capsys.readouterr().out
    path.write_text(f"# A comment.\n{printed}")
    (line,) = csv.DictReader(printed.splitlines())
    assert line["jobs"] == "2" and line["machine"] == "my, machine"
    (row,) = read_table(path)
    new, old = all_records(results)
    assert row.work == 10.0
    assert len(row.settings) == 12 and new.settings.startswith(row.settings)
    assert row.seconds == pytest.approx((new.seconds + old.seconds) / 2, abs=0.06)
    path.write_text("rule,name\ntrain,some\n")
    with pytest.raises(ConfigError, match=r"times\.csv is no table of times"):
        read_table(path)
    assert cli.main(["cost", "--record", str(results / "nothing")]) == 1


def test_the_shipped_table_is_sound() -> None:
    table = read_table()
    assert len(table) > 100
    keys = [(row.rule, row.name, row.scale, row.work) for row in table]
    assert len(set(keys)) == len(keys)
    assert all(row.seconds >= 0 and (row.size is None or row.size > 0) for row in table)
    assert {row.rule for row in table} <= set(FILES)
