"""Write a table as CSV."""

from importlib import import_module

from regimes.jobs.script import running
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    stage = script.stage
    table = import_module(stage.module).table(script.read("measures"), **stage.arguments)
    with replacing(snakemake.output[0]) as temporary:
        table.to_csv(temporary, index=False)
    script.progress(f"{stage.module}: {len(table)} rows of {len(table.columns)} columns")
