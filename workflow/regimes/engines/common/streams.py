"""Random streams: one for each run and purpose, whatever the device, the batch or the order."""

import hashlib

import numpy as np


def stream(root_seed: int, *key: str | int | float) -> np.random.Generator:
    """Generator of the stream that `key` names.

    The words and numbers of the key are hashed, so that streams of different keys are
    independent and a stream never depends on how many others are drawn.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    digest = hashlib.sha256(text.encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, len(digest), 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([root_seed, *words])))
