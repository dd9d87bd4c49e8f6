"""Write a table as CSV."""

from importlib import import_module

from regimes.jobs.job_log import job
from regimes.storage import store
from regimes.storage.atomic import replacing

with job(snakemake.log[0]) as progress:
    params = snakemake.params
    paths = dict(zip(params.measures, snakemake.input.measures, strict=True))
    measures = {name: store.read(path) for name, path in paths.items()}
    table = import_module(params.module).table(measures, **params.arguments)
    with replacing(snakemake.output[0]) as temporary:
        table.to_csv(temporary, index=False)
    progress(f"{params.module}: {len(table)} rows of {len(table.columns)} columns")
