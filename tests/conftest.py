"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from browser import chromium

# The tensors of the tests are small: a second thread would only cost time. Read by torch when it
# is imported, which happens after this file.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long a first call takes depends on what the machine does beside it.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium, one for all tests of pages."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand tests out one by one, but those that need the whole config's runs to one process.

    Each process of pytest-xdist makes what its tests ask for, and that takes minutes.
    """
    from xdist.scheduler import LoadScopeScheduling

    folder = Path(__file__).parent / "workflow"
    # The second is made of the first.
    fixtures = ("everything", "whole_paper")
    together = {
        path.name
        for path in folder.glob("test_*.py")
        if any(fixture in path.read_text() for fixture in fixtures)
    }

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            whole = "/workflow/" in f"/{path}" and path.rpartition("/")[2] in together
            return "everything" if whole else nodeid

    return Scheduling(config, log)
