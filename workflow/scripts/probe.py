"""Probe the runs of one training job."""

from regimes.jobs.threads import limit_threads

# Before anything imports NumPy or torch.
limit_threads(snakemake.threads)

import json
from importlib import import_module

from regimes.jobs.torch_script import running_with_torch
from regimes.plan.probes import probe_code_hash
from regimes.storage import store

names = snakemake.wildcards
with running_with_torch(snakemake, lambda: probe_code_hash(names.probe)) as script:
    params = script.params
    (run,) = map(store.read, snakemake.input.run)
    data = script.read_data("data", params.data_hashes)
    script.progress(f"{params.module} on {script.device}")
    probed = import_module(params.module).probe(
        run, data, params.settings, params.job_settings, script.device, script.progress
    )
    script.write(
        probed,
        f"Probe {names.probe} of experiment {names.experiment}, block {names.job}",
        config=params.job_settings
        | {"probe": {names.probe: params.settings}}
        | json.loads(data[0].attrs["config"]),
    )
