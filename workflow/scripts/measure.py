"""Measure the runs of an experiment."""

from importlib import import_module

import xarray as xr

from regimes import store
from regimes.scripting import job

with job(snakemake.log[0]) as progress:
    params = snakemake.params
    blocks = [store.read(path) for path in snakemake.input.runs]
    runs = xr.combine_by_coords(
        blocks,
        # Strict: all blocks must agree in the axes that they share and in what they hold.
        join="exact",
        compat="equals",
        data_vars="all",
        coords="minimal",
        combine_attrs="drop_conflicts",
    )
    progress(f"{len(blocks)} blocks: {dict(runs.sizes)}")
    measures = import_module(params.module).measure(runs)
    store.write(
        measures,
        snakemake.output[0],
        title=f"Measures of experiment {snakemake.wildcards.experiment}",
        source=params.module,
        references=snakemake.config["papers"][params.paper]["citation"],
        config=params.settings,
        device=", ".join(sorted({block.attrs["device"] for block in blocks})),
    )
