"""regimes check: every file is what its name says, or is named."""

import errno
import itertools
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure

from regimes.engines.common.resume import load, save
from regimes.errors import StoreError
from regimes.plan.plan import Plan
from regimes.plan.stages import Stage
from regimes.plotting.save import save as save_figure
from regimes.storage import store
from regimes.tools import check, cli

FIGURE = "phase_diagram"
SMOKE = ["--config", "scale=smoke"]
STATE = f"results/states/phase_diagram/{'0' * 64}-{'1' * 16}.pt"
CHECKPOINT = f"results/checkpoints/{'2' * 64}-{'3' * 16}.pt"
DAMAGES = 240


def planned(plan: Plan) -> list[Stage]:
    """A stage of each kind that makes a NetCDF file, two of the kinds with many."""
    jobs, probes = plan.jobs_of(FIGURE)[:2], list(plan.probes.values())[:2]
    measures = [plan.measures[name] for name in ("phase_diagram", "condensation")]
    claims = [plan.claims["luo2021"], plan.claims["caron2023"]]
    data = [plan.data[name] for name in ("four_point", "cifar10_features")]
    return [*data, *jobs, *probes, *measures, *claims, plan.all_claims]


@pytest.fixture
def results(tmp_path: Path, plan: Plan, write_result: Callable[..., None]) -> Path:
    """Files as the workflow writes them, with other values."""
    for stage in planned(plan):
        said = {"stage": stage.rule, "name": stage.name, "identity": stage.hash}
        write_result(tmp_path / stage.path, f"file of {stage.path}", stage.settings, **said)
    for path in (STATE, CHECKPOINT):
        (tmp_path / path).parent.mkdir(parents=True)
        save({"limit": 3, "states": torch.arange(500.0)}, tmp_path / path)
    figure = plan.figures[FIGURE]
    save_figure(
        Figure(),
        *(tmp_path / output for output in figure.outputs),
        title=FIGURE,
        config_hash=figure.settings_hash,
        identity=figure.hash,
        code_hash=figure.code,
        source=figure.module,
        scale="smoke",
        measures=[FIGURE],
    )
    plan.write_stamps(tmp_path)
    return tmp_path


def states(directory: Path, plan: Plan) -> dict[str, str]:
    """The states of the files that are there."""
    found = check.check(directory, plan)
    return {str(one.path): one.state for one in found if one.state != "missing"}


