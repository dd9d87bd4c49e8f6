"""Data sets as the workflow makes them: settings through the config, then the kind's module."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from regimes.config.load import validate

# A folder with all data files (docs/data.md), for the tests that need them.
MIRROR = os.environ.get("REGIMES_DATA")


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test unless the folder that REGIMES_DATA named at the start has these files."""
    there = MIRROR and all((Path(MIRROR) / name).is_file() for name in names)
    return pytest.mark.skipif(not there, reason=f"REGIMES_DATA names no folder with {names[0]}")


def settings(**keys: Any) -> dict[str, Any]:
    """Plain settings of a data set, defaults filled in."""
    config = validate({"datasets": {"made": keys}})
    return config.datasets["made"].model_dump(mode="json")


def build(**keys: Any) -> xr.Dataset:
    """The data set of a config."""
    return import_module(f"regimes.datasets.{keys['kind']}").build(settings(**keys))
