"""Measure the runs of an experiment."""

import itertools
from importlib import import_module

import xarray as xr

from regimes.errors import DataError
from regimes.jobs.job_log import job
from regimes.storage import store
from regimes.storage.grids import combine_blocks, merge_grids


def fitted(blocks: list[xr.Dataset]) -> xr.Dataset:
    """The blocks of a grid as one dataset.

    Raises DataError where they do not fit together, as weights of several widths.
    """
    try:
        return combine_blocks(blocks)
    except xr.AlignmentError as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"experiments.{snakemake.wildcards.experiment}: its blocks do not fit together "
            f"({reason}): {snakemake.params.module} measures networks of one width"
        ) from None


with job(snakemake.log[0]) as progress:
    params = snakemake.params
    module = import_module(params.module)
    data = store.read(snakemake.input.data)
    # What a measure keeps of a block alone: weights of different widths do not fit together, and
    # those of all blocks need not fit the memory.
    reduce = getattr(module, "reduce", lambda run, data: run)
    devices, grids, paths = set(), [], iter(snakemake.input.runs)
    probes = iter(snakemake.input.probes)
    n_probes = len(snakemake.input.probes) // len(snakemake.input.runs)
    for n_blocks in params.grids:
        blocks = []
        for path in itertools.islice(paths, n_blocks):
            run = store.read(path)
            devices.add(run.attrs["device"])
            # Their variables are the runs' own in all that follows.
            for probe in itertools.islice(probes, n_probes):
                run = run.merge(store.read(probe), join="exact", compat="no_conflicts")
            blocks.append(reduce(run, data))
        grids.append(fitted(blocks))
    runs = merge_grids(grids)
    progress(f"{len(snakemake.input.runs)} blocks: {dict(runs.sizes)}")
    store.write(
        module.measure(runs, data),
        snakemake.output[0],
        title=f"Measures of experiment {snakemake.wildcards.experiment}",
        source=params.module,
        references=snakemake.config["papers"][params.paper]["citation"],
        config=params.settings,
        device=", ".join(sorted(devices)),
        code_hash=params.code,
        inputs_hash=params.inputs_hash,
    )
