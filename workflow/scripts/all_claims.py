"""Put the claims of all papers into one file."""

from regimes.claims.gathered import gather
from regimes.jobs.job_log import job
from regimes.storage import store

with job(snakemake.log[0]) as progress:
    params = snakemake.params
    papers = dict(zip(params.papers, snakemake.input.claims, strict=True))
    verdicts = gather({paper: store.read(path) for paper, path in papers.items()})
    store.write(
        verdicts,
        snakemake.output[0],
        title="Claims of all papers",
        source="regimes.claims.gathered",
        references="; ".join(snakemake.config["papers"][paper]["citation"] for paper in papers),
        config=params.settings,
        code_hash=params.code,
    )
    progress(f"{verdicts.sizes['claim']} claims of {len(papers)} papers")
