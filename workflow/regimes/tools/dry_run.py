"""Ask Snakemake which jobs a command line would start, as data.

Snakemake runs in a process of its own, where its command line and the Snakefile may set anything.
"""

import logging
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from inspect import isfunction
from pathlib import Path
from typing import Any, NoReturn

from regimes.engines.common.settings import EngineSettings
from regimes.errors import ConfigError
from regimes.plan.plan import Plan
from regimes.plan.provenance import PACKAGE, config_hash
from regimes.storage.versions import CHECKOUT
from regimes.tools.records import WITH_SETTINGS, kind_of, work


@dataclass(frozen=True)
class Job:
    """A job that would start.

    name, settings, work: as in `regimes.tools.records.Record`. input, output: paths relative to the
    directory of the workflow. gpu: how many GPUs it asks for. seconds: of one core, where the
    engine estimates them. gpu_gain: these over the seconds of a GPU. sharing: how many jobs share
    its process.
    """

    rule: str
    name: str
    settings: str
    work: float | None
    input: tuple[str, ...]
    output: tuple[str, ...]
    priority: int
    gpu: int
    seconds: float | None = None
    gpu_gain: float = EngineSettings.gpu_gain
    sharing: int = 1

    @property
    def kind(self) -> tuple[str, str]:
        """Rule and name as in records, in which `features` are `data`."""
        return ("data" if self.rule == "features" else self.rule, self.name)


@dataclass(frozen=True)
class DryRun:
    """What a command would do: its jobs, where, and at which scale.

    cores: how many jobs may run at a time. gpus: how many GPUs they may have together; None where
    nothing but the number of jobs limits them.
    """

    jobs: tuple[Job, ...]
    directory: Path
    cores: int
    gpus: int | None
    scale: str | None


def dry_run(arguments: Sequence[str]) -> DryRun:
    """What `snakemake ARGUMENTS` would do in the present folder.

    Raises ConfigError with Snakemake's message when it would start no jobs.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
        process = subprocess.run(
            [sys.executable, "-c", f"from {__name__} import main; main()", answer, *arguments],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if not answer.is_file():
            raise ConfigError(_message(process.stdout))
        return pickle.loads(answer.read_bytes())


def _message(output: str) -> str:
    """One line that says what went wrong, from all that Snakemake printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Using ")]  # profiles
    own = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if own:
        return own[0]
    if any(line.startswith("Traceback ") for line in lines):
        # The last line is the exception.
        return f"snakemake: {lines[-1].removeprefix('snakemake.exceptions.')}"
    return f"snakemake: {' '.join(lines[-4:]) or 'no answer'}"


def main() -> None:
    """The body of the process: `ANSWER ARGUMENT...`; it writes a DryRun to the file ANSWER."""
    answer, *arguments = sys.argv[1:]
    # The option comes first: some options take all words that follow for their own. The Snakefile
    # reads the command line too.
    sys.argv = ["snakemake", "--dry-run", *arguments]
    from snakemake import api, cli

    parser, options = cli.parse_args(sys.argv[1:])
    # In a study of the user's own, which has none.
    if options.snakefile is None and not any(map(os.path.exists, api.SNAKEFILE_CHOICES)):
        file = CHECKOUT / "Snakefile"
        options.snakefile = file if file.is_file() else None
    cores = options.cores or options.jobs or 1
    execute_workflow = api.DAGApi.execute_workflow

    def keep_jobs(dag_api: Any, *settings: Any, **more_settings: Any) -> None:
        execute_workflow(dag_api, *settings, **more_settings)
        workflow = dag_api.workflow_api._workflow
        jobs = sorted(workflow.dag.needrun_jobs(exclude_finished=False), key=lambda job: job.jobid)
        gpus = workflow.global_resources.get("gpu")
        plan = workflow.globals["PLAN"]
        planned = DryRun(
            # Targets that only name files have no output.
            jobs=tuple(one for job in jobs if job.output for one in _jobs(job, plan)),
            directory=Path.cwd(),
            cores=cores,
            gpus=getattr(gpus, "value", gpus),
            scale=workflow.config.get("scale"),
        )
        Path(answer).write_bytes(pickle.dumps(planned))

    def refuse(*_: Any, **__: Any) -> NoReturn:
        sys.exit(f"error: snakemake {' '.join(arguments)} starts no jobs: it has no cost to show")

    # Of all that Snakemake can do with a workflow, only this: the rest, such as to unlock a folder
    # or to delete files, would be done at once.
    for interface in (api.WorkflowApi, api.DAGApi):
        for name, member in list(vars(interface).items()):
            if isfunction(member) and not name.startswith("_") and name != "dag":
                setattr(interface, name, refuse)
    api.DAGApi.execute_workflow = keep_jobs
    if options.touch:
        refuse()
    # All that it says of a job that would start: thousands of lines, of which none is needed.
    logging.disable(logging.INFO)
    cli.args_to_api(options, parser)


def _jobs(job: Any, plan: Plan) -> list[Job]:
    """What matters here of a job of Snakemake's; of one that trains several jobs, of each."""
    given = dict(job.params.items())
    if "stages" not in given:
        return [_job(job, job.rule.name, given.get("stage"), job.output, plan)]
    sharing = len(job.output)
    pairs = zip(given["stages"], job.output, strict=True)
    return [
        replace(_job(job, "train", stage, [file], plan), sharing=sharing) for stage, file in pairs
    ]


def _job(job: Any, rule: str, stage: Any, files: Iterable[Any], plan: Plan) -> Job:
    """What matters here of a stage; stage: what its script is given. files: that it makes."""
    output = tuple(map(str, files))
    kind = kind_of(output[0])
    settings: dict[str, Any] = {}
    if kind and kind[0] in WITH_SETTINGS:
        # As the job's file will say them.
        settings = stage.get("job_settings") or stage["settings"]
        if rule == "probe":
            settings = settings | {"probe": {job.wildcards.probe: stage["settings"]}}
    training = plan.jobs.get(stage["name"]) if rule == "train" else None
    return Job(
        rule=rule,
        name=kind[1] if kind else rule,
        settings=config_hash(settings) if settings else "",
        work=work(settings),
        input=tuple(map(str, job.input)),
        output=output,
        priority=job.priority,
        gpu=job.resources.get("gpu", 0),
        seconds=training.seconds if training else None,
        gpu_gain=training.gpu_gain if training else EngineSettings.gpu_gain,
    )
