"""Probe the runs of one training job."""

from regimes.jobs.start import start

start(snakemake.threads)

import json
from functools import reduce
from importlib import import_module

from regimes.config.load import merge
from regimes.jobs.torch_script import running_with_torch
from regimes.plan.loading import install_activation

names = snakemake.wildcards
with running_with_torch(snakemake) as script:
    stage = script.stage
    if not script.take():
        install_activation(stage.job_settings)
        (run,), data = script.datasets("run"), list(script.datasets("data"))
        script.progress(f"{stage.module} on {script.device}")
        probed = import_module(stage.module).probe(
            run, data, stage.settings, stage.job_settings, script.device, script.progress
        )
        script.write(
            probed,
            f"Probe {names.probe} of experiment {names.experiment}, job {names.job}",
            config=reduce(
                merge,
                (json.loads(one.attrs["config"]) for one in data),
                stage.job_settings | {"probe": {names.probe: stage.settings}},
            ),
        )
        script.give()
