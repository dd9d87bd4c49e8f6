"""The device that training will use, found without importing torch (which costs seconds)."""

import os
import re
from importlib.util import find_spec
from pathlib import Path


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
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "none", "NoDevFiles"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*"))
