"""Choose the device of a job: the CPU, or a GPU that no other job of this user holds.

Several jobs on one machine would all take the first GPU. Therefore each job locks one of the GPUs
that it may use, or one of the places on it where several jobs may use it, whatever these are
called, and sees that one alone; so do jobs that share the allocation of a cluster. A lock ends with
its process, however that ends. No result depends on the choice of the GPU. Jobs import this module
by name, so that it is not part of the code that makes the results.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from regimes.errors import DeviceError
from regimes.jobs.devices import visible_devices

# The variable that chooses the GPUs of a process.
VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS_BETWEEN_TRIES = 0.5


@contextmanager
def device_of_job(
    uses_gpu: int, progress: Callable[[str], None], jobs_per_gpu: int = 1
) -> Iterator[str]:
    """Give the device that a job is to use: `cpu`, or `cuda`, which is one GPU.

    uses_gpu: whether it is a GPU, the resource of that name. progress: writes a line to the job's
    log. jobs_per_gpu: how many jobs may hold a GPU. The GPU is locked until the block ends, the
    process sees it alone, and torch is ready to use it (`require_cuda`). To be called before torch
    has used a GPU. Raises DeviceError when torch finds no GPU, or when the folder of locks belongs
    to somebody else.
    """
    if not uses_gpu:
        yield "cpu"
        return
    devices = visible_devices()
    with ExitStack() as stack:
        if devices:
            device = stack.enter_context(claimed(devices, lock_folder(), progress, jobs_per_gpu))
            if len(devices) > 1:
                os.environ[VISIBLE] = device
            progress(f"GPU {device} of {','.join(devices)}")
        require_cuda()
        yield "cuda"


@contextmanager
def claimed(
    devices: Sequence[str],
    folder: Path,
    progress: Callable[[str], None] = print,
    jobs_per_gpu: int = 1,
) -> Iterator[str]:
    """Lock the first free one of some devices, and give its name; wait while none is free.

    devices: their UUIDs. folder: where the lock files are, which stay. jobs_per_gpu: how many may
    lock one; they take those first that the fewest hold.
    """
    places = ["", *(f"-{number}" for number in range(2, jobs_per_gpu + 1))]
    locks = [
        (device, FileLock(folder / f"{device}{place}.lock"))
        for place in places
        for device in devices
    ]
    waiting = False
    while True:
        for device, lock in locks:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            try:
                yield device
            finally:
                lock.release()
            return
        if not waiting:
            progress(f"waiting for a GPU: other jobs hold {','.join(devices)}")
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def lock_folder() -> Path:
    """The folder of this user's locks on this machine, in the system's folder for temporary files.

    Raises DeviceError if it cannot be made or belongs to another user.
    """
    folder = Path(tempfile.gettempdir()) / f"regimes-gpus-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        mine = not folder.is_symlink() and folder.stat().st_uid == os.getuid()
    except OSError:
        mine = False
    if not mine:
        raise DeviceError(f"{folder} is no folder of yours: set TMPDIR to one where it can be made")
    return folder


def require_cuda() -> None:
    """Make torch ready to compute on a GPU; raises DeviceError when it finds none.

    NVIDIA's images let products of float32 have but ten bits (TF32), by an environment variable.
    Here they have all, as on a CPU, for the rest of the process.
    """
    import torch

    if not torch.cuda.is_available():
        raise DeviceError("device cuda: torch finds no GPU here; set `device: cpu` or `auto`")
    torch.backends.cuda.matmul.allow_tf32 = False
