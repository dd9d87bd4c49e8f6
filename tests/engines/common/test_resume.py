"""Jobs of every engine that were killed, or whose limit is raised, go on with the same bits."""

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from resumed_jobs import ResumedJob
from small_jobs import FIRST_CAP, KINDS, full_batch, node_scaled, students

from regimes.engines.common import runner
from regimes.engines.common.recording import refitted
from regimes.engines.common.resume import Checkpoint, save
from regimes.engines.registry import settings_classes
from regimes.errors import StoreError
from regimes.jobs import resources as usage


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> ResumedJob:
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def whole(kind: ResumedJob) -> xr.Dataset:
    return kind.run(kind.cap)


@pytest.mark.slow
def test_a_raised_cap_gives_the_bits_of_an_uninterrupted_training(
    kind: ResumedJob, whole: xr.Dataset, tmp_path: Path
) -> None:
    for index, cap in enumerate(kind.caps):
        folder = tmp_path / str(index)
        # Keeping states changes nothing.
        xr.testing.assert_identical(kind.run(cap, folder), kind.run(cap))
        lines: list[str] = []
        continued = kind.run(kind.cap, folder, progress=lines.append)
        assert lines[0] == f"going on from the states of a job up to {cap}"
        xr.testing.assert_identical(continued, whole)
        # Of both there is one file, now that of the larger limit.
        (path,) = folder.rglob("*.pt")
        assert torch.load(path, weights_only=True)["limit"] == kind.cap


