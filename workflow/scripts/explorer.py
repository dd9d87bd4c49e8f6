"""Make the page of the explorer."""

from regimes.explorer.page import render
from regimes.jobs.job_log import job
from regimes.storage import store
from regimes.storage.atomic import replacing

with job(snakemake.log[0]) as progress:
    params, files = snakemake.params, snakemake.input
    paths = dict(zip(params.measures, files.measures, strict=True))
    measures = {name: store.read(path) for name, path in paths.items()}
    verdicts = dict(zip(params.claims, files.claims, strict=True))
    claims = {paper: store.read(path) for paper, path in verdicts.items()}
    paths |= {f"claims/{paper}": path for paper, path in verdicts.items()}
    html = render(measures, claims, params.titles, paths)
    with replacing(snakemake.output[0]) as temporary:
        temporary.write_text(html, encoding="utf-8")
    progress(f"{len(measures)} measures, {len(claims)} papers' claims: {len(html) / 1e6:.1f} MB")
