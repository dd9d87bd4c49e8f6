"""`regimes prune`: what it deletes, and what it never touches."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from regimes.engines.registry import settings_classes
from regimes.errors import StoreError
from regimes.plan import settings as plan_settings
from regimes.plan.plan import Plan
from regimes.plan.state_names import complete_name
from regimes.storage import versions as revision
from regimes.tools import cli, prune, settings

SMOKE = {"scale": "smoke"}


def touch(directory: Path, *paths: str) -> set[str]:
    for path in paths:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text("x" * 1000)
    return set(paths)


OTHER_SETTINGS = (
    "results/runs/phase_diagram/gamma_prime=0.0_seed=0-0123456789abcdef.nc",
    "results/probes/caron2023_energy/pruning/all-0123456789abcdef.nc",
)


@pytest.fixture
def results(
    tmp_path: Path, plan: Plan, write_result: Callable[..., None]
) -> tuple[Path, set[str], set[str]]:
    """A directory, the files that the smoke scale needs, and those of other experiments."""
    (tmp_path / "elsewhere").mkdir()
    used = {job.path for job in plan.jobs_of("phase_diagram")}
    used |= {next(iter(plan.probes))}
    touch(tmp_path, *used)
    used |= {"results/data/four_point.nc", *plan.stamps}
    plan.write_stamps(tmp_path)
    for name in ("four_point", "no_more"):
        path = tmp_path / f"results/data/{name}.nc"
        write_result(path, f"Data set {name}", {}, stage="data", name=name)
    unused = touch(tmp_path, *OTHER_SETTINGS) | touch(
        tmp_path,
        "results/runs/no_more/all-0123456789abcdef.nc",
        f"results/checkpoints/{'0' * 64}.pt",
        f"results/checkpoints/{'0' * 64}-{'0' * 16}.pt",
        f"results/states/no_more/{'0' * 64}.pt",
    )
    unused |= {"results/data/no_more.nc", "results/code/data-no_more.txt"}
    stamp = tmp_path / "results/code/data-no_more.txt"
    stamp.write_text(f"code {'0' * 64}\nsettings {'1' * 64}\n")
    return tmp_path, used, unused


FOREIGN = (
    "results/runs/phase_diagram/notes.txt",
    "results/runs/mine-0123456789abcdef.nc",
    "results/runs/phase_diagram/below/all-0123456789abcdef.nc",
    "results/data/mine.nc",
    "results/code/data-mine.txt",
    "results/checkpoints/best.pt",
)
UNTOUCHED = (
    "results/measures/no_more.nc",
    "results/claims/no_more.nc",
    "results/logs/runs/no_more/all-0123456789abcdef.log",
    "figures/no_more.pdf",
    "elsewhere/all-0123456789abcdef.nc",
)


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_only_what_no_config_refers_to_goes(results: tuple, plan: Plan, capsys) -> None:
    directory, used, unused = results
    foreign, untouched = touch(directory, *FOREIGN), touch(directory, *UNTOUCHED)
    found = prune.find(directory, [plan])
    assert set(map(str, found.unused)) == set(OTHER_SETTINGS)
    assert set(map(str, found.unknown)) == unused - set(OTHER_SETTINGS)
    assert set(map(str, found.foreign)) == foreign
    command = ["prune", "--directory", str(directory), "--config", "scale=smoke"]
    before = files(directory)
    assert cli.main(command) == 0
    output = capsys.readouterr().out
    assert files(directory) == before and "nothing was deleted" in output
    assert f"{len(OTHER_SETTINGS)} files" in output and "--unknown lists them" in output
    assert not any(path in output for path in unused - set(OTHER_SETTINGS))
    assert cli.main([*command, "--yes"]) == 0
    assert files(directory) == before - set(OTHER_SETTINGS)
    touch(directory, *OTHER_SETTINGS)
    capsys.readouterr()
    command.append("--unknown")
    assert cli.main(command) == 0
    output = capsys.readouterr().out
    assert all(path in output for path in unused | foreign)
    assert f"{len(unused)} files" in output and not any(path in output for path in used)
    assert cli.main([*command, "--yes"]) == 0
    assert files(directory) == used | foreign | untouched
    assert not (directory / "results/runs/no_more").exists()
    assert (directory / "results/runs").is_dir()


@pytest.mark.slow
def test_other_configs_are_kept(results: tuple, plan: Plan, tmp_path: Path) -> None:
    directory, used, _ = results
    # At laptop scale, nothing of this is needed but data and stamps.
    command = ["prune", "--directory", str(directory), "--yes"]
    other = {"experiments": {"phase_diagram": {"axes": {"seed": [7]}}}}
    mine = settings.plan_of(SMOKE | other).jobs_of("phase_diagram")
    of_file = touch(directory, *(job.path for job in mine))
    file = tmp_path / "mine.yaml"
    file.write_text("scale: smoke\nexperiments: {phase_diagram: {axes: {seed: [7]}}}\n")
    assert cli.main([*command, "--keep-scale", "smoke", "--keep-configfile", str(file)]) == 0
    assert used | of_file <= files(directory)
    assert cli.main([*command, "--keep-scale", "smoke"]) == 0
    assert used <= files(directory) and not of_file & files(directory)
    assert cli.main(command) == 0
    assert not any("results/runs/phase_diagram" in path for path in files(directory))


@pytest.mark.parametrize("build", ["", "+cpu", "+cu130"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_checkpoints_and_end_states_of_the_plan_are_kept(
    results: tuple, plan: Plan, build: str, device: str
) -> None:
    directory, _, _ = results
    for experiment in ("phase_diagram", "razborov2022", "caron2023_energy", "song2021_mnist"):
        job = plan.jobs_of(experiment)[0]
        other = replace(job, code="other")
        for used, unused in (
            (job.checkpoint, other.checkpoint),
            (job.end_states, other.end_states),
        ):
            # The plan does not know the builds of torch nor the devices of the jobs.
            kept, gone = (complete_name(name, job.torch + build, device) for name in (used, unused))
            touch(directory, kept, gone)
            listed = prune.find(directory, [plan])
            found = {str(path) for path in (*listed.unused, *listed.unknown)}
            assert kept not in found and gone in found


def test_end_states_are_those_of_all_limits(plan: Plan) -> None:
    for experiment in plan.measures:
        job = plan.jobs_of(experiment)[0]
        limit = settings_classes()[job.settings["engine"]].limit
        if limit is None or not job.keeps_states:
            assert job.end_states is None, experiment
            continue
        raised = json.loads(json.dumps(job.settings))
        *outer, last = limit
        inner = raised
        for key in outer:
            inner = inner[key]
        inner[last] += 1
        assert replace(job, settings=raised).end_states == job.end_states
        seeded = replace(job, settings=job.settings | {"root_seed": 1})
        assert seeded.end_states != job.end_states


def test_a_locked_directory_is_left_alone(results: tuple, capsys) -> None:
    directory, _, _ = results
    touch(directory, ".snakemake/locks/0.output.lock")
    before = files(directory)
    command = ["prune", "--directory", str(directory), "--config", "scale=smoke"]
    assert cli.main([*command, "--yes"]) == 1
    assert "is locked" in capsys.readouterr().err and files(directory) == before
    # To look is always allowed.
    assert cli.main(command) == 0


def test_temporary_files_go_when_they_are_old(results: tuple, plan: Plan) -> None:
    directory, _, _ = results
    name = "results/runs/phase_diagram/.all-0123456789abcdef.nc.123.tmp"
    touch(directory, name)
    found = prune.find(directory, [plan])
    assert Path(name) not in (*found.unused, *found.foreign)
    of_data = "results/data/.four_point.nc.123.tmp"
    touch(directory, of_data)
    for one in (name, of_data):
        os.utime(directory / one, (1, 1))
        assert Path(one) in prune.find(directory, [plan]).unused


def test_links_are_not_followed(results: tuple, plan: Plan) -> None:
    directory, _, _ = results
    touch(directory, "elsewhere/all-0123456789abcdef.nc")
    link = directory / "results/runs/phase_diagram/link-0123456789abcdef.nc"
    link.symlink_to(directory / "elsewhere/all-0123456789abcdef.nc")
    (directory / "results/runs/linked").symlink_to(directory / "elsewhere")
    found = prune.find(directory, [plan])
    assert {path.name for path in found.foreign} == {link.name, "linked"}


@pytest.mark.parametrize("name", ["results", "results/runs", "results/states"])
def test_linked_folders_are_listed_and_left_alone(
    results: tuple, tmp_path_factory: pytest.TempPathFactory, name: str, capsys
) -> None:
    directory, _, unused = results
    shared = tmp_path_factory.mktemp("shared") / "folder"
    (directory / name).rename(shared)
    (directory / name).symlink_to(shared)
    before = files(shared)
    command = ["prune", "--directory", str(directory), "--config", "scale=smoke", "--yes"]
    command.append("--unknown")
    assert cli.main(command) == 0
    assert files(shared) == before and len(before) > 0
    assert f"left alone: {name}\n" in capsys.readouterr().out
    mine = {path for path in unused if not path.startswith(name + "/")}
    assert not any((directory / path).exists() for path in mine)


def test_a_directory_without_results_is_refused(tmp_path: Path, capsys) -> None:
    assert cli.main(["prune", "--directory", str(tmp_path)]) == 1
    assert "has no folder results" in capsys.readouterr().err
    with pytest.raises(StoreError):
        prune.delete(_locked(tmp_path), [])


def _locked(directory: Path) -> Path:
    touch(directory, ".snakemake/locks/1.input.lock")
    return directory


@pytest.mark.slow
def test_runs_of_either_backbone_are_kept(results: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, _, _ = results
    blocks = set()
    # Whether its images can be had or not.
    monkeypatch.setenv("REGIMES_ABSENT", "{}")
    for there in (True, False):
        monkeypatch.setattr(plan_settings, "is_there", lambda *_, there=there: there)
        of_one = settings.plan_of({}).jobs_of("caron2023_cifar10")
        blocks |= touch(directory, next(iter(of_one)).path)
    assert len(blocks) == 2
    monkeypatch.delenv("REGIMES_ABSENT")
    command = ["prune", "--directory", str(directory), "--yes"]
    assert cli.main(command) == 0
    assert blocks <= files(directory)
    other = ["--config", "datasets={cifar10_features: {backbone: resnet18}}"]
    assert cli.main([*command, *other]) == 0
    assert len(blocks & files(directory)) == 1


def test_runs_that_no_config_knows_are_warned_of(results: tuple, capsys) -> None:
    directory, _, _ = results
    command = ["prune", "--directory", str(directory)]
    assert cli.main([*command, "--config", "scale=smoke"]) == 0
    assert "warning" not in capsys.readouterr().out
    assert cli.main(command) == 0
    assert "warning: no config refers to any of the runs" in capsys.readouterr().out


def test_without_torch_nothing_is_pruned(
    results: tuple, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    directory, _, _ = results
    monkeypatch.setattr(revision, "_installed_version", lambda name: "not installed")
    before = files(directory)
    assert cli.main(["prune", "--directory", str(directory), "--yes"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: torch is not installed") and error.count("\n") == 1
    assert files(directory) == before


def test_files_that_vanish_are_no_error(
    results: tuple, plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    directory, _, _ = results
    name = "results/runs/phase_diagram/.all-0123456789abcdef.nc.123.tmp"
    listed = prune._files

    def vanishing(root: Path):
        if root.name == "runs":
            yield directory / name
        yield from listed(root)

    monkeypatch.setattr(prune, "_files", vanishing)
    found = prune.find(directory, [plan])
    gone = min(OTHER_SETTINGS)
    (directory / gone).unlink()
    monkeypatch.setattr(prune, "find", lambda *_: found)
    assert cli.main(["prune", "--directory", str(directory), "--config", "scale=smoke"]) == 0
    assert f"0.00 MB  {gone}" in capsys.readouterr().out


def test_own_files_are_looked_for_from_the_directory(
    results: tuple, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory, _, _ = results
    (directory / "own.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(50)))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    datasets = "datasets={mine: {kind: file, path: own.csv, target: y}}"
    command = ["prune", "--directory", str(directory), "--config", "scale=smoke", datasets]
    assert cli.main(command) == 0
    data = str(directory / "results/data/four_point.nc")
    command[0:1] = ["origin", data]
    assert cli.main(command) == 0
    assert cli.main(["prune", "--directory", str(directory / "none")]) == 1
    assert cli.main(["origin", data, "--directory", str(directory / "none")]) == 1
