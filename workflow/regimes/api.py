"""Results and single runs in one line, for notebooks: `regimes.open` and `regimes.simulate`."""

import difflib
import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from regimes.config.layers import hint
from regimes.config.load import load
from regimes.config.models import Config
from regimes.engines.common.settings import EngineSettings
from regimes.engines.registry import settings_classes
from regimes.errors import ConfigError, DeviceError, StoreError
from regimes.jobs.devices import resolve
from regimes.plan.plan import Plan
from regimes.plan.settings import datasets_behind
from regimes.plan.stages import Data
from regimes.storage import store
from regimes.storage.grids import merge_grids
from regimes.storage.versions import CHECKOUT

FOLDERS = ("measures", "claims", "data", "")
CONFIG = "config.yaml"
# Axes of which an experiment's first value is taken when none is given.
DEFAULTED = ("width", "seed")
# Keys that `simulate` takes beside those of an experiment.
TOP_KEYS = ("tolerance",)


def open(name: str | Path, directory: str | Path | None = None) -> xr.Dataset:
    """A result of the workflow as a Dataset in memory.

    name: an experiment ("phase_diagram": its measures), a paper ("luo2021": its claims), a data
    set ("four_point"), "runs/<experiment>" (all its runs that exist, on their grid), or the path
    of a NetCDF file. directory: where the workflow ran; by default the nearest folder at or above
    the present one that has `results`, else the checkout.
    Raises StoreError when there is no such result, naming those that there are.
    """
    name = str(name)
    if name.endswith(".nc") and Path(name).is_file():
        return store.read(name, strict=False)
    root = _root(directory)
    results = root / "results"
    if name.startswith("runs/"):
        return _runs(name.removeprefix("runs/"), root)
    for folder in FOLDERS:
        path = results / folder / f"{name}.nc"
        if path.is_file():
            return store.read(path)
    found = sorted({path.stem for folder in FOLDERS for path in (results / folder).glob("*.nc")})
    close = difflib.get_close_matches(name, found, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise StoreError(
        f"no result {name!r} below {results}; {hint}"
        f"there are: {', '.join(found) or 'none yet (run snakemake first)'}"
    )


def simulate(
    experiment: str = "phase_diagram",
    *,
    directory: str | Path | None = None,
    device: str = "auto",
    progress: bool = True,
    activations: Mapping[str, str] | None = None,
    **changes: Any,
) -> xr.Dataset:
    """Train a single setting of an experiment and return its results, with a progress bar.

    experiment: whose settings to start from, such as those that `regimes describe` lists. changes:
    one value for each axis (gamma, gamma_prime, width, seed), `tolerance`, and any other key of an
    experiment, such as activation="relu" or solver={"max_steps": 100}; without `width` and `seed`
    the experiment's first ones. activations: of your own, as in config.yaml, such as
    {"swish": "z * sigmoid(z)"}, for activation="swish". directory: that of config.yaml, from which
    the paths in it count, as in `open`. The same setting of the same experiment gives the numbers
    of the workflow but for rounding.

    Returns the variables of a run's file without the axes, which are scalar coordinates, and by
    default with the weights at the start and at the end (`snapshots`).
    Raises ConfigError, naming the key, for what is not allowed; DataError where the data cannot be
    made, as without network; DeviceError for device "cuda" where torch finds no GPU.
    """
    root = _root(directory)
    path = _config_path(root)
    own = {"activations": dict(activations)} if activations else {}
    config = load(path, own, place="simulate")
    followed = [name for name, one in config.experiments.items() if one.followed]
    if experiment not in followed:
        engines = " or ".join(name for name, one in settings_classes().items() if one.followed)
        there = f" is not trained by {engines}" if experiment in config.experiments else ""
        raise ConfigError(
            f"experiment = {experiment!r}{there}; {hint(experiment, followed)}allowed: "
            f"{', '.join(followed)}"
        )
    known = config.experiments[experiment].axes.model_dump(exclude_none=True)
    if "axes" in changes:
        raise ConfigError(f"axes: give one value of each axis by its name: {', '.join(known)}")
    _check_keys(changes, config.experiments[experiment], known)
    axes: dict[str, Any] = {}
    for axis, values in known.items():
        if axis in changes:
            if np.ndim(changes[axis]):
                raise ConfigError(f"{axis} = {changes[axis]!r}; must be one value")
            axes[axis] = [changes.pop(axis)]
        elif axis in DEFAULTED or len(values) == 1:
            axes[axis] = [values[0]]
        else:
            raise ConfigError(
                f"{axis} is missing: one value of your own, or one of those of {experiment}: "
                + ", ".join(f"{value:g}" for value in values)
            )
    solver = changes.get("solver", {})
    if not isinstance(solver, Mapping):
        raise ConfigError(f"solver = {solver!r}; must be a mapping")
    if "tolerance" in changes:
        changes["solver"] = solver = {**solver, "tolerance": changes.pop("tolerance")}
    if "tolerance" in solver and "solver_tolerance" in known:
        raise ConfigError(f"tolerance: {experiment} has an axis for it; give solver_tolerance")
    settings = {"snapshots": [1.0, 0.0], **changes, "axes": axes}
    overrides = {"experiments": {experiment: settings}, "device": device, **own}
    config = load(path, overrides, place="simulate")
    chosen = config.experiments[experiment]
    try:
        chosen.check()
    except ConfigError as error:
        raise ConfigError(f"simulate: experiments.{experiment}: {error}") from None
    plan = _plan_of(experiment, config, root)
    (job,) = plan.jobs.values()
    place = resolve(device)
    if place == "cuda":
        _require_cuda()
    with chdir(root), _mirror(config.data_mirror):
        data = _data(plan.data[chosen.dataset])
    # Here, since it takes torch, which opening a file does not need.
    from regimes.engines.common.runner import train

    if not progress:
        result = train(job.settings, data, place)
    else:
        with _Bar(job.settings) as bar:
            result = train(job.settings, data, place, watch=bar.update)
            bar.end(result)
    result.attrs |= {
        "title": f"One run of experiment {experiment}",
        "config": json.dumps(job.settings, sort_keys=True),
        "device": place,
    }
    return result.squeeze([axis for axis in axes if axis in result.dims])


def _plan_of(experiment: str, config: Config, root: Path) -> Plan:
    """The plan of an experiment alone: whatever else the config holds is not needed.

    root: from which relative paths in the config count. Raises ConfigError if there is none.
    """
    if not root.is_dir():
        raise ConfigError(f"directory = {str(root)!r}: there is no such folder")
    datasets = {name: config.datasets[name] for name in datasets_behind(experiment, config)}
    alone = {
        "experiments": {experiment: config.experiments[experiment]},
        "datasets": datasets,
        "figures": {},
        "claims": {},
    }
    with chdir(root):
        return Plan.from_config(config.model_copy(update=alone))


def _check_keys(
    changes: Mapping[str, Any], experiment: EngineSettings, axes: Mapping[str, Any]
) -> None:
    """Raise ConfigError, with the key that was meant, for one that an experiment does not have."""
    fields = [key for key in type(experiment).model_fields if key != "axes"]
    allowed = [*axes, *TOP_KEYS, *fields]
    for key, value in changes.items():
        if key in allowed:
            continue
        # A key of the solver, say, without the solver around it.
        around = [
            name for name, part in experiment if key in getattr(type(part), "model_fields", ())
        ]
        meant = f"did you mean {around[0]}={ {key: value} }? " if around else hint(key, allowed)
        raise ConfigError(f"unknown key {key}; {meant}allowed here: {', '.join(allowed)}")


@contextmanager
def _mirror(folder: str | None) -> Iterator[None]:
    """Let readers of data look into the config's mirror, if it names one."""
    before = os.environ.get("REGIMES_DATA")
    if folder:
        os.environ["REGIMES_DATA"] = folder
    try:
        yield
    finally:
        if folder:
            os.environ.pop("REGIMES_DATA")
            if before is not None:
                os.environ["REGIMES_DATA"] = before


def _require_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise DeviceError("device cuda: torch finds no GPU here; use cpu or auto")


def _data(planned: Data) -> xr.Dataset:
    """A data set, made anew."""
    sources = [_data(planned.source)] if planned.source else []
    return import_module(planned.module).build(planned.complete_settings, *sources)


class _Bar:
    """A progress bar over the decades that the loss has to fall."""

    def __init__(self, settings: Mapping[str, Any]):
        from tqdm.auto import tqdm

        self.total = -math.log10(settings["solver"]["relative_loss"])
        self.bar = tqdm(
            total=round(self.total, 2),
            desc="loss",
            unit="decade",
            bar_format="{l_bar}{bar}| {n:.2f}/{total:g} decades [{elapsed}{postfix}]",
        )

    def __enter__(self) -> "_Bar":
        return self

    def update(self, state: Any) -> None:
        self._show(state.relative_loss, state.steps)

    def end(self, result: xr.Dataset) -> None:
        steps = int(result["solver_steps"].item() + result["rejected_steps"].item())
        initial = result["initial_loss"].item()
        self._show(result["final_loss"].item() / initial if initial else 0.0, steps)

    def _show(self, relative_loss: float, steps: int) -> None:
        lowest = 10**-self.total
        # A run that diverged has no loss.
        fallen = -math.log10(min(max(relative_loss, lowest), 1.0)) if relative_loss >= 0 else 0.0
        self.bar.n = fallen
        self.bar.set_postfix_str(f"{steps} steps")

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _root(directory: str | Path | None) -> Path:
    if directory is not None:
        return Path(directory)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "results").is_dir():
            return folder
    return CHECKOUT


def _config_path(root: Path) -> Path | None:
    """The config.yaml that counts in a directory; None in a package without a checkout."""
    paths = (root / CONFIG, CHECKOUT / CONFIG)
    return next((path for path in paths if path.is_file()), None)


def _runs(experiment: str, root: Path) -> xr.Dataset:
    config = load(_config_path(root))
    if experiment not in config.experiments:
        there = ", ".join(config.experiments)
        raise StoreError(f"no experiment {experiment!r}; there are: {there}")
    plan = _plan_of(experiment, config, root)
    plan.require_files([plan.measures[experiment]])
    jobs = iter((root / job.path, job) for job in plan.jobs_of(experiment))
    grids = [
        [
            store.read(path, identity=job.hash)
            for path, job in itertools.islice(jobs, count)
            if path.is_file()
        ]
        for count in plan.measures[experiment].grids
    ]
    if not any(grids):
        raise StoreError(
            f"no runs of {experiment} for the present config yet: run "
            f"snakemake results/measures/{experiment}.nc"
        )
    return merge_grids(
        [
            xr.combine_by_coords(
                blocks, join="outer", data_vars="all", coords="minimal", combine_attrs="drop"
            )
            for blocks in grids
            if blocks
        ]
    )
