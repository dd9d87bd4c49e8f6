"""How much memory a part of a computation may take on a device."""

import torch

# Shares of a GPU's memory, for batches of runs and for an array of points that they are evaluated
# on. A batch may take half as much again, and torch and its libraries have memory of their own.
BATCH_SHARE, CHUNK_SHARE = 1 / 4, 1 / 128


def device_bytes(device: str, on_cpu: int, share: float) -> int:
    """Bytes of a part: on the CPU so many, on the GPU a share of all that it has.

    Not of what is free: a job that goes on from a checkpoint has to cut the same batches.
    """
    return on_cpu if device == "cpu" else int(share * torch.cuda.mem_get_info()[1])
