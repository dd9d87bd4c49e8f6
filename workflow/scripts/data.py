"""Build a data set."""

from regimes.jobs.start import start

start()

from importlib import import_module

from regimes.jobs.data_script import use_mirror, write_data
from regimes.jobs.script import running

with running(snakemake) as script:
    stage, config = script.stage, snakemake.config
    use_mirror(config)
    # Not a parameter either: where a file of the user's own lies.
    path = config["datasets"][stage.name].get("path")
    settings = stage.settings | ({"path": path} if path else {})
    write_data(script, import_module(stage.module).build(settings))
