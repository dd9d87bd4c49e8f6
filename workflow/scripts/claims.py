"""Compare a paper's claims with what was measured."""

from regimes.jobs.start import start

start()

from regimes.claims import core
from regimes.claims.discover import claims_in
from regimes.jobs.script import running
from regimes.plan.loading import own_code
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    stage = script.stage
    with own_code(stage.module):
        verdicts = core.evaluate(
            claims_in(stage.modules), script.read("measures"), stage.settings["scale"]
        )
    for claim, verdict in zip(verdicts["claim"].values, verdicts["verdict"].values, strict=True):
        script.progress(f"{claim}: {verdict}")
    script.write(verdicts, f"Claims of {stage.paper}")
    with replacing(snakemake.output.table) as temporary:
        temporary.write_text(core.to_table(verdicts), encoding="utf-8")
