"""Train the runs of one job, or of several, one job after the other."""

from regimes.jobs.start import start

start(snakemake.threads)

import json

from regimes.engines.common.runner import closing_line, delete_checkpoint, train
from regimes.jobs.torch_script import TorchScript, each_with_torch
from regimes.storage import store


def make(script: TorchScript) -> None:
    """Make the file of one training job."""
    stage, prefix, (output,) = script.stage, script.prefix, script.snakemake.output
    # What the plan names lies below the prefix, as inputs and outputs do.
    checkpoint = prefix + stage.checkpoint
    end_states = prefix + stage.end_states if stage.end_states else None
    if script.take():
        runs = store.read(output)
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
            f"Runs of experiment {stage.settings['experiment']}, "
            f"job {stage.name.partition('/')[2]}",
            config=stage.settings | json.loads(data.attrs["config"]),
        )
        delete_checkpoint(checkpoint, script.device)
        script.give()
    script.progress.closing = closing_line(runs, stage.settings, script.snakemake.log[0])


each_with_torch(snakemake, make)
