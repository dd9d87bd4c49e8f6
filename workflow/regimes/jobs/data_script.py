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
    """Write a data set, with the hash that training compares with the one it was planned for.

    sources: settings of the data sets that it was made from, by name.
    """
    name, settings = script.snakemake.wildcards.dataset, script.params.settings
    script.progress(f"data set {name}: {dict(dataset.sizes)}")
    script.write(
        dataset.assign_attrs(data_hash=script.params.data_hash),
        f"Data set {name}",
        source=f"regimes.datasets.{settings['kind']}",
        references=dataset.attrs["citation"],
        config={"datasets": {**(sources or {}), name: settings}},
    )
