"""Train the runs of one job."""

from regimes.jobs.threads import limit_threads

# Before anything imports NumPy or torch.
limit_threads(snakemake.threads)

import json

from regimes.engines.common.runner import train
from regimes.jobs.torch_script import running_with_torch
from regimes.plan.provenance import training_code_hash

settings = snakemake.params.settings
with running_with_torch(snakemake, lambda: training_code_hash(settings)) as script:
    params = script.params
    (data,) = script.read_data("data", [params.data_hash])
    script.progress(f"{params.module} on {script.device}: {settings['axes']}")
    runs = train(
        settings,
        data,
        script.device,
        script.progress,
        checkpoint=params.checkpoint,
        # Whether they are kept is no parameter: it changes no result.
        end_states=params.end_states if snakemake.config["keep_states"] else None,
    )
    script.write(
        runs,
        f"Runs of experiment {settings['experiment']}, block {snakemake.wildcards.job}",
        config=settings | json.loads(data.attrs["config"]),
    )
