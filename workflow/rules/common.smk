# Names and functions that the rules share.

import re

from snakemake.cli import get_argument_parser
from snakemake.logging import logger

from regimes.config.layers import said_by
from regimes.config.load import load, load_in
from regimes.jobs.cores import available_cores
from regimes.jobs.devices import resolve
from regimes.errors import ConfigError, RegimesError
from regimes.plan.absent import VARIABLE as ABSENT
from regimes.plan.absent import absent_text, left_out, without_absent
from regimes.plan.outcome import failed, made, verdicts
from regimes.plan.placement import Placement
from regimes.plan.plan import TARGETS, Plan
from regimes.plan.provenance import fingerprint
from regimes.storage.failures import check_writable
from regimes.storage.kept import restore_all
from regimes.storage.shared import take_all

# Whether another workflow has this one as a module, with settings, names and paths of its own.
IS_MODULE = not workflow.modifier.is_main_snakefile()


def or_exit(function, *arguments):
    """The function's result; one of our errors ends Snakemake with one line and exit code 1."""
    try:
        return function(*arguments)
    except RegimesError as error:
        # Raised as an error, Snakemake would add the Snakefile's position and a traceback.
        sys.exit(f"error: {error}")


def settings_of():
    """The validated settings of the config.yaml that count, and of the command line.

    For a module what its `config:` says, in the place of all; without that the config.yaml beside
    the Snakefile alone: the command line is the other workflow's.
    """
    said, own = workflow.config_settings, ROOT / "config.yaml"
    if IS_MODULE:
        layers = said_by(config, (), f"config of module {__name__}", bool(said.config))
        replaced = workflow.modifier.skip_configfile
        return load(None, layers) if replaced else load(own if own.is_file() else None)
    layers = said_by(said.config, said.configfiles)
    if said.replace_workflow_config and said.overwrite_config:
        return load(None, layers)
    return load_in(Path(), ROOT, layers)


def prefix():
    """What the `prefix` of a module puts before all paths; empty without one."""
    modified = workflow.modifier.path_modifier.replace_prefix
    before = modified("")
    if any(modified(folder) != before + folder for folder in TARGETS):
        raise ConfigError(
            f"module {__name__}: replace_prefix is not known here; use prefix, a folder below which "
            "all files lie"
        )
    return before


def alternatives(names):
    """Regular expression that matches exactly the given names (nothing, if there are none)."""
    return "|".join(map(re.escape, names)) or "(?!)"


# Options that show the whole workflow, or force all of it.
WHOLE_WORKFLOW = re.compile(
    "--report|--dag|--rulegraph|--filegraph|--d3dag|--(detailed-)?summary|--forceall"
    "|-[A-Za-z]*[FSD]$|(-R|--forcerun=)?"
    f"({alternatives(map(workflow.modifier.modify_rulename, ('train', 'probe')))})$"
)


def placement():
    """Where the experiments are trained, with the cores and GPUs that Snakemake was given."""
    cores = available_cores() if workflow.nodes is None else workflow.nodes
    gpus = getattr(workflow.global_resources.get("gpu"), "value", None)
    gpus = cores if gpus is None else max(1, gpus)
    return Placement.decide(SETTINGS, PLAN, resolve, cores, gpus)


def together():
    """Training jobs that share processes; none where these are more than what is to be trained."""
    if any(WHOLE_WORKFLOW.match(word) or f"{PREFIX}results/runs/" in word for word in sys.argv):
        return []
    return list(PLACEMENT.together(PLAN, PREFIX))


def to_be_made(stages):
    """Regular expression of the runs, or probes, that are jobs: whose file does not exist yet.

    Those asked for by name are jobs too, and all are in a job's own process (on a cluster), in
    reports and graphs, and with `--forceall` or `--forcerun train` (or `probe`). Not those that
    another rule makes together.
    """
    every = "[^/]+-[0-9a-f]{16}"
    if any(map(WHOLE_WORKFLOW.match, sys.argv)):
        return every
    if not workflow.is_main_process:
        return every
    jobs, done = [], []
    elsewhere = {job.name for group in TOGETHER for job in group.jobs}
    for stage in stages.values():
        path = Path(PREFIX) / stage.path
        missing = str(path) in sys.argv or not (path.exists() or stage.name in elsewhere)
        (jobs if missing else done).append(stage.name[-16:])
    # The shorter list of the two: Snakemake handles the expression once for each file.
    if len(jobs) <= len(done):
        return f"[^/]+-(?:{alternatives(jobs)})"
    return f"(?![^/]+-(?:{alternatives(done)})(?:[.]|$)){every}"


