"""Compiled functions: processes that start at once, and folders and locks that cannot be had."""

import errno
import fcntl
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit, types

from regimes.engines.common import compiled as module
from regimes.engines.common.compiled import compiled

SOURCE = """
from regimes.engines.common.compiled import compiled

def double(values):
    for k in range(len(values)):
        values[k] *= 2.0
"""
# Compiles when told to, and says how often it had to.
PROCESS = """
import numpy as np
from source import compiled, double

print("ready", flush=True)
input()
values = np.ones(3)
compiled(double)(values)
assert values.tolist() == [2.0, 2.0, 2.0]
print(sum(compiled(double).stats.cache_misses.values()))
"""
LOCK = "__pycache__/source.double.lock"


@contextmanager
def processes(folder: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are about to compile the function of a file in the folder."""
    (folder / "source.py").write_text(SOURCE)
    command = [sys.executable, "-c", PROCESS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [subprocess.Popen(command, cwd=folder, text=True, **pipes) for _ in range(count)]
    try:
        for one in started:
            assert one.stdout is not None and one.stdout.readline() == "ready\n"
        yield started
    finally:
        for one in started:
            one.kill()
            one.communicate()


def begin(started: list[subprocess.Popen[str]]) -> None:
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()


def compilations(started: list[subprocess.Popen[str]]) -> int:
    """How often all of them had to compile it."""
    return sum(int(one.communicate(timeout=100)[0]) for one in started)


def test_processes_that_start_at_once_compile_once(tmp_path: Path) -> None:
    for count, expected in ((3, 1), (1, 0)):
        with processes(tmp_path, count) as started:
            begin(started)
            assert compilations(started) == expected


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    (tmp_path / LOCK).parent.mkdir()
    hold = f"import fcntl, time; file = open({LOCK!r}, 'ab'); fcntl.flock(file, fcntl.LOCK_EX)"
    command = [sys.executable, "-c", f"{hold}; print('held', flush=True); time.sleep(1000)"]
    with processes(tmp_path, 2) as started:
        holder = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE)
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        begin(started)
        with pytest.raises(subprocess.TimeoutExpired):
            started[0].wait(2)
        assert not list((tmp_path / "__pycache__").glob("*.nbi"))
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        assert compilations(started) == 1


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that nobody has compiled yet."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "source", raising=False)
    (tmp_path / "source.py").write_text(SOURCE)
    return __import__("source").double


def assert_doubles(function: Any) -> None:
    values = np.ones(2)
    function(values)
    assert values.tolist() == [2.0, 2.0]


def test_a_lock_that_is_never_free_is_not_waited_for(
    double: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 0.1)
    (tmp_path / LOCK).parent.mkdir(exist_ok=True)
    with (tmp_path / LOCK).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert_doubles(compiled(double))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_it_is_compiled_where_there_are_no_locks(
    double: Callable[..., None], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(file: Any, kind: int) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert_doubles(compiled(double))


def test_it_is_compiled_where_the_lock_cannot_be_made(
    double: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / LOCK).mkdir(parents=True)
    assert_doubles(compiled(double))


def test_it_is_compiled_where_nothing_can_be_kept(
    double: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_folder(*arguments: Any, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("no locator available")
        return njit(*arguments, **options)

    monkeypatch.setattr(module, "njit", without_folder)
    assert_doubles(compiled(double))


def test_a_signature_is_the_only_one(double: Callable[..., None]) -> None:
    made = compiled(double, types.void(types.Array(types.float64, 1, "C")))
    assert len(made.signatures) == 1
    assert_doubles(made)
    with pytest.raises(TypeError):
        made(np.ones(2, np.complex64))
