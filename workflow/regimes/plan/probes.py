"""The probes of an experiment: stages of their own that read trained runs."""

from collections.abc import Iterable, Mapping

from regimes.config.models import Config
from regimes.plan.jobs import HASH_LENGTH
from regimes.plan.provenance import code_hash, config_hash
from regimes.plan.settings import probe_settings
from regimes.plan.stages import Data, Job, Probe, paths_of


def plan_probes(
    name: str, config: Config, data: Mapping[str, Data], jobs: Iterable[Job]
) -> list[Probe]:
    """The probes of an experiment: those of each of its training jobs in turn."""
    settings = probe_settings(name, config)
    codes = {probe: probe_code_hash(probe) for probe in settings}
    probes = []
    for job in jobs:
        label = job.name.partition("/")[2][: -HASH_LENGTH - 1]
        for probe, chosen in settings.items():
            others = [data[chosen["dataset"]]] if "dataset" in chosen else []
            digest = config_hash(
                {
                    "settings": chosen,
                    # The hash of the run covers its own data set.
                    "data": [one.hash for one in others],
                    "run": job.hash,
                    "code": codes[probe],
                    "torch": job.torch,
                }
            )
            path = f"{name}/{probe}/{label}-{digest[:HASH_LENGTH]}"
            probes.append(
                Probe(
                    name=path,
                    paper=job.paper,
                    module=f"regimes.probes.{probe}",
                    settings=chosen,
                    code=codes[probe],
                    inputs={"run": paths_of([job]), "data": job.inputs["data"] | paths_of(others)},
                    outputs=(f"results/probes/{path}.nc",),
                    job=job,
                    data_hashes=[job.data_hash, *(one.hash for one in others)],
                )
            )
    return probes


def probe_code_hash(probe: str) -> str:
    """Code hash of a probe. What the run's name covers, such as its activation, is not in it."""
    return code_hash([f"regimes.probes.{probe}"])
