"""What the tests of all papers share."""

import warnings
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from regimes.plotting.style import publication


@pytest.fixture(autouse=True)
def drawing() -> Iterator[None]:
    """Draw without a display, and leave no figures behind."""
    backend = mpl.get_backend()
    plt.switch_backend("Agg")
    with publication(), warnings.catch_warnings():
        warnings.simplefilter("error")  # such as a letter that the font does not have
        yield
    plt.close("all")
    plt.switch_backend(backend)
