"""Put the claims of all papers into one file."""

from regimes.jobs.start import start

start()

from regimes.claims.gathered import gather
from regimes.jobs.script import running

with running(snakemake) as script:
    papers = script.read("claims")
    verdicts = gather(papers)
    script.write(verdicts, "Claims of all papers", references=script.citation(*papers))
    script.progress(f"{verdicts.sizes['claim']} claims of {len(papers)} papers")
