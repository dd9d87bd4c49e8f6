# Simulations of the training regimes of wide shallow networks: data -> runs -> measures -> figures.
# What runs is stated in workflow/regimes/papers/*/experiments.yaml and config.yaml; rules are in workflow/rules/, one file per stage.

import atexit
import gc
import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# Planning makes many objects that stay: looking for those that do not is a tenth of its time, and
# at the end, when all go, a quarter.
gc.set_threshold(100_000)
atexit.register(gc.freeze)

# The folder of this file. `workflow.basedir` is that of a workflow which has this one as a module.
# Of a file that Snakemake fetched from a forge, the folder of the installed package.
if isinstance(workflow.current_basedir, os.PathLike):
    ROOT = Path(workflow.current_basedir)
elif package := find_spec("regimes"):
    ROOT = Path(package.origin).parents[2]
else:
    sys.exit("error: the package regimes is not installed here, which the Snakefile needs")

# The code of this checkout runs, here and in the jobs, whatever other version is installed.
CODE = str(ROOT / "workflow")
if sys.path[0] != CODE:
    sys.path.insert(0, CODE)
    # Environment variables reach the jobs; sys.path does not.
    os.environ.update(
        PYTHONPATH=os.pathsep.join(filter(None, [CODE, os.environ.get("PYTHONPATH")]))
    )

# Snakemake puts it into the command of each job as it is, with the spaces of the folder it lies in.
if Path(sys.executable).is_file():
    sys.executable = shlex.quote(sys.executable)

# glibc's allocator: keep freed memory in the process. Training frees and takes the arrays of its
# tiles all the time, and returning them to the system costs a tenth of its time.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 * 2**20))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(512 * 2**20))


configfile: ROOT / "config.yaml"


include: "workflow/rules/common.smk"


# Layer by layer: in what Snakemake merges, `scales` of a file would lie over the command line.
SETTINGS = or_exit(settings_of)
PREFIX = or_exit(prefix)
# What cannot be had is looked for once, where Snakemake was started; jobs are told.
if ABSENT not in os.environ:
    os.environ[ABSENT] = or_exit(absent_text, SETTINGS, PREFIX)
SETTINGS = or_exit(without_absent, SETTINGS, PREFIX)
PLAN = or_exit(Plan.from_config, SETTINGS)
or_exit(check_targets)
# Without its own folder Snakemake would end in a traceback, a little later.
or_exit(check_writable, ".snakemake" if Path(".snakemake").is_dir() else Path.cwd())
or_exit(PLAN.write_stamps, PREFIX)
# Jobs and the report find there what holds, the papers' settings included. It is no parameter: to
# reword a citation or move a mirror reruns nothing, nor does rewording a comment, of which jobs
# learn by the fingerprint. What the name had before may be another workflow's.
config = SETTINGS.model_dump(mode="json") | {"fingerprint": fingerprint(), "prefix": PREFIX}

# Which jobs use a GPU is decided once, where Snakemake was started: the node of a job may have
# others. Jobs are told, and ask for a GPU exactly when training is to use one.
PLACED = "_".join(["REGIMES_PLACEMENT", *re.findall(r"\w+", PREFIX)])
if workflow.is_main_process:
    os.environ[PLACED] = placement().text
    or_exit(PLAN.remove_empty, PREFIX)
    if not workflow.dryrun:
        or_exit(restore_all, PREFIX)
    if not IS_MODULE and any(map(re.compile("--report(=|$)").match, sys.argv)):
        from regimes.tools.check import require_current

        or_exit(PLAN.require_files, PLAN.asked_for(sys.argv))
        or_exit(require_current, PLAN.asked_for(sys.argv))
    # No more training at once than there are cores, whatever --cores says: jobs beyond that only
    # fight for caches and memory. Where jobs go to other machines these see to it; fewer can be
    # asked for, `--resources training=1`.
    if workflow.nodes is None and "training" not in workflow.global_resources:
        workflow.register_resource("training", available_cores())
    or_exit(take_all, PLAN.named_by_hash(), SETTINGS.shared_results, PREFIX)
    for line in told():
        print(f"warning: {line}", file=sys.stderr)


envvars:
    ABSENT,
    PLACED,


PLACEMENT = Placement.from_text(os.environ[PLACED])
TOGETHER = together()
if workflow.is_main_process:
    for line in PLAN.long_jobs(PREFIX, PLACEMENT.trained):
        print(f"warning: {line}", file=sys.stderr)


wildcard_constraints:
    dataset=alternatives(PLAN.data),
    experiment=alternatives(PLAN.measures),
    paper=alternatives(PLAN.papers),
    figure=alternatives(PLAN.figures),


rule all:
    # The workflow that has this one as a module says what it makes by default.
    default_target: not IS_MODULE
    input:
        PLAN.all_targets(),


for paper in PLAN.papers:

    rule:
        name:
            paper
        input:
            PLAN.targets(paper),


include: "workflow/rules/data.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/explorer.smk"


onsuccess:
    logger.info("\n".join(ended()))


onerror:
    # Those of a job that made several, of which one has failed
    or_exit(restore_all, PREFIX)
    logger.error("\n".join(ended(failures())))
