"""Measure the runs of an experiment."""

import itertools
from importlib import import_module

import xarray as xr

from regimes.errors import DataError
from regimes.jobs.script import running
from regimes.storage import store
from regimes.storage.grids import combine_blocks, merge_grids


def fitted(blocks: list[xr.Dataset]) -> xr.Dataset:
    """The files of a grid's runs as one dataset.

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


with running(snakemake) as script:
    params, files = script.params, snakemake.input
    module = import_module(params.module)
    (data,) = script.read("data").values()
    # What a measure keeps of a file alone: weights of different widths do not fit together, and
    # those of all files need not fit the memory.
    reduce = getattr(module, "reduce", lambda run, data: run)
    devices, grids = set(), []
    paths, probes = iter(files.runs), iter(files.probes)
    n_probes = len(files.probes) // len(files.runs)
    for n_jobs in params.grids:
        blocks = []
        for path in itertools.islice(paths, n_jobs):
            run = store.read(path)
            devices.add(run.attrs["device"])
            # Their variables are the runs' own in all that follows.
            for probe in itertools.islice(probes, n_probes):
                run = run.merge(store.read(probe), join="exact", compat="no_conflicts")
            blocks.append(reduce(run, data))
        grids.append(fitted(blocks))
    runs = merge_grids(grids)
    script.progress(f"{len(files.runs)} blocks: {dict(runs.sizes)}")
    script.write(
        module.measure(runs, data),
        f"Measures of experiment {snakemake.wildcards.experiment}",
        device=", ".join(sorted(devices)),
        code_hash=params.code,
        inputs_hash=params.inputs_hash,
    )
