"""The device that training will use, found without importing torch (which costs seconds)."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from regimes.jobs import cuda_driver

# Drivers that load when they are asked need some seconds for each GPU.
SECONDS_TO_ANSWER = 120.0


def resolve(device: str) -> str:
    """Turn `auto`, `cpu` or `cuda` into `cpu` or `cuda`.

    `auto` means `cuda` when torch was built for CUDA and its driver shows a GPU.
    """
    if device != "auto":
        return device
    return "cuda" if torch_has_cuda() and visible_devices() else "cpu"


def torch_has_cuda() -> bool:
    """True when the installed torch was built with CUDA, read from its version.py as text."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return False
    return re.search(r"^cuda\b[^=]*=\s*['\"]", text, flags=re.MULTILINE) is not None


def visible_devices() -> list[str]:
    """The GPUs that CUDA shows to this process, in its order; see `regimes.jobs.cuda_driver`."""
    command = [sys.executable, "-I", "-S", cuda_driver.__file__]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.split()
