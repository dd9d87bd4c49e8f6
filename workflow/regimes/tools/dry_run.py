"""Ask Snakemake which jobs a command line would start, as data.

Snakemake runs in a process of its own, `python -m regimes.tools.dry_run FILE ARGUMENT...`: its
command line and the Snakefile may set anything there, and what its log says of each job goes to
the file as JSON.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from regimes.errors import ConfigError
from regimes.plan.plan import Plan
from regimes.plan.provenance import PACKAGE, config_hash
from regimes.tools.work import work

# Of Snakemake: what does something else than to make files, some of it at once.
OTHER_ACTIONS = (
    "archive",
    "cleanup_metadata",
    "cleanup_shadow",
    "conda_cleanup_envs",
    "conda_create_envs_only",
    "containerize",
    "delete_all_output",
    "delete_temp_output",
    "draft_notebook",
    "edit_notebook",
    "generate_unit_tests",
    "lint",
    "report",
    "touch",
    "unlock",
)


@dataclass(frozen=True)
class Job:
    """A job that would start.

    name: what it belongs to: an experiment, `<experiment>/<probe>`, a data set, a paper, a figure.
    settings: hash of what its file would say of its settings; None for figures. work: as
    `regimes.tools.work` gives it.
    """

    rule: str
    name: str
    settings: str | None
    work: float | None
    input: tuple[str, ...]
    output: tuple[str, ...]
    priority: int
    gpu: int


@dataclass(frozen=True)
class DryRun:
    """What a command would do: its jobs, where, on how many cores (None: not said), which scale.

    gpus: how many may be used at a time; None where nothing but the number of jobs limits them.
    """

    jobs: tuple[Job, ...]
    directory: str
    cores: int | None
    gpus: int | None
    scale: str | None


def dry_run(arguments: Sequence[str]) -> DryRun:
    """What `snakemake ARGUMENTS` would do in the present folder.

    Raises ConfigError with Snakemake's message when it cannot be planned.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "jobs.json"
        path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(answer), *arguments],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode or not answer.is_file():
            raise ConfigError(_message(done.stdout))
        content = json.loads(answer.read_text())
    jobs = tuple(
        Job(**job | {"input": tuple(job["input"]), "output": tuple(job["output"])})
        for job in content.pop("jobs")
    )
    return DryRun(jobs, **content)


def _message(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Using ")]  # profiles
    own = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if own:
        return own[0]
    if any(line.startswith("Traceback ") for line in lines):
        # The last line is the exception.
        return f"snakemake: {lines[-1].removeprefix('snakemake.exceptions.')}"
    return f"snakemake: {' '.join(lines[-4:]) or 'no answer'}"


def described(plan: Plan, rule: str, wildcards: dict[str, str]) -> dict[str, Any]:
    """Name, settings and work of a job of a plan."""
    name = next(iter(wildcards.values()), rule)
    settings: dict[str, Any] | None = None
    if rule == "train":
        name = wildcards["experiment"]
        settings = plan.block(name, wildcards["block"]).settings
    elif rule == "probe":
        probe = plan.probe(wildcards["experiment"], wildcards["probe"], wildcards["block"])
        name = f"{wildcards['experiment']}/{probe.probe}"
        settings = probe.block.settings | {"probe": {probe.probe: probe.settings}}
    elif rule in ("data", "features"):
        settings = plan.data[name].settings
    elif rule == "measure":
        settings = plan.measures[name].settings
    elif rule == "claims":
        settings = plan.claims[name].settings
    digest = None if settings is None else config_hash(settings)
    return {"name": name, "settings": digest, "work": settings and work(settings)}


def _limit(resources: Any, name: str) -> int | None:
    """How much of a resource Snakemake may give to jobs at a time; None: as much as they want."""
    resource = resources.get(name)
    value = getattr(resource, "value", resource)
    return value if isinstance(value, int) else None


def main(answer: Path, arguments: Sequence[str]) -> int:
    """The work of the subprocess; returns its exit code."""
    # First: some options take all words that follow for their own. The Snakefile reads it too.
    sys.argv = ["snakemake", "--dry-run", *arguments]
    from snakemake import cli
    from snakemake import logging as snakemake_logging

    records: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        if hasattr(record, "rule_name") and hasattr(record, "output"):
            records.append(record)
        return record.levelno >= logging.WARNING

    plans: list[Plan] = []
    make = Plan.from_config

    def making(config: Any) -> Plan:
        plans.append(make(config))
        return plans[-1]

    # The Snakefile's own plan, whichever way its config came about.
    Plan.from_config = making  # type: ignore[method-assign]
    parser, options = cli.parse_args(sys.argv[1:])
    for action in OTHER_ACTIONS:
        if getattr(options, action, None):
            print(f"error: --{action.replace('_', '-')} starts no jobs: it has no cost to show")
            return 1
    cores = options.cores or options.jobs
    options.quiet = None  # or jobs are not listed
    # A filter, for Snakemake takes away handlers that it does not know.
    snakemake_logging.logger.addFilter(keep)
    if not cli.args_to_api(options, parser):
        return 1
    jobs = {}
    for record in records:
        # Targets, which only name files, have no output.
        if record.output:
            wildcards = dict(record.wildcards)
            job = Job(
                rule=record.rule_name,
                input=tuple(map(str, record.input)),
                output=tuple(map(str, record.output)),
                priority=record.priority if isinstance(record.priority, int) else 0,
                gpu=int(record.resources.get("gpu", 0)),
                **described(plans[-1], record.rule_name, wildcards),
            )
            jobs[record.jobid] = asdict(job)
    measures = plans[-1].measures.values()
    content = {
        "jobs": list(jobs.values()),
        "directory": str(Path(options.directory or ".").absolute()),
        "cores": cores if isinstance(cores, int) else None,
        "gpus": _limit(options.resources, "gpu"),
        "scale": next((measure.settings["scale"] for measure in measures), None),
    }
    answer.write_text(json.dumps(content))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
