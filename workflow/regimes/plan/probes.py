"""The probes of an experiment: stages of their own that read trained runs."""

from collections.abc import Iterable, Mapping

from regimes.config.models import Config
from regimes.plan.jobs import HASH_LENGTH
from regimes.plan.memory import Memory
from regimes.plan.provenance import code_hash
from regimes.plan.settings import probe_settings
from regimes.plan.stages import Data, Job, Probe, by_name, probe_hash


def plan_probes(
    name: str, config: Config, data: Mapping[str, Data], jobs: Iterable[Job], memory: Memory
) -> list[Probe]:
    """The probes of an experiment: those of each of its training jobs in turn."""
    settings = probe_settings(name, config)
    modules = {probe: f"regimes.probes.{probe}" for probe in settings}
    # What the run's name covers, such as its activation, is not in the code.
    codes = {probe: code_hash([module]) for probe, module in modules.items()}
    probes = []
    for job in jobs:
        label = job.name.partition("/")[2][: -HASH_LENGTH - 1]
        for probe, chosen in settings.items():
            others = [data[chosen["dataset"]]] if "dataset" in chosen else []
            digest = probe_hash(chosen, job, others, codes[probe])
            path = f"{name}/{probe}/{label}-{digest[:HASH_LENGTH]}"
            probes.append(
                Probe(
                    name=path,
                    paper=job.paper,
                    module=modules[probe],
                    settings=chosen,
                    roots=(modules[probe],),
                    code=codes[probe],
                    inputs={"run": by_name([job]), "data": by_name([job.data, *others])},
                    outputs=(f"results/probes/{path}.nc",),
                    job=job,
                    memory_mb=memory.of_probe(name, probe, job.settings["axes"]),
                )
            )
    return probes
