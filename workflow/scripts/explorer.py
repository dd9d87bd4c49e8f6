"""Make the page of the explorer."""

from regimes.jobs.start import start

start()

from regimes.explorer.page import render
from regimes.jobs.script import running
from regimes.storage.atomic import replacing

with running(snakemake) as script:
    measures, claims = script.read("measures"), script.read("claims")
    verdicts = {f"claims/{paper}": path for paper, path in script.paths("claims").items()}
    settings, paths = script.stage.settings, script.paths("measures") | verdicts
    html = render(measures, claims, settings["titles"], paths, settings["figures"])
    with replacing(snakemake.output[0]) as temporary:
        temporary.write_text(html, encoding="utf-8")
    script.progress(
        f"{len(measures)} measures, {len(claims)} papers' claims: {len(html) / 1e6:.1f} MB"
    )
