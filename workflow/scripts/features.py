"""Make a data set with a network, from the images of another one."""

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
from regimes.storage import store

with (
    job(snakemake.log[0]) as progress,
    # The job was given a GPU exactly when one is to be used.
    device_of_job(snakemake.resources.get("gpu", 0), progress) as device,
):
    params = snakemake.params
    version = torch.__version__.partition("+")[0]
    if version != params.torch:
        raise DataError(
            f"torch is {version} here but {params.torch} where the workflow was planned: use the "
            "same version"
        )
    # Read from the config, not a parameter: where files lie must not remake the data.
    if snakemake.config.get("data_mirror"):
        os.environ["REGIMES_DATA"] = snakemake.config["data_mirror"]
    images = store.read(snakemake.input.images)
    if images.attrs.get("data_hash") != params.images_hash:
        raise DataError(
            f"{snakemake.input.images} is not the data set of this config: delete it and run the "
            "same command again"
        )
    name, module = snakemake.wildcards.dataset, f"regimes.datasets.{params.settings['kind']}"
    network = params.settings.get("backbone", "teacher")
    progress(f"{images.sizes['point']} images, {network} on {device}")
    dataset = import_module(module).build(params.settings, images, device, progress)
    progress(f"data set {name}: {dict(dataset.sizes)}")
    store.write(
        # Training compares this hash with the one that it was planned for.
        dataset.assign_attrs(data_hash=params.data_hash),
        snakemake.output[0],
        title=f"Data set {name}",
        source=module,
        references=dataset.attrs["citation"],
        config={
            "datasets": json.loads(images.attrs["config"])["datasets"] | {name: params.settings}
        },
        device=device,
    )
