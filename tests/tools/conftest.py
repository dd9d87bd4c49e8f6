"""What the tests of the tools share: a plan, and files as the workflow writes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from regimes.plan.plan import Plan
from regimes.storage import store
from regimes.tools import settings


@pytest.fixture(scope="session")
def plan() -> Plan:
    """The plan at the scale of smoke tests."""
    return settings.plan_of({"scale": "smoke"})


@pytest.fixture(scope="session")
def write_result() -> Callable[..., None]:
    """A function that writes a file of the workflow, with made-up values."""

    def write(path: Path, title: str, config: dict[str, Any], **attributes: str) -> None:
        value = xr.Variable("x", np.zeros(3), {"long_name": "a value", "units": "1"})
        described = {"source": "regimes.of.it", "references": "r"} | attributes
        store.write(xr.Dataset({"value": value}), path, title=title, config=config, **described)

    return write
