"""What the tests on a pretend GPU share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def tf32() -> Iterator[None]:
    """The default of NVIDIA's images, which set TORCH_ALLOW_TF32_CUBLAS_OVERRIDE."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = before
