"""Build a data set."""

import os
from importlib import import_module

from regimes.jobs.job_log import job
from regimes.storage import store

with job(snakemake.log[0]) as progress:
    params, name = snakemake.params, snakemake.wildcards.dataset
    # Read from the config, not parameters: where files lie must not remake the data.
    if snakemake.config.get("data_mirror"):
        os.environ["REGIMES_DATA"] = snakemake.config["data_mirror"]
    path = snakemake.config["datasets"][name].get("path")
    settings = params.settings | ({"path": path} if path else {})
    dataset = import_module(f"regimes.datasets.{params.kind}").build(settings)
    progress(f"data set {name}: {dict(dataset.sizes)}")
    store.write(
        # Training compares this hash with the one that it was planned for.
        dataset.assign_attrs(data_hash=params.data_hash),
        snakemake.output[0],
        title=f"Data set {name}",
        source=f"regimes.datasets.{params.kind}",
        references=dataset.attrs["citation"],
        config={"datasets": {name: params.settings}},
    )
