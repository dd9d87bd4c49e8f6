"""Make a data set with a network, from the images of another one."""

from regimes.jobs.start import start

start(snakemake.threads)

import json
from importlib import import_module

from regimes.jobs.data_script import use_mirror, write_data
from regimes.jobs.torch_script import running_with_torch

with running_with_torch(snakemake) as script:
    settings, device = script.stage.settings, script.device
    use_mirror(snakemake.config)
    (images,) = script.datasets("images")
    network = settings.get("backbone", "teacher")
    script.progress(f"{images.sizes['point']} images, {network} on {device}")
    module = import_module(script.stage.module)
    dataset = module.build(settings, images, device, script.progress)
    write_data(script, dataset, json.loads(images.attrs["config"])["datasets"])
