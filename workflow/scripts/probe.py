"""Probe the trained runs of one block."""

import json
import os

# Before anything imports NumPy or torch, which read these once.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(snakemake.threads)

from importlib import import_module

import torch

from regimes.errors import DataError
from regimes.jobs.gpus import device_of_job
from regimes.jobs.job_log import job
from regimes.plan.probes import probe_code_hash
from regimes.storage import store


def require_hashed_code(probe: str) -> None:
    """Raise DataError unless code and torch are those that the file's name was made from."""
    version = torch.__version__.partition("+")[0]
    if version != snakemake.params.torch:
        raise DataError(
            f"torch is {version} here but {snakemake.params.torch} where the workflow was planned: "
            "use the same version"
        )
    if probe_code_hash(probe) != snakemake.params.code:
        raise DataError("code of the probe changed since the workflow started: run it again")


with (
    job(snakemake.log[0]) as progress,
    # The job was given a GPU exactly when one is to be used.
    device_of_job(snakemake.resources.get("gpu", 0), progress) as device,
):
    params, probe = snakemake.params, snakemake.wildcards.probe
    require_hashed_code(probe)
    run, data = store.read(snakemake.input.run), []
    for path, data_hash in zip(snakemake.input.data, params.data_hashes, strict=True):
        data.append(store.read(path))
        if data[-1].attrs.get("data_hash") != data_hash:
            raise DataError(
                f"{path} is not the data set of this config: delete it and run the same command "
                "again"
            )
    module = f"regimes.probes.{probe}"
    paper = snakemake.config["experiments"][snakemake.wildcards.experiment]["paper"]
    progress(f"{module} on {device}")
    probed = import_module(module).probe(run, data, params.settings, params.block, device, progress)
    require_hashed_code(probe)
    store.write(
        probed,
        snakemake.output[0],
        title=f"Probe {probe} of experiment {snakemake.wildcards.experiment}, block "
        f"{snakemake.wildcards.block}",
        source=module,
        references=snakemake.config["papers"][paper]["citation"],
        config=params.block
        | {"probe": {probe: params.settings}}
        | json.loads(data[0].attrs["config"]),
        device=device,
        code_hash=params.code,
    )
