"""Which GPU a job takes. None is needed: locks are on names, and torch is asked at the end."""

import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from regimes.errors import DeviceError
from regimes.jobs import devices, gpus
from regimes.jobs.gpus import claimed, device_of_job, lock_folder

HOLD = """
import sys
from pathlib import Path
from regimes.jobs.gpus import claimed
with claimed(sys.argv[2:], Path(sys.argv[1])) as device:
    print(device, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with three GPUs of which torch can use any, and a temporary folder of its own."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        # Set before it is deleted, so that what a test makes of it is undone.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(devices, "_device_count", lambda: 3)
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


@pytest.mark.parametrize(
    ("listed", "count", "expected"),
    [
        (None, 0, []),
        (None, 2, ["0", "1"]),
        ("2,0", 3, ["2", "0"]),
        (" 1 , 2 ", 3, ["1", "2"]),
        ("", 3, []),
        ("-1", 3, []),
        ("NoDevFiles", 3, []),
        # As in CUDA: what follows something that is no device is not seen.
        ("0,-1,1", 3, ["0"]),
        ("0,7,1", 3, ["0"]),
        # The number of devices is not known.
        ("0,7", 0, ["0", "7"]),
        ("1,1", 3, []),
        ("GPU-8932f937,MIG-GPU-c2/1/0", 2, ["GPU-8932f937", "MIG-GPU-c2/1/0"]),
    ],
)
def test_visible_devices(
    monkeypatch: pytest.MonkeyPatch, listed: str | None, count: int, expected: list[str]
) -> None:
    monkeypatch.setattr(devices, "_device_count", lambda: count)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert devices.visible_devices() == expected


def test_each_job_has_a_device_of_its_own(tmp_path: Path) -> None:
    names = ["1", "MIG-GPU-c2/1/0", "0"]
    with ExitStack() as jobs:
        assert [jobs.enter_context(claimed(names, tmp_path)) for _ in names] == names
    with claimed(names, tmp_path) as first:
        assert first == "1"


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
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert not list(tmp_path.iterdir())


def test_a_job_sees_its_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    with claimed(["0"], lock_folder()), device_of_job(1, lines.append) as device:
        assert device == "cuda"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert lines == ["GPU 1 of 0,1,2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    with device_of_job(1, lines.append):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"


def test_allocations_of_slurm_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Each sees its own GPUs, counted from 0.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with device_of_job(1, print):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        with device_of_job(1, print):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        monkeypatch.setenv("SLURM_JOB_ID", "18")
        with device_of_job(1, print):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


def test_the_only_gpu_of_an_allocation_is_not_locked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with device_of_job(1, print) as device:
        assert device == "cuda" and os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert not list(tmp_path.iterdir())


def test_slurm_that_chose_no_gpu_leaves_it_to_the_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with claimed(["0"], lock_folder()):
        monkeypatch.setenv("SLURM_JOB_ID", "18")
        with device_of_job(1, print):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


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
