"""Write a table as CSV."""

from importlib import import_module

from regimes.jobs.script import running
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    params = script.params
    table = import_module(params.module).table(script.read("measures"), **params.arguments)
    with replacing(snakemake.output[0]) as temporary:
        table.to_csv(temporary, index=False)
    script.progress(f"{params.module}: {len(table)} rows of {len(table.columns)} columns")
