"""Features of many images, batch by batch."""

import time
from collections.abc import Callable

import numpy as np
import torch

from regimes.engines.common.device_memory import BATCH_SHARE, device_bytes

# Images in a batch: on a CPU so few that the layers' outputs stay in its cache, on a GPU as many as
# its memory allows, but no more than it takes to keep it busy. The results do not depend on it but
# for rounding.
ON_CPU, ON_GPU = 8, 256
# Of the layers' outputs of an image; EfficientNet-Lite0 takes 12 MB.
IMAGE_BYTES = 16 * 1024**2
SECONDS_BETWEEN_LINES = 10.0


def extract(
    features: Callable[[torch.Tensor], torch.Tensor],
    images: np.ndarray,
    device: str,
    progress: Callable[[str], None] = lambda line: None,
    batch_size: int | None = None,
) -> np.ndarray:
    """Features (n_images, n_features) float32 of images (n_images, 3, rows, columns) uint8.

    features: what `load` of a backbone returned for the device, "cpu" or "cuda". progress: takes a
    line about every ten seconds. batch_size: by default what suits the device.
    """
    most = device_bytes(device, ON_CPU * IMAGE_BYTES, BATCH_SHARE) // IMAGE_BYTES
    batch_size = batch_size or max(1, min(most, ON_GPU))
    results, start = [], time.monotonic()
    last = start
    # Without TF32, results on a GPU agree with those on a CPU to float32's rounding.
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ),
    ):
        for first in range(0, len(images), batch_size):
            batch = torch.from_numpy(images[first : first + batch_size]).to(device)
            results.append(features(batch).cpu().numpy())
            done, now = first + len(batch), time.monotonic()
            if now - last >= SECONDS_BETWEEN_LINES or done == len(images):
                rate = done / max(now - start, 1e-9)
                progress(f"{done} of {len(images)} images, {rate:.1f} images/s")
                last = now
    return np.concatenate(results)
