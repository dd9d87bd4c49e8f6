"""The device that training will use, found without importing torch (which costs seconds)."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

# The variable that chooses the GPUs of a process, and its values that stand for none.
VISIBLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = ("", "-1", "none", "NoDevFiles")


def resolve(device: str) -> str:
    """Turn `auto`, `cpu` or `cuda` into `cpu` or `cuda`.

    `auto` means `cuda` when torch was built for CUDA and an NVIDIA device is visible.
    """
    if device != "auto":
        return device
    return "cuda" if torch_has_cuda() and cuda_device_visible() else "cpu"


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


def cuda_device_visible() -> bool:
    """True when an NVIDIA device exists and CUDA_VISIBLE_DEVICES does not hide it."""
    return _device_count() > 0 and bool(visible_devices())


def visible_devices() -> list[str]:
    """The GPUs that CUDA shows to this process, by the names that CUDA_VISIBLE_DEVICES has.

    As in CUDA, the list ends at the first name that is no device: an index below 0, or one beyond
    the devices of the machine, as far as their number is known.
    """
    count = _device_count()
    listed = os.environ.get(VISIBLE)
    if listed is None:
        return [str(index) for index in range(count)]
    devices = []
    for name in (part.strip() for part in listed.split(",")):
        if name in NO_DEVICE or (count and name.isdecimal() and int(name) >= count):
            break
        devices.append(name)
    # A device that is named twice makes CUDA show none.
    return devices if len(set(devices)) == len(devices) else []


def _device_count() -> int:
    return sum(1 for _ in Path("/dev").glob("nvidia[0-9]*"))
