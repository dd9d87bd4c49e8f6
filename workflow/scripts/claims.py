"""Compare a paper's claims with what was measured."""

from importlib import import_module

from regimes.claims import core
from regimes.jobs.script import running
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    stage = script.stage
    claims = core.declared_in(*map(import_module, stage.modules))
    verdicts = core.evaluate(claims, script.read("measures"), stage.settings["scale"])
    for claim, verdict in zip(verdicts["claim"].values, verdicts["verdict"].values, strict=True):
        script.progress(f"{claim}: {verdict}")
    script.write(verdicts, f"Claims of {stage.paper}")
    with replacing(snakemake.output.table) as temporary:
        temporary.write_text(core.to_table(verdicts), encoding="utf-8")
