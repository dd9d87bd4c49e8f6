"""Build a data set."""

from importlib import import_module

from regimes.jobs.data_script import use_mirror, write_data
from regimes.jobs.script import running

with running(snakemake) as script:
    params, config = script.params, snakemake.config
    use_mirror(config)
    # Not a parameter either: where a file of the user's own lies.
    path = config["datasets"][snakemake.wildcards.dataset].get("path")
    settings = params.settings | ({"path": path} if path else {})
    write_data(script, import_module(f"regimes.datasets.{params.kind}").build(settings))
