"""Compare a paper's claims with what was measured."""

from importlib import import_module

from regimes.claims import core
from regimes.jobs.script import running
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    params = script.params
    claims = core.declared_in(*map(import_module, params.modules))
    verdicts = core.evaluate(claims, script.read("measures"), params.settings["scale"])
    for claim, verdict in zip(verdicts["claim"].values, verdicts["verdict"].values, strict=True):
        script.progress(f"{claim}: {verdict}")
    script.write(verdicts, f"Claims of {params.paper}", code_hash=params.code)
    with replacing(snakemake.output.table) as temporary:
        temporary.write_text(core.to_table(verdicts), encoding="utf-8")
