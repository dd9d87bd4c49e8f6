"""What all tests share."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from browser import chromium

# The tensors of the tests are small: a second thread would only cost time. Read by torch when it
# is imported, which happens after this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def closures() -> Iterator[None]:
    """For tests that plan again and again and change no import: look once for what is imported."""
    from regimes.plan import plan, provenance

    closure_of = cache(provenance.import_closure)
    with pytest.MonkeyPatch.context() as patch:
        for module in (provenance, plan):
            patch.setattr(module, "import_closure", lambda roots: closure_of(tuple(roots)))
        yield


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium, one for all tests of pages."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started
