"""Draw a figure."""

from importlib import import_module

import matplotlib

from regimes.jobs.job_log import job
from regimes.plotting import style
from regimes.plotting.save import save
from regimes.storage import store

matplotlib.use("Agg")

with job(snakemake.log[0]) as progress:
    params = snakemake.params
    paths = dict(zip(params.measures, snakemake.input.measures, strict=True))
    measures = {name: store.read(path) for name, path in paths.items()}
    with style.publication():
        figure = import_module(params.module).draw(measures, params.scale, **params.arguments)
        save(
            figure,
            snakemake.output.pdf,
            snakemake.output.png,
            title=snakemake.wildcards.figure,
            config_hash=params.config_hash,
            code_hash=params.code,
            source=params.module,
            scale=params.scale,
            measures=params.measures,
        )
    progress(f"{params.module} drew {snakemake.output.pdf}")
