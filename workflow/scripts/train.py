"""Train one block of runs."""

import json
import os

# Before anything imports NumPy or torch, which read these once.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(snakemake.threads)

from regimes.engines.common.runner import train
from regimes.engines.registry import engine_module
from regimes.errors import DataError
from regimes.jobs.gpus import device_of_job
from regimes.jobs.job_log import job
from regimes.plan.provenance import training_code_hash
from regimes.storage import store
from regimes.storage.versions import package_versions

# What the command line, or YAML in it, may have for false.
NO = ("false", "no", "off", "0", "f", "n")


def require_hashed_code(block: dict) -> None:
    """Raise DataError unless the code and torch are those that the file's name was made from."""
    torch = package_versions("torch")["torch"].partition("+")[0]
    if torch != snakemake.params.torch:
        raise DataError(
            f"torch is {torch} here but {snakemake.params.torch} where the workflow was planned: "
            "use the same version"
        )
    if training_code_hash(block) != snakemake.params.code:
        raise DataError("code of training changed since the workflow started: run it again")


with (
    job(snakemake.log[0]) as progress,
    # The job was given a GPU exactly when training is to use one.
    device_of_job(snakemake.resources.get("gpu", 0), progress) as device,
):
    block = snakemake.params.block
    require_hashed_code(block)
    data = store.read(snakemake.input.data)
    if data.attrs.get("data_hash") != snakemake.params.data_hash:
        raise DataError(
            f"{snakemake.input.data} is not the data set of this config: delete it and run the "
            "same command again"
        )
    module = engine_module(block["engine"])
    # Read from the config, not a parameter: another wording of the citation must not retrain.
    paper = snakemake.config["experiments"][block["experiment"]]["paper"]
    progress(f"{module} on {device}: {block['axes']}")
    # Read from the config, not a parameter: it changes no result.
    kept = str(snakemake.config.get("keep_states", True)).lower() not in NO
    runs = train(
        block,
        data,
        device,
        progress,
        checkpoint=snakemake.params.checkpoint,
        end_states=snakemake.params.end_states if kept else None,
    )
    require_hashed_code(block)
    store.write(
        runs,
        snakemake.output[0],
        title=f"Runs of experiment {block['experiment']}, block {snakemake.wildcards.block}",
        source=module,
        references=snakemake.config["papers"][paper]["citation"],
        config=block | json.loads(data.attrs["config"]),
        device=device,
        code_hash=snakemake.params.code,
    )