def check_targets():
    """Raise ConfigError for a target that nothing makes: Snakemake would not say what was meant.

    What is asked for where this is a module, another workflow may make.
    """
    named = [word for word in sys.argv[1:] if word.startswith(TARGETS)]
    if IS_MODULE or not named or not workflow.is_main_process:
        return
    for target in targets():
        if target in named:
            PLAN.check_target(target)


def targets():
    """What the command line asks for. Words may also be values of options."""
    return get_argument_parser().parse_known_args(sys.argv[1:])[0].targets


def told():
    """Lines on what is left out, where more is asked for than files by their names."""
    asked = [] if IS_MODULE else targets()
    return () if asked and all("/" in target for target in asked) else left_out(PLAN.left_out)


def failures():
    """Rule, output files and logs of each job that failed."""
    jobs = (one for job in workflow.scheduler.failed for one in getattr(job, "jobs", [job]))
    found = []
    for job in jobs:
        outputs, logs = list(job.output), list(job.log)
        if len(logs) > 1:  # one for each file, of which those that are there have not failed
            pairs = [pair for pair in zip(outputs, logs) if not Path(pair[0]).exists()]
            outputs, logs = map(list, zip(*pairs)) if pairs else (outputs, logs)
        found.append((job.rule.name, outputs, logs))
    return found


def ended(failed_jobs=None):
    """The closing lines: what was made and where, verdicts, what is left out and what failed."""
    files, here = workflow.dag.derived_targetfiles, Path.cwd()
    if failed_jobs is None:
        yield made(files, here, Path(workflow.rundir))
        yield from verdicts(files, here)
    yield from told()
    if failed_jobs is not None:
        yield from failed(failed_jobs, here, Path(workflow.rundir))


def planned(rule, what):
    """Function of a rule's wildcards: an attribute of the stage that they name."""
    return lambda wildcards: getattr(PLAN.stage(rule, "/".join(wildcards)), what)


def handed(rule):
    """Function of a rule's wildcards: what the script of their stage is given."""
    return lambda wildcards: PLAN.stage(rule, "/".join(wildcards)).handed()


def memory(least, rule=None, jobs=()):
    """Function of a rule's wildcards and of the attempt: the MB that a job asks for.

    They are at least `least`, more where the plan's estimate for the stage of the rule, or for one
    of the `jobs`, is, and more with each attempt, up to `max_memory_mb`.
    """

    def asked(wildcards, attempt):
        of_rule = planned(rule, "memory_mb")(wildcards) if rule else 0
        estimate = max([of_rule, *(job.memory_mb for job in jobs)])
        return min(max(least, estimate) * attempt, SETTINGS.max_memory_mb)

    return asked


def gpu_if_in(experiments):
    """Function of a rule's wildcards: how many GPUs a job asks for, one if its experiment is there."""
    return lambda wildcards: int(wildcards.experiment in experiments)


def data_of(jobs):
    """Input files of training jobs of one experiment, which share their data."""

    def inputs(wildcards):
        or_exit(PLAN.require_files, jobs)
        return [jobs[0].data.path]

    return inputs


def take_resources_of_train(rule):
    """Let a rule have the resources that a profile or the command line sets for `train`."""
    train, own = map(workflow.modifier.modify_rulename, ("train", rule))
    said = workflow.resource_settings.overwrite_resources
    workflow.get_rule(own).resources.update(said.get(train, {}))


def handed_of(jobs):
    """Function of no wildcards: what the script of some jobs is given."""
    return lambda wildcards: [job.handed() for job in jobs]


def number_of_attempt(wildcards, attempt):
    """How often a job has been started, with this time: its script knows no other way."""
    return attempt


def files(rule):
    """Input files of a rule: those of its stage by kind, and its stamp if it has one."""

    def inputs(wildcards):
        stage = PLAN.stage(rule, "/".join(wildcards))
        or_exit(PLAN.require_files, [stage])
        # Stamps are written where the workflow is planned, and are no results to be kept elsewhere.
        # To what is local Snakemake adds no prefix.
        stamp = {"stamp": local(str(Path(PREFIX) / stage.stamp))} if stage.stamp else {}
        return {kind: list(paths.values()) for kind, paths in stage.paths.items()} | stamp

    return unpack(inputs)
