"""One table and one file of what all benchmarks measured."""

from collections.abc import Iterator

import pytest
import torch
from gathered import Gathered


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """All methods on one core."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def first_step(one_thread: None) -> None:
    """What torch imports for its first step of an optimiser, a second or more, counts for none."""
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=1.0)
    optimiser.zero_grad()
    weight.sum().backward()
    optimiser.step()


@pytest.fixture(scope="session")
def gathered(request: pytest.FixtureRequest) -> Iterator[Gathered]:
    """Collects the results; at the end prints those of this session; each updates results.json."""
    results = Gathered()
    yield results
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + results.table())
