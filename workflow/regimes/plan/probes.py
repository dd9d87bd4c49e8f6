"""The plan of probes: stages of their own that read trained runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regimes.plan.provenance import code_hash, config_hash
from regimes.plan.runs import HASH_LENGTH, BlockPlan


@dataclass(frozen=True)
class ProbePlan:
    """One probe of the runs of a block, and the content-addressed file that it writes.

    datasets: names of the data sets that it reads, that of the runs first.
    """

    probe: str
    name: str
    settings: dict[str, Any]
    block: BlockPlan
    datasets: tuple[str, ...]
    path: str
    code: str


def plan_probes(
    settings: Mapping[str, dict[str, Any]],
    blocks: Iterable[BlockPlan],
    data_hashes: Mapping[str, str],
) -> list[ProbePlan]:
    """The probes of each block in turn.

    settings: of the probes, by name, each a module of regimes.probes. data_hashes: of all data
    sets.
    """
    plans = []
    codes = {probe: probe_code_hash(probe) for probe in settings}
    for block in blocks:
        label = block.name[: -HASH_LENGTH - 1]
        for probe, chosen in settings.items():
            # That of the runs is covered by their hash.
            others = [chosen["dataset"]] if "dataset" in chosen else []
            digest = config_hash(
                {
                    "settings": chosen,
                    "data": [data_hashes[name] for name in others],
                    "run": block.hash,
                    "code": codes[probe],
                    "torch": block.torch,
                }
            )
            name = f"{label}-{digest[:HASH_LENGTH]}"
            path = probe_path(block.experiment, probe, name)
            datasets = (block.dataset, *others)
            plans.append(ProbePlan(probe, name, chosen, block, datasets, path, codes[probe]))
    return plans


def probe_code_hash(probe: str) -> str:
    """Code hash of a probe. What the run's name covers, such as its activation, is not in it."""
    return code_hash([f"regimes.probes.{probe}"])


def probe_path(experiment: str, probe: str, name: str) -> str:
    """File of a probe."""
    return f"results/probes/{experiment}/{probe}/{name}.nc"
