"""What the scripts share that make data sets."""

import os
from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.jobs.script import Script


def use_mirror(config: Mapping[str, Any]) -> None:
    """Let readers of data look into the mirror that the config names, if any.

    It is read from the config and is no parameter: where files lie must not remake the data.
    """
    if config["data_mirror"]:
        os.environ["REGIMES_DATA"] = config["data_mirror"]


def write_data(
    script: Script, dataset: xr.Dataset, sources: Mapping[str, Any] | None = None
) -> None:
    """Write a data set.

    sources: settings of the data sets that it was made from, by name.
    """
    name, settings = script.stage.name, script.stage.settings
    script.progress(f"data set {name}: {dict(dataset.sizes)}")
    script.write(
        dataset,
        f"Data set {name}",
        references=dataset.attrs["citation"],
        config={"datasets": {**(sources or {}), name: settings}},
    )
