"""Build a data set."""

from importlib import import_module

from regimes import store
from regimes.scripting import job

with job(snakemake.log[0]) as progress:
    params = snakemake.params
    dataset = import_module(f"regimes.datasets.{params.kind}").build(params.settings)
    name = snakemake.wildcards.dataset
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
