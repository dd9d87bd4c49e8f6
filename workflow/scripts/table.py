"""Write a table as CSV."""

from regimes.jobs.start import start

start()

import pandas as pd

from regimes.jobs.script import running
from regimes.plan.loading import function_of
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    stage = script.stage
    make = function_of(stage.module, "table", pd.DataFrame)
    table = make(script.read("measures"), **stage.arguments)
    with replacing(snakemake.output[0]) as temporary:
        table.to_csv(temporary, index=False)
    script.progress(f"{stage.module}: {len(table)} rows of {len(table.columns)} columns")
