"""Measure the runs of an experiment."""

from regimes.jobs.start import start

start()

import xarray as xr

from regimes import endings
from regimes.jobs.script import running
from regimes.plan.loading import function_of, own_code
from regimes.storage.grids import gather
from regimes.storage.store import check_described

with running(snakemake) as script:
    stage = script.stage
    (data,) = script.datasets("data")
    # What a measure keeps of a file alone: weights of different widths do not fit together, and
    # those of all files need not fit the memory.
    reduce = function_of(stage.module, "reduce", xr.Dataset) or (lambda run, data: run)
    runs, devices, counts = gather(
        stage.name,
        stage.grids,
        script.datasets("runs"),
        script.datasets("probes"),
        len(stage.inputs["probes"]) // len(stage.inputs["runs"]),
        lambda run: reduce(run, data),
    )
    script.progress(f"{len(stage.inputs['runs'])} jobs: {dict(runs.sizes)}")
    if counts:
        script.progress(endings.in_words(counts))
    measures = function_of(stage.module, "measure", xr.Dataset)(runs, data)
    measures = measures.assign_attrs(endings.described(counts))
    with own_code(stage.module):
        check_described(measures)
    script.write(measures, f"Measures of experiment {stage.name}", device=devices)