def test_the_last_line_of_the_log_counts_all_runs(
    kind: ResumedJob, whole: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    n_runs = math.prod(len(values) for values in kind.block["axes"].values())
    line = runner.closing_line(whole, kind.block, "job.log")
    assert line.startswith(f"finished: {n_runs} runs: ")
    assert sum(map(int, re.findall(r"(\d+) [a-z]+(?=[,;]|$)", line))) == n_runs
    n_diverged = int(whole["diverged"].sum())
    assert ("diverged have no values: try" in line) is (n_diverged > 0)
    warned = capsys.readouterr().err
    if n_diverged < n_runs:
        assert not warned
    else:
        experiment = kind.block["experiment"]
        assert warned.startswith(f"warning: experiments.{experiment}: all runs ({n_runs})")
        assert "job.log" in warned and "learning_rate" in warned and warned.count("\n") == 1


@pytest.mark.slow
def test_it_goes_on_more_than_once(kind: ResumedJob, whole: xr.Dataset, tmp_path: Path) -> None:
    for cap in sorted(kind.caps):
        kind.run(cap, tmp_path)
    xr.testing.assert_identical(kind.run(kind.cap, tmp_path), whole)


def test_it_does_go_on_from_the_states(kind: ResumedJob, whole: xr.Dataset, tmp_path: Path) -> None:
    kind.run(kind.caps[0], tmp_path)
    (path,) = tmp_path.rglob("*.pt")
    content = torch.load(path, weights_only=True)
    for state in content["states"].values():
        names = [name for name in ("history", "histories", "variables") if name in state]
        for values in (state[names[0]] if names else state["result"]["history"]).values():
            values.fill_(-123.0)
    save(content, path)
    continued = kind.run(kind.cap, tmp_path)
    marked = [name for name in continued.data_vars if bool((continued[name] == -123.0).any())]
    assert marked and not continued.identical(whole)
    for name in marked:
        if "step" in continued[name].dims:
            first = continued[name].isel(step=1)
            assert bool((first == -123.0).all()), name


@pytest.mark.slow
def test_the_cases_are_what_they_are_meant_to_be() -> None:
    runs = KINDS["full_batch"]().run(FIRST_CAP)
    # Some runs of a batch ended, others hit the cap; a whole batch ended.
    ended = runs["converged"].squeeze("rate_ratio").astype(bool)
    by_batch = [ended.sel(width=w, n_train=n) for w, n in itertools.product((20, 30), (8, 12))]
    assert any(bool(one.any()) and not bool(one.all()) for one in by_batch)
    assert any(bool(one.all()) for one in by_batch)
    flows = KINDS["gradient_flow"]().run(23)["capped"]
    assert bool(flows.any()) and not bool(flows.all())
    for name in KINDS:
        if "diverging" in name:
            assert bool(KINDS[name]().run(KINDS[name]().caps[0])["diverged"].any()), name
    # Runs diverge before the last step that all caps record, and after it.
    ends = [KINDS["node_scaled, diverging"]().run(cap)["diverged"] for cap in (60, 75)]
    assert 0 < int(ends[0].sum()) < int(ends[1].sum())
    for name in ("node_scaled, multisteps", "function_space, multisteps"):
        # Already before the smaller caps, so that these cut multisteps short.
        kind = KINDS[name]()
        assert int(kind.run(kind.caps[1])["multisteps"].min()) > 2


def test_a_smaller_cap_starts_afresh_and_spares_the_larger_ones_states(tmp_path: Path) -> None:
    kind = node_scaled()
    kind.run(kind.cap, tmp_path)
    (path,) = tmp_path.rglob("*.pt")
    before = path.read_bytes()
    lines: list[str] = []
    small = kind.run(kind.caps[0], tmp_path, progress=lines.append)
    assert not any("going on" in line for line in lines) and path.read_bytes() == before
    xr.testing.assert_identical(small, kind.run(kind.caps[0]))


def test_other_recorded_steps_start_afresh_and_say_so(tmp_path: Path) -> None:
    kind = node_scaled()
    kind.run(kind.caps[0], tmp_path)
    (path,) = tmp_path.rglob("*.pt")
    content = torch.load(path, weights_only=True)
    content["steps"][1] = 3
    save(content, path)
    lines: list[str] = []
    runs = kind.run(kind.cap, tmp_path, progress=lines.append)
    assert "starting afresh" in lines[0]
    xr.testing.assert_identical(runs, kind.run(kind.cap))


@pytest.mark.parametrize("kind_of_damage", ["cut", "flipped", "another job's"])
def test_damaged_states_stop_the_job(kind_of_damage: str, tmp_path: Path) -> None:
    kind = node_scaled()
    kind.run(kind.caps[0], tmp_path)
    (path,) = tmp_path.rglob("*.pt")
    content = path.read_bytes()
    if kind_of_damage == "cut":
        path.write_bytes(content[:500])
    elif kind_of_damage == "flipped":
        path.write_bytes(content[:900] + bytes([content[900] ^ 1]) + content[901:])
    else:
        save(torch.load(path, weights_only=True), path.with_name("other.pt"))
        path.with_name("other.pt").replace(path)
    with pytest.raises(StoreError, match=rf"{path.name} is .*regimes check --repair"):
        kind.run(kind.cap, tmp_path)


class KilledError(Exception):
    """Stands for the end of a job."""


class Impatient(Checkpoint):
    """Writes a state every so often, and kills the job then."""

    every = 7
    offers = 0

    def offer(self, make_state: Callable[[], dict[str, Any]]) -> None:
        Impatient.offers += 1
        if Impatient.offers % self.every == 0:
            self.seconds = 0.0
            super().offer(make_state)
            raise KilledError


@pytest.mark.slow
def test_a_killed_job_goes_on_with_the_same_bits(
    kind: ResumedJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap = kind.caps[0]
    expected = kind.run(cap, tmp_path / "whole")
    # A hundred steps or so between two kills, and those of few runs each for itself.
    monkeypatch.setattr(Impatient, "offers", 0)
    with monkeypatch.context() as patch:
        patch.setattr(Impatient, "every", math.inf)
        patch.setattr(runner, "Checkpoint", Impatient)
        kind.run(cap)
    monkeypatch.setattr(Impatient, "every", max(2, Impatient.offers // 9))
    monkeypatch.setattr(runner, "Checkpoint", Impatient)
    lines: list[str] = []
    kills = 0
    while True:
        try:
            more = {"checkpoint": tmp_path / "checkpoint", "progress": lines.append}
            runs = kind.run(cap, tmp_path / "killed", **more)
            break
        except KilledError:
            kills += 1
            assert len(list(tmp_path.glob("checkpoint-*.pt"))) == 1
    assert kills > 2 and sum("going on from a checkpoint" in line for line in lines) == kills
    xr.testing.assert_identical(runs, expected)
    # A job that is killed before its file is written begins there, not at the start.
    assert list(tmp_path.glob("checkpoint-*.pt"))
    runner.delete_checkpoint(tmp_path / "checkpoint", "cpu")
    assert not list(tmp_path.glob("checkpoint*"))
    # It leaves all states that one in one go leaves.
    (first,), (second,) = ((tmp_path / one).rglob("*.pt") for one in ("whole", "killed"))
    states = [torch.load(path, weights_only=True)["states"] for path in (first, second)]
    assert states[0].keys() == states[1].keys()
    monkeypatch.undo()
    xr.testing.assert_identical(kind.run(kind.cap, tmp_path / "killed"), kind.run(kind.cap))


def test_what_was_used_before_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_EARLIER", {"cpu_seconds": 0.0, "wall_seconds": 0.0})
    kind = students()
    kind.run(kind.caps[0], tmp_path)
    assert usage._EARLIER["cpu_seconds"] == 0
    before = usage.used()["cpu_seconds"]
    kind.run(kind.cap, tmp_path)
    assert 0 < usage._EARLIER["cpu_seconds"] <= before
    usage.add_earlier({"cpu_seconds": 0.0})
    assert usage._EARLIER["cpu_seconds"] > 0


def test_limits_are_found_and_left_out() -> None:
    block = full_batch().block
    kind = settings_classes()[block["engine"]]
    rest = kind.without_limit(block)
    assert rest["stopping"] == {"residual_norm": 0.1, "abort_on_increase": False}
    assert block["stopping"]["max_steps"] == FIRST_CAP, "the block itself is not changed"
    settings = runner.runs_of(block, full_batch().data, "cpu").settings
    assert settings.limit_value() == FIRST_CAP


def test_histories_are_cut_or_filled() -> None:
    history = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(refitted(history, 2, axis=1), history[:, :2])
    longer = refitted(history, 5, axis=1)
    np.testing.assert_array_equal(longer[:, :3], history)
    assert np.isnan(longer[:, 3:]).all() and math.isnan(refitted(history, 3, axis=0)[2, 0])
