"""Draw a figure."""

from importlib import import_module

import matplotlib

from regimes.jobs.script import running
from regimes.plotting import style
from regimes.plotting.save import save

matplotlib.use("Agg")

with running(snakemake) as script:
    params, measures = script.params, script.read("measures")
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
            measures=list(measures),
        )
    script.progress(f"{params.module} drew {snakemake.output.pdf}")
