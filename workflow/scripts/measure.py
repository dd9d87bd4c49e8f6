"""Measure the runs of an experiment."""

from importlib import import_module

from regimes import endings
from regimes.jobs.script import running
from regimes.storage.grids import gather

with running(snakemake) as script:
    stage = script.stage
    module = import_module(stage.module)
    (data,) = script.datasets("data")
    # What a measure keeps of a file alone: weights of different widths do not fit together, and
    # those of all files need not fit the memory.
    reduce = getattr(module, "reduce", lambda run, data: run)
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
    measures = module.measure(runs, data).assign_attrs(endings.described(counts))
    script.write(measures, f"Measures of experiment {stage.name}", device=devices)
