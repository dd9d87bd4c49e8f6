"""Measure the runs of an experiment."""

from importlib import import_module

from regimes.jobs.script import running
from regimes.storage.grids import gather

with running(snakemake) as script:
    stage = script.stage
    module = import_module(stage.module)
    (data,) = script.datasets("data")
    # What a measure keeps of a file alone: weights of different widths do not fit together, and
    # those of all files need not fit the memory.
    reduce = getattr(module, "reduce", lambda run, data: run)
    runs, devices = gather(
        stage.name,
        stage.grids,
        script.datasets("runs"),
        script.datasets("probes"),
        len(stage.inputs["probes"]) // len(stage.inputs["runs"]),
        lambda run: reduce(run, data),
    )
    script.progress(f"{len(stage.inputs['runs'])} jobs: {dict(runs.sizes)}")
    script.write(module.measure(runs, data), f"Measures of experiment {stage.name}", device=devices)
