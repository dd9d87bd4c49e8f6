"""Compare a paper's claims with what was measured."""

from importlib import import_module

from regimes.claims import core
from regimes.jobs.job_log import job
from regimes.storage import store
from regimes.storage.atomic import replacing

with job(snakemake.log[0]) as progress:
    params = snakemake.params
    paths = dict(zip(params.measures, snakemake.input.measures, strict=True))
    measures = {name: store.read(path) for name, path in paths.items()}
    claims = core.declared_in(*map(import_module, params.modules))
    verdicts = core.evaluate(claims, measures, params.settings["scale"])
    for claim, verdict in zip(verdicts["claim"].values, verdicts["verdict"].values, strict=True):
        progress(f"{claim}: {verdict}")
    paper = snakemake.wildcards.paper
    store.write(
        verdicts,
        snakemake.output.dataset,
        title=f"Claims of {paper}",
        source=f"regimes.papers.{paper}.claims",
        references=snakemake.config["papers"][paper]["citation"],
        config=params.settings,
        code_hash=params.code,
    )
    with replacing(snakemake.output.table) as temporary:
        temporary.write_text(core.to_table(verdicts), encoding="utf-8")
