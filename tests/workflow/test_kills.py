"""Workflows that are killed again and again end with the same bits."""

import os
import random
import signal
import subprocess
import time

import pytest
from harness import Workflow

KILLS = 40


def kill_after(workflow: Workflow, seconds: float) -> bool:
    """Start the workflow and kill it and all its jobs after some time, unless it has ended."""
    process = workflow.start("--cores", "2")
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


@pytest.mark.long
def test_forty_kills_change_no_bit(finished: Workflow, fresh: Workflow) -> None:
    began = time.monotonic()
    assert fresh.run("--cores", "2").code == 0
    took = time.monotonic() - began
    random_ = random.Random(0)
    kills, afresh = 0, True
    while kills < KILLS:
        # When it has ended, and now and then, all is gone, so that every stage is killed at times.
        if afresh:
            for path in (*fresh.files("results/**/*"), *fresh.files("figures/*")):
                if path.is_file():
                    path.unlink()
        killed = kill_after(fresh, random_.uniform(0.2, 0.8) * took)
        kills += killed
        afresh = not killed or kills % 4 == 0
        fresh.run("--unlock")
    again = fresh.run("--cores", "2")
    assert again.code == 0, again.output
    finished.assert_same_results(fresh)
    # Nothing but what a run in one go leaves, and temporary files of what was killed.
    expected = {path.relative_to(finished.directory) for path in finished.files("results/**/*.nc")}
    assert {path.relative_to(fresh.directory) for path in fresh.files("results/**/*.nc")} == (
        expected
    )
    assert fresh.run().nothing_to_do
