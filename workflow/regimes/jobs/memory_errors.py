"""What a job raises that does not fit into memory.

Beside `regimes.errors`, which is part of the code that the names of runs cover.
"""

from regimes.errors import DeviceError


class TooLargeError(DeviceError):
    """Something does not fit into memory: names the key to lower.

    on_gpu: into that of a GPU, which another attempt does not change.
    """

    def __init__(self, text: str, on_gpu: bool = False):
        super().__init__(text)
        self.on_gpu = on_gpu


def lacks_memory(error: Exception) -> bool:
    """Whether the memory of the machine, or of its GPU, did not suffice."""
    # Torch has no error of its own for the CPU, and must not be imported for that of a GPU.
    said = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in said)
    )
