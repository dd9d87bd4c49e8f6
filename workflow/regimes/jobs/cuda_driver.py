"""Print the names of the GPUs that CUDA shows to this process, in its order, one a line.

A name is the UUID of a GPU, or of a part of one (MIG), which CUDA_VISIBLE_DEVICES takes anywhere:
an index is another GPU where the variable is set, or the order of devices, or in an allocation. The
driver is asked, as torch does it, so that what the variable says, WSL and containers are all taken
account of. Run as a file of its own: a process that has asked sees the same GPUs from then on.
"""

import ctypes
import uuid
from contextlib import suppress
from typing import Any

LIBRARY = "libcuda.so.1"


def names(cuda: Any) -> list[str]:
    """The names, asked from the driver's library; none where a call to it fails."""
    count, found = ctypes.c_int(), []
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    # Drivers before that of CUDA 11.4 know no parts.
    identify = getattr(cuda, "cuDeviceGetUuid_v2", None) or cuda.cuDeviceGetUuid
    for ordinal in range(count.value):
        device, identity = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        title = ctypes.create_string_buffer(256)
        if (
            cuda.cuDeviceGet(ctypes.byref(device), ordinal)
            or identify(ctypes.byref(identity), device)
            or cuda.cuDeviceGetName(title, len(title), device)
        ):
            return []
        kind = "MIG" if b" MIG " in title.value else "GPU"
        found.append(f"{kind}-{uuid.UUID(bytes=bytes(identity))}")
    return found


if __name__ == "__main__":
    with suppress(OSError):  # where no driver is installed
        print("\n".join(names(ctypes.CDLL(LIBRARY))))