def test_whole_files_are_whole(results: Path, plan: Plan, capsys: Any) -> None:
    found = states(results, plan)
    others = {STATE: "other", CHECKPOINT: "other"}
    assert {path: state for path, state in found.items() if state != "whole"} == others
    assert cli.main(["check", "--directory", str(results), *SMOKE]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == list(check.STATES)
    assert "damaged:" not in out and "foreign:" not in out


def test_files_of_another_config_are_told_apart(results: Path, plan: Plan) -> None:
    (other,) = (plan.data["four_point"],)
    changed = check.settings.plan_of(
        {"scale": "smoke", "experiments": {FIGURE: {"solver": {"tolerance": 0.01}}}}
    )
    found = states(results, changed)
    assert found[f"results/measures/{FIGURE}.nc"] == "stale"
    assert found[f"figures/{FIGURE}.pdf"] == found[f"figures/{FIGURE}.png"] == "stale"
    assert {found[job.path] for job in plan.jobs_of(FIGURE)[:2]} == {"other"}
    assert found[other.path] == "whole"


def test_paths_of_the_config_count_from_the_directory(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    mine = "datasets={mine: {kind: file, path: table.csv, target: y}}"
    assert cli.main(["check", "--directory", str(tmp_path), *SMOKE, mine]) == 0
    assert "missing" in capsys.readouterr().out


def test_a_page_is_whole_whatever_was_planned_in_between(results: Path, plan: Plan) -> None:
    claims = plan.claims["luo2021"]
    page = claims.outputs[1]
    (results / page).write_text("# Claims\n")
    stamp = results / str(claims.stamp)
    later = time.time() + 1
    os.utime(stamp, (later, later))  # as a dry run of another config and one of this leave it
    assert states(results, plan)[page] == "whole"
    (results / claims.path).unlink()
    assert states(results, plan)[page] == "stale"


def test_another_file_under_a_planned_name_is_foreign(
    results: Path, plan: Plan, capsys: Any
) -> None:
    paths = [stage.path for stage in planned(plan)]
    for first, second in itertools.pairwise(paths):
        shutil.copy(results / first, results / "kept")
        shutil.copy(results / second, results / first)
        assert states(results, plan)[first] == "foreign", (first, second)
        shutil.copy(results / "kept", results / first)
    mine = results / "results/runs/phase_diagram/notes.txt"
    mine.write_text("not the workflow's")
    shutil.copy(results / paths[0], results / paths[2])
    command = ["check", "--directory", str(results), *SMOKE]
    assert cli.main(command) == 1
    assert f"foreign: {paths[2]} says that it is 'file of {paths[0]}'" in (capsys.readouterr().out)
    assert cli.main([*command, "--repair"]) == 0
    assert not (results / paths[2]).exists() and mine.exists()
    assert cli.main(command) == 0


def test_other_settings_that_snakemake_takes_for_done_are_foreign(
    results: Path, plan: Plan, write_result: Callable[..., None]
) -> None:
    stage = plan.measures[FIGURE]
    said = {"stage": stage.rule, "name": stage.name, "identity": "0" * 64}
    write_result(results / stage.path, "of another config", {}, **said)
    assert states(results, plan)[stage.path] == "foreign"
    # It is made again where its stamp is of other settings, or newer.
    (results / stage.stamp).write_text("other settings")
    assert states(results, plan)[stage.path] == "stale"
    plan.write_stamps(results)
    os.utime(results / stage.path, (1, 1))
    assert states(results, plan)[stage.path] == "stale"


@pytest.mark.parametrize("error", [errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_what_cannot_be_read_is_never_removed(
    results: Path, plan: Plan, error: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    job = plan.jobs_of(FIGURE)[0].path
    opened = Path.open

    def refused(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == Path(job).name:
            raise OSError(error, os.strerror(error), str(path))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refused)
    assert cli.main(["check", "--directory", str(results), "--repair", *SMOKE]) == 1
    out = capsys.readouterr().out
    assert f"unreadable: {results / job} cannot be read: " in out and "(left alone)" in out
    assert (results / job).exists()


def test_a_folder_in_the_place_of_a_file_is_left_alone(results: Path, plan: Plan) -> None:
    path = results / plan.data["four_point"].path
    path.unlink()
    path.mkdir()
    assert cli.main(["check", "--directory", str(results), "--repair", *SMOKE]) == 1
    assert path.is_dir()


@pytest.mark.parametrize("suffix", ["pdf", "png"])
@pytest.mark.parametrize("damage", ["empty", "half", "flip"])
def test_figures_that_are_not_whole_are_found(
    results: Path, plan: Plan, suffix: str, damage: str
) -> None:
    path = results / f"figures/{FIGURE}.{suffix}"
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    if damage == "flip":
        content[half] ^= 1
    path.write_bytes({"empty": b"", "half": content[:half], "flip": content}[damage])
    assert states(results, plan)[f"figures/{FIGURE}.{suffix}"] == "damaged"


def test_what_lies_behind_links_is_left_alone(results: Path, plan: Plan, tmp_path: Path) -> None:
    away = tmp_path / "away"
    (results / "results/runs").rename(away)
    (results / "results/runs").symlink_to(away)
    job = plan.jobs_of(FIGURE)[0]
    shutil.copy(results / plan.data["four_point"].path, results / job.path)
    assert cli.main(["check", "--directory", str(results), "--repair", *SMOKE]) == 1
    assert (results / job.path).exists()


@pytest.mark.slow
def test_no_damage_is_silent(results: Path, plan: Plan) -> None:
    """Bits are flipped, parts zeroed or cut off and files exchanged, in every kind of file."""
    random_ = random.Random(7)
    readers: dict[str, Callable[[Path], object]] = {
        stage.path: lambda path, stage=stage: store.read(path, identity=stage.hash)
        for stage in planned(plan)
    }
    readers |= {STATE: load, CHECKPOINT: load}
    contents = {path: (results / path).read_bytes() for path in readers}
    for number in range(DAMAGES):
        path = list(readers)[number % len(readers)]
        damaged = bytearray(contents[path])
        kind = random_.choice(["flip", "zero", "cut", "exchange"])
        start = random_.randrange(len(damaged))
        if kind == "flip":
            damaged[start] ^= 1 << random_.randrange(8)
        elif kind == "zero":
            damaged[start : start + 512] = bytes(len(damaged[start : start + 512]))
        elif kind == "cut":
            damaged = damaged[:start]
        else:
            alike = [
                one
                for one in readers
                if one != path and Path(one).suffix == path[-len(Path(path).suffix) :]
            ]
            damaged = bytearray(contents[random_.choice(alike)])
        if damaged == contents[path]:
            continue
        (results / path).write_bytes(damaged)
        began = time.monotonic()
        with pytest.raises(StoreError) as caught:
            readers[path](results / path)
        assert time.monotonic() - began < 5, (path, kind, start)
        line = str(caught.value)
        assert Path(path).name in line and "\n" not in line, (path, kind, start)
        (results / path).write_bytes(contents[path])
        readers[path](results / path)
