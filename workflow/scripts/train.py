"""Train the runs of one job."""

from regimes.jobs.start import start

start(snakemake.threads)

import json

from regimes.engines.common.runner import closing_line, delete_checkpoint, train
from regimes.jobs.torch_script import running_with_torch
from regimes.storage import store

with running_with_torch(snakemake) as script:
    stage, prefix = script.stage, script.prefix
    # What the plan names lies below the prefix, as inputs and outputs do.
    checkpoint = prefix + stage.checkpoint
    end_states = prefix + stage.end_states if stage.end_states else None
    if script.take():
        runs = store.read(snakemake.output[0])
    else:
        (data,) = script.datasets("data")
        script.progress(f"{stage.module} on {script.device}: {stage.settings['axes']}")
        runs = train(
            stage.settings,
            data,
            script.device,
            script.progress,
            checkpoint=checkpoint,
            # Whether they are kept is no parameter: it changes no result.
            end_states=end_states if snakemake.config["keep_states"] else None,
        )
        script.write(
            runs,
            f"Runs of experiment {stage.settings['experiment']}, job {snakemake.wildcards.job}",
            config=stage.settings | json.loads(data.attrs["config"]),
        )
        delete_checkpoint(checkpoint, script.device)
        script.give()
    script.progress.closing = closing_line(runs, stage.settings, snakemake.log[0])
