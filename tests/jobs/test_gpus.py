"""Which GPU a job takes. None is needed: locks are on names, and torch is asked at the end."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from regimes.errors import DeviceError
from regimes.jobs import cuda_driver, devices, gpus
from regimes.jobs.gpus import claimed, device_of_job, lock_folder

HOLD = """
import sys
from pathlib import Path
from regimes.jobs.gpus import claimed
with claimed(sys.argv[2:], Path(sys.argv[1])) as device:
    print(device, flush=True)
    sys.stdin.read()
"""


DEVICES = ["GPU-8932f937", "MIG-41b36d21", "GPU-05e7cd84"]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with three GPUs of which torch can use any, and a temporary folder of its own."""
    # Set before it is deleted, so that what a test makes of it is undone.
    monkeypatch.setenv(gpus.VISIBLE, "")
    monkeypatch.delenv(gpus.VISIBLE)
    monkeypatch.setattr(gpus, "visible_devices", lambda: DEVICES)
    monkeypatch.setattr(gpus, "require_cuda", lambda: None)
    monkeypatch.setattr(gpus, "SECONDS_BETWEEN_TRIES", 0.01)
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))


def hold(folder: Path, *names: str) -> subprocess.Popen:
    """A process that holds one of the devices until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(gpus.__file__).parents[1])},
    )


class Driver:
    """A driver's library with two GPUs, or parts of them; its functions return a code of error."""

    def __init__(self, titles: tuple[bytes, ...] = (b"A", b"B"), failing: str = ""):
        self.titles, self.failing = titles, failing

    def __getattr__(self, name: str) -> Callable[..., int]:
        if not name.startswith("cu"):
            raise AttributeError(name)
        return lambda *arguments: int(name == self.failing) or getattr(self, f"_{name}")(*arguments)

    def _cuInit(self, flags: int) -> int:  # noqa: N802
        return flags

    def _cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.titles)
        return 0

    def _cuDeviceGet(self, device: Any, ordinal: int) -> int:  # noqa: N802
        device._obj.value = 10 + ordinal
        return 0

    def _cuDeviceGetUuid_v2(self, identity: Any, device: Any) -> int:  # noqa: N802
        identity._obj[0], identity._obj[15] = 171, device.value
        return 0

    def _cuDeviceGetName(self, title: Any, size: int, device: Any) -> int:  # noqa: N802
        title.value = self.titles[device.value - 10]
        return 0


def test_the_driver_names_the_gpus() -> None:
    assert cuda_driver.names(Driver((b"NVIDIA H200", b"NVIDIA A100 MIG 1g.5gb"))) == [
        "GPU-ab000000-0000-0000-0000-00000000000a",
        "MIG-ab000000-0000-0000-0000-00000000000b",
    ]
    assert cuda_driver.names(Driver(())) == []
    for failing in ("cuInit", "cuDeviceGetCount", "cuDeviceGetUuid_v2", "cuDeviceGetName"):
        assert cuda_driver.names(Driver(failing=failing)) == []


@pytest.mark.parametrize("script", ["print('GPU-1\\nGPU-2')", "import time; time.sleep(60)"])
def test_the_driver_is_asked_in_a_process_of_its_own(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "driver.py").write_text(script)
    monkeypatch.setattr(cuda_driver, "__file__", str(tmp_path / "driver.py"))
    monkeypatch.setattr(devices, "SECONDS_TO_ANSWER", 10.0 if "print" in script else 0.2)
    assert devices.visible_devices() == (["GPU-1", "GPU-2"] if "print" in script else [])


def test_hidden_gpus_are_not_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whether there is a driver, and GPUs, or not.
    monkeypatch.setenv(gpus.VISIBLE, "-1")
    assert devices.visible_devices() == []


def test_each_job_has_a_device_of_its_own(tmp_path: Path) -> None:
    with ExitStack() as jobs:
        assert [jobs.enter_context(claimed(DEVICES, tmp_path)) for _ in DEVICES] == DEVICES
    with claimed(DEVICES, tmp_path) as first:
        assert first == DEVICES[0]


def test_several_jobs_share_a_device_where_they_may(tmp_path: Path) -> None:
    with ExitStack() as jobs:
        held = [jobs.enter_context(claimed(["0", "1"], tmp_path, print, 2)) for _ in range(4)]
        assert held == ["0", "1", "0", "1"]
        lines: list[str] = []
        fifth = threading.Thread(
            target=lambda: jobs.enter_context(claimed(["0", "1"], tmp_path, lines.append, 2))
        )
        fifth.start()
        fifth.join(0.2)
        assert fifth.is_alive() and lines == ["waiting for a GPU: other jobs hold 0,1"]
    fifth.join(20)
    assert not fifth.is_alive()


def test_a_device_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claimed(["0"], tmp_path):
        _ = 1 / 0
    with claimed(["0", "1"], tmp_path) as device:
        assert device == "0"


def test_locks_hold_between_processes_and_end_with_them(tmp_path: Path) -> None:
    jobs = [hold(tmp_path, "0", "1") for _ in range(2)]
    assert sorted(job.stdout.readline() for job in jobs) == ["0\n", "1\n"]
    lines: list[str] = []
    taken: list[str] = []

    def wait() -> None:
        with claimed(["0", "1"], tmp_path, lines.append) as device:
            taken.append(device)

    third = threading.Thread(target=wait)
    third.start()
    third.join(0.3)
    assert third.is_alive() and not taken
    # Killed, so that it can tidy up nothing.
    jobs[0].kill()
    third.join(20)
    assert len(taken) == 1
    assert lines == ["waiting for a GPU: other jobs hold 0,1"]
    jobs[1].stdin.close()
    for job in jobs:
        job.wait()
        job.stdout.close()


def test_a_job_without_a_gpu_locks_nothing(tmp_path: Path) -> None:
    with device_of_job(0, print) as device:
        assert device == "cpu"
    assert gpus.VISIBLE not in os.environ
    assert not list(tmp_path.iterdir())


def test_a_job_sees_its_gpu_alone() -> None:
    lines: list[str] = []
    with claimed(DEVICES[:1], lock_folder()), device_of_job(1, lines.append) as device:
        assert device == "cuda"
        assert os.environ[gpus.VISIBLE] == DEVICES[1]
    assert lines == [f"GPU {DEVICES[1]} of {','.join(DEVICES)}"]


def test_jobs_that_share_a_single_gpu_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # As those of a group in an allocation of Slurm, where it is the first of its kind.
    monkeypatch.setattr(gpus, "visible_devices", lambda: DEVICES[2:])
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv(gpus.VISIBLE, "0")
    lines: list[str] = []
    order: list[str] = []

    def second() -> None:
        with device_of_job(1, lines.append):
            order.append("second")

    job = threading.Thread(target=second)
    with device_of_job(1, print):
        job.start()
        job.join(0.1)
        order.append("first")
    job.join(20)
    assert order == ["first", "second"]
    assert lines[0] == f"waiting for a GPU: other jobs hold {DEVICES[2]}"
    assert os.environ[gpus.VISIBLE] == "0", "what the system has chosen stays"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_folder_of_ours_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"regimes-gpus-{os.getuid()}"
    if kind == "file":
        path.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeviceError, match="is no folder of yours: set TMPDIR"):
        lock_folder()
