"""Measure the runs of an experiment."""

from importlib import import_module

import xarray as xr

from regimes import store
from regimes.errors import DataError
from regimes.scripting import job


def combined(blocks: list[xr.Dataset]) -> xr.Dataset:
    """One dataset of all blocks; strict: they must agree in the axes that they share.

    Raises DataError where they do not, as weights of several widths.
    """
    try:
        return xr.combine_by_coords(
            blocks,
            join="exact",
            compat="equals",
            data_vars="all",
            coords="minimal",
            combine_attrs="drop_conflicts",
        )
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
    devices, blocks = set(), []
    for path in snakemake.input.runs:
        run = store.read(path)
        devices.add(run.attrs["device"])
        blocks.append(reduce(run, data))
    runs = combined(blocks)
    progress(f"{len(blocks)} blocks: {dict(runs.sizes)}")
    store.write(
        module.measure(runs, data),
        snakemake.output[0],
        title=f"Measures of experiment {snakemake.wildcards.experiment}",
        source=params.module,
        references=snakemake.config["papers"][params.paper]["citation"],
        config=params.settings,
        device=", ".join(sorted(devices)),
    )
