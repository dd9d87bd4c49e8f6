# Names and functions that the rules share.

import re

from regimes.config.load import validate
from regimes.jobs.devices import resolve
from regimes.errors import ConfigError
from regimes.plan.plan import Plan


def or_exit(function, *arguments):
    """The function's result; a wrong config ends Snakemake with one line and exit code 1."""
    try:
        return function(*arguments)
    except ConfigError as error:
        # Raised as an error, Snakemake would add the Snakefile's position and a traceback.
        sys.exit(f"error: {error}")


def alternatives(names):
    """Regular expression that matches exactly the given names (nothing, if there are none)."""
    return "|".join(map(re.escape, names)) or "(?!)"


# Options that show the whole workflow, or force all of it.
WHOLE_WORKFLOW = re.compile(
    "--report|--dag|--rulegraph|--filegraph|--d3dag|--(detailed-)?summary|--forceall"
    "|-[A-Za-z]*[FSD]$|(-R|--forcerun=)?(train|probe)$"
)


def to_be_made(plans):
    """Regular expression of the blocks, or probes, that are jobs: whose file does not exist yet.

    Those asked for by name are jobs too, and all are in a job's own process (on a cluster), in
    reports and graphs, and with `--forceall` or `--forcerun train` (or `probe`).
    """
    every = "[^/]+-[0-9a-f]{16}"
    if any(map(WHOLE_WORKFLOW.match, sys.argv)):
        return every
    if not workflow.is_main_process:
        return every
    jobs, done = [], []
    for plan in plans:
        missing = plan.path in sys.argv or not Path(plan.path).exists()
        (jobs if missing else done).append(plan.name[-16:])
    # The shorter list of the two: Snakemake handles the expression once for each file.
    if len(jobs) <= len(done):
        return f"[^/]+-(?:{alternatives(jobs)})"
    return f"(?![^/]+-(?:{alternatives(done)})(?:[.]|$)){every}"


def block_of(wildcards):
    """The block that a run file belongs to."""
    return PLAN.block(wildcards.experiment, wildcards.block)


def data_of(wildcards):
    """The data set that a run trains on."""
    return PLAN.data[block_of(wildcards).dataset]


def probe_of(wildcards):
    """The probe that a file belongs to."""
    return PLAN.probe(wildcards.experiment, wildcards.probe, wildcards.block)


def probed_data_of(wildcards):
    """The data sets that a probe reads, that of its runs first."""
    return [PLAN.data[name] for name in probe_of(wildcards).datasets]


def source_of(wildcards):
    """The data set that another one is made from."""
    return PLAN.data[PLAN.data[wildcards.dataset].source]


def measure_of(wildcards):
    """The measures of an experiment."""
    return PLAN.measures[wildcards.experiment]


def claims_of(wildcards):
    """The claims of a paper."""
    return PLAN.claims[wildcards.paper]


def figure_of(wildcards):
    """The plan of a figure."""
    return PLAN.figures[wildcards.figure]
