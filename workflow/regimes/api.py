"""Results, runs and settings in one line, for notebooks."""

from __future__ import annotations

import difflib
import inspect
import itertools
import json
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from regimes import endings
from regimes.config.experiment import NAMED_BY
from regimes.config.layers import CONFIG, Layer, hint, read
from regimes.config.load import load_in
from regimes.config.models import Config
from regimes.engines.common.settings import EngineSettings
from regimes.engines.registry import settings_classes
from regimes.errors import ConfigError, DataError, StoreError
from regimes.jobs.devices import resolve
from regimes.jobs.gpus import require_cuda
from regimes.plan.plan import Plan
from regimes.plan.settings import datasets_behind
from regimes.plan.stages import Data
from regimes.storage import store
from regimes.storage.grids import merge_grids
from regimes.storage.layout import train_then_test
from regimes.storage.versions import CHECKOUT
from regimes.tools.describe import Setting, settings_of
from regimes.tools.records import read_table

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = ("measures", "claims", "data", "")
# Axes of which an experiment's first value is taken when none is given.
DEFAULTED = ("width", "seed")
# Values of an axis that a message lists.
MOST_VALUES = 20
# Keys that `simulate` takes beside those of an experiment, and keys of these that it sets itself.
TOP_KEYS = ("tolerance",)
# Whose search is done on data that are given.
BOUNDARY_OF_GIVEN = "four_point"
NO_CHANGES = ("axes", "grids", "split_by", "paper", "measure", "on_request", "device")


def open(
    name: str | Path,
    directory: str | Path | None = None,
    configfile: str | Path | None = None,
) -> xr.Dataset:
    """A result of the workflow as a Dataset in memory.

    name: an experiment ("phase_diagram": its measures), a paper ("luo2021": its claims), a data
    set ("four_point"), "runs/<experiment>" (all its runs that exist, on their grid), or the path
    of a NetCDF file. directory: where the workflow ran; by default the nearest folder at or above
    the present one that has `results` or a config.yaml of settings, else the checkout. configfile:
    the file of more experiments that Snakemake was given, for runs of these.
    Raises StoreError when there is no such result, naming those that there are.

    For example, after `snakemake --cores 1 results/data/four_point.nc`:

    >>> import regimes
    >>> regimes.open("four_point")["targets"].values
    array([ 0.3, -0.6,  0.7,  0.2])
    """
    name = str(name)
    if name.endswith(".nc") and Path(name).is_file():
        return store.read(name, strict=False)
    root = _root(directory)
    results = root / "results"
    if name.startswith("runs/"):
        return _runs(name.removeprefix("runs/"), root, configfile)
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


def catalog(
    directory: str | Path | None = None, configfile: str | Path | None = None
) -> pd.DataFrame:
    """The experiments, a row each, in the order of their papers.

    directory, configfile: as of `simulate`. Columns: paper, engine, dataset, axes (numbers of their
    values), runs, figures (that show them), cpu_minutes (of one core, from what such jobs took
    elsewhere; NaN where that is not known), has_results (whether its measures are there). What is
    made on request alone is listed when it has results.

    For example:

    >>> import regimes
    >>> regimes.catalog().loc["phase_diagram", ["paper", "dataset"]].tolist()
    ['luo2021', 'four_point']
    """
    import pandas as pd

    root = _root(directory)
    config = load_in(root, CHECKOUT, _layers(configfile, {}))
    times = {(one.name, one.scale): one.seconds for one in read_table() if one.rule == "train"}
    rows = {}
    for paper in config.papers:
        for name, experiment in config.experiments.items():
            done = (root / "results/measures" / f"{name}.nc").is_file()
            if experiment.paper != paper or (experiment.on_request and not done):
                continue
            grids = experiment.all_grids()
            sizes = [{axis: len(values) for axis, values in grid.items()} for grid in grids]
            jobs = sum(math.prod(size[axis] for axis in experiment.split_by) for size in sizes)
            axes = " x ".join(f"{number} {axis}" for axis, number in sizes[0].items())
            rows[name] = {
                "paper": paper,
                "engine": experiment.engine,
                "dataset": experiment.dataset,
                "axes": axes + (f", and {len(sizes) - 1} more grids" if sizes[1:] else ""),
                "runs": sum(math.prod(size.values()) for size in sizes),
                "figures": ", ".join(
                    figure for figure, one in config.figures.items() if name in one.measures
                ),
                "cpu_minutes": round(jobs * times.get((name, config.scale), math.nan) / 60, 1),
                "has_results": done,
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("experiment")


def describe(
    name: str, directory: str | Path | None = None, configfile: str | Path | None = None
) -> pd.DataFrame:
    """The settings of an experiment, a data set or a figure, a row each.

    directory, configfile: as of `simulate`. Columns: value, default, origin (the file or place that
    says it) and meaning. Raises ConfigError when there is no such name.

    For example:

    >>> import regimes
    >>> regimes.describe("phase_diagram").loc["layers", ["default", "meaning"]].tolist()
    ['both', 'Layers that are trained...']
    """
    import pandas as pd

    config = load_in(_root(directory), CHECKOUT, _layers(configfile, {}))
    _, settings = settings_of(config, name)
    return pd.DataFrame(settings, columns=Setting._fields).set_index("key")


def simulate(
    experiment: str = "phase_diagram",
    *,
    data: xr.Dataset | tuple[Any, Any] | None = None,
    directory: str | Path | None = None,
    configfile: str | Path | None = None,
    device: str = "auto",
    progress: bool = True,
    activations: Mapping[str, str] | None = None,
    **changes: Any,
) -> xr.Dataset:
    """Train a setting of an experiment, or several, and return the results.

    experiment: whose settings to start from, such as those that `regimes describe` lists, of any
    engine. changes: for each axis (gamma, width, seed, ...) a value or several; `tolerance`; and
    any other key of an experiment, such as activation="relu" or solver={"max_steps": 100}. Without
    them an axis with one value has that, `width` and `seed` the experiment's first ones. data:
    training points, inputs (n, d) and targets (n,) or (n, k), or a Dataset in the layout of the
    data files, in place of the experiment's. activations: of your own, as in config.yaml, such as
    {"swish": "z * sigmoid(z)"}, or {"swish": "activations.py:swish"}, a function in a file, for
    activation="swish". directory: that of config.yaml, from which
    the paths in it count, as in `open`. configfile: a file of more experiments, as Snakemake's
    `--configfile`. The same setting of the same experiment gives the numbers of the workflow but
    for rounding.

    Returns the variables of a run's file (docs/runs.md), over the axes of which several values were
    given; the others are scalar coordinates. Of gradient flow, at one width, also the weights at
    the start and at the end (`snapshots`); the loss of a single run lies over its `time`. Warns of
    runs that came to their limit.
    Raises ConfigError, naming the key, for what is not allowed; DataError where the data cannot be
    made, as without network; DeviceError for device "cuda" where torch finds no GPU.

    For example, how far the first layer moves in the linear and in the condensed regime:

    >>> import regimes
    >>> runs = regimes.simulate(gamma=[0.5, 1.75], gamma_prime=0.0, width=100, progress=False)
    >>> runs["final_relative_distance_w"].round(1).values
    array([ 0.3, 10.4])
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 8)
    >>> run = regimes.simulate(
    ...     gamma=1.0, gamma_prime=0.0, width=50, data=(x, np.sin(3 * x)), progress=False
    ... )
    >>> run["train_loss"].dims
    ('time',)
    """
    result, chosen = _simulated(
        experiment, data, directory, configfile, device, progress, activations, changes
    )
    _warn_of_limits(experiment, chosen, result)
    return result


def _simulated(
    experiment: Any,
    data: Any,
    directory: str | Path | None,
    configfile: str | Path | None,
    device: str,
    progress: bool,
    activations: Mapping[str, str] | None,
    changes: Mapping[str, Any],
) -> tuple[xr.Dataset, EngineSettings]:
    """What `simulate` returns, and the settings of the experiment; warns of nothing."""
    root = _root(directory)
    if activations is not None and not isinstance(activations, Mapping):
        raise ConfigError(f"activations = {activations!r}; must be a mapping of names")
    layers = _layers(configfile, {"activations": dict(activations)} if activations else {})
    before = load_in(root, CHECKOUT, layers)
    experiments = before.experiments
    _require_made(experiment, before.left_out)
    if not isinstance(experiment, str) or experiment not in experiments:
        names = list(experiments)
        raise ConfigError(
            f"experiment = {experiment!r}; {hint(experiment, names)}allowed: {', '.join(names)}"
        )
    settings, several = _chosen(experiment, experiments[experiment], changes)
    said = {"experiments": {experiment: settings}, "device": device}
    config = load_in(root, CHECKOUT, [*layers, Layer("simulate", said)])
    _require_made(experiment, config.left_out)
    chosen = config.experiments[experiment]
    try:
        chosen.check()
    except ConfigError as error:
        raise ConfigError(f"simulate: experiments.{experiment}: {error}") from None
    plan = _plan_of(experiment, config, root)
    _require_made(experiment, plan.left_out)
    place = resolve(device) if chosen.uses_gpu else "cpu"
    if place == "cuda":
        require_cuda()
    if data is None:
        with chdir(root), _mirror(config.data_mirror):
            points = _data(plan.data[chosen.dataset])
    else:
        points = _given(data, chosen)
    # Here, since it takes torch, which opening a file does not need.
    from regimes.engines.common.runner import train

    results = []
    for job in plan.jobs.values():
        # There: a function of the user's own is loaded.
        with chdir(root):
            if not progress:
                results.append(train(job.settings, points, place))
                continue
            with _bar(job.settings) as bar:
                results.append(train(job.settings, points, place, watch=bar.update))
                bar.end(results[-1])
    result = results[0]
    if len(results) > 1:
        result = merge_grids([_combined(results)])
    result.attrs |= {
        "title": f"Runs of experiment {experiment}",
        "config": json.dumps(job.settings, sort_keys=True),
        "device": place,
    }
    if data is not None:
        result.attrs["comment"] = f"trained on data that were given, not on {chosen.dataset}"
    known = [axis for axis in settings["axes"] if axis in result.dims and axis not in several]
    result = result.squeeze(known)
    if "time" in result.coords and result["time"].dims == ("checkpoint",):
        result = result.swap_dims(checkpoint="time")
    return result, chosen


def boundary(
    data: str | xr.Dataset | tuple[Any, Any] = "four_point",
    *,
    gamma_prime: float | Iterable[float] = 0.0,
    directory: str | Path | None = None,
    configfile: str | Path | None = None,
    device: str = "auto",
    progress: bool = True,
    activations: Mapping[str, str] | None = None,
    **changes: Any,
) -> xr.Dataset:
    """The boundary between the linear and the condensed regime, on one's own problem.

    At each gamma', the zero gamma* of S_w, the slope of log RD(theta_w) against log m of equation
    (19) of Luo et al. (2021), is searched by runs of gradient flow at several widths and seeds,
    until its standard error over seeds is at most `standard_error`.

    data: a data set of the config, or points, as of `simulate`. directory, configfile, device,
    progress, activations: as of `simulate`, too. changes: activation, widths, standard_error
    (0.005), min_seeds, max_seeds, start (two gammas), tolerance, solver.

    Returns boundary_gamma with boundary_gamma_stderr and theory_boundary_gamma over gamma_prime
    (one: without that axis); n_networks, the number that was trained; and the runs:
    relative_distance_w (trial, seed, width) and slope_w (trial) at each trial_gamma, NaN where
    nothing was trained. Warns where the error stays larger, where there is no boundary, and where
    networks were not trained to their end.
    Raises ConfigError and DataError as `simulate`.

    For example:

    >>> import regimes
    >>> found = regimes.boundary(widths=[100, 400], standard_error=0.1, progress=False)
    >>> abs(float(found["boundary_gamma"]) - float(found["theory_boundary_gamma"])) < 0.2
    True
    """
    from regimes.papers.lab.boundary import measure

    if data is None or "dataset" in changes:
        raise ConfigError("dataset: give a name of the config, or points, as the first argument")
    name = f"boundary_{BOUNDARY_OF_GIVEN}"
    if isinstance(data, str):
        name = f"boundary_{data}"
        config = load_in(_root(directory), CHECKOUT, _layers(configfile, {}))
        if name not in config.left_out | config.experiments:
            known = list(config.datasets)
            raise ConfigError(
                f"data = {data!r} is no data set; {hint(data, known)}allowed: {', '.join(known)}"
            )
    if isinstance(gamma_prime, Iterable) and not isinstance(gamma_prime, str):
        gamma_prime = np.asarray(gamma_prime).tolist()
    changes = {key: list(one) if _is_listed(one) else one for key, one in changes.items()}
    runs, chosen = _simulated(
        name,
        None if isinstance(data, str) else data,
        directory,
        configfile,
        device,
        progress,
        activations,
        {**changes, "gamma_prime": gamma_prime},
    )
    for line in _missed(runs, chosen):
        warnings.warn(line, stacklevel=2)
    return measure(runs, runs)


def _missed(searches: xr.Dataset, settings: EngineSettings) -> Iterator[str]:
    """What is to be said of searches for a boundary that did not end as they were to."""
    for gamma_prime in np.atleast_1d(searches["gamma_prime"].values):
        one = searches.sel(gamma_prime=gamma_prime) if searches["gamma_prime"].ndim else searches
        place = f"gamma' = {gamma_prime:g}"
        share = float(one["flows_converged"])
        if share < 1:
            yield (
                f"{1 - share:.0%} of the networks at {place} were not trained to their end "
                "(solver.max_steps, or they diverged)"
            )
        if not one["bracketed"]:
            yield (
                f"no boundary at {place}: S_w does not change its sign between the gammas that "
                "were tried, or networks diverged"
            )
        elif not one["converged"]:
            error, count = float(one["boundary_gamma_stderr"]), int(one["boundary_gamma_n_seeds"])
            yield (
                f"the standard error at {place} is {error:.2g} after {count} seeds (max_seeds = "
                f"{dict(settings)['max_seeds']}, standard_error = "
                f"{dict(settings)['standard_error']:g}), or the boundary moved too far"
            )


def _require_made(experiment: Any, left_out: Mapping[str, str]) -> None:
    """Raise ConfigError for an experiment on request that cannot be made."""
    if isinstance(experiment, str) and experiment in left_out:
        raise ConfigError(f"{experiment} cannot be made: {left_out[experiment]}")


def _signature() -> inspect.Signature:
    """The signature of `simulate` with the axes and keys of all engines by name.

    Notebooks complete them. They have no default of their own: it is the experiment's.
    """
    signature = inspect.signature(simulate)
    *named, changes = signature.parameters.values()
    keys = dict.fromkeys(TOP_KEYS)
    for settings in settings_classes().values():
        axes: Any = settings.model_fields["axes"].annotation
        fields = (key for key in settings.model_fields if key not in NO_CHANGES)
        keys |= dict.fromkeys([*axes.model_fields, *fields])
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(key, kind, default=...) for key in keys]
    return signature.replace(parameters=[*named, *more, changes])


simulate.__signature__ = _signature()  # type: ignore[attr-defined]


def _layers(configfile: str | Path | None, own: Mapping[str, Any]) -> list[Layer]:
    """What lies over config.yaml: a file of the user's, and what is said here."""
    layers = [Layer("simulate", own)] if own else []
    if configfile is not None:
        layers.insert(0, Layer(str(configfile), read(Path(configfile), str(configfile))))
    return layers


def _chosen(
    name: str, experiment: EngineSettings, changes: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The settings of the chosen runs of an experiment, and axes with several values.

    Raises ConfigError where a key is unknown or an axis has no value.
    """
    known: dict[str, dict[Any, None]] = {}
    for grid in experiment.all_grids():
        for axis, values in grid.items():
            known.setdefault(axis, {}).update(dict.fromkeys(values))
    if "axes" in changes:
        raise ConfigError(f"axes: give the values of each axis by its name: {', '.join(known)}")
    for axis, (key, _) in NAMED_BY.items():
        if isinstance(changes.get(key), Mapping):
            known[axis] = dict.fromkeys(changes[key])
    # Axes that the experiment does not use; where a key has that name, for several values alone.
    fields = type(experiment).model_fields
    others = [
        axis
        for axis in type(experiment.axes).model_fields
        if axis not in known and (axis not in fields or _is_listed(changes.get(axis)))
    ]
    _check_keys(changes, experiment, [*known, *others])
    changes = dict(changes)
    axes: dict[str, Any] = {}
    several = []
    for axis in [*known, *(axis for axis in others if axis in changes)]:
        if axis in changes:
            value = changes.pop(axis)
            if _is_listed(value):
                axes[axis] = [one.item() if hasattr(one, "item") else one for one in value]
                several.append(axis)
            elif isinstance(value, str | float | int | np.generic):
                axes[axis] = [value.item() if isinstance(value, np.generic) else value]
            else:
                raise ConfigError(f"{axis} = {value!r}; must be a value or a list of values")
            if axis in fields:
                changes[axis] = None  # the key
        elif axis in DEFAULTED or len(known[axis]) == 1:
            axes[axis] = [next(iter(known[axis]))]
        else:
            shown = [one if isinstance(one, str) else f"{one:g}" for one in known[axis]]
            shown[MOST_VALUES:] = ["..."] * (len(shown) > MOST_VALUES)
            raise ConfigError(
                f"{axis} is missing: a value of your own, or one of those of {name}: "
                f"{', '.join(shown)}"
            )
    settings: dict[str, Any] = {**changes, "axes": axes}
    if "tolerance" in settings:
        _set_tolerance(name, experiment, settings, known)
    widths = axes.get("width", [])
    if "snapshots" in fields and "snapshots" not in changes and len(widths) == 1:
        settings["snapshots"] = [1.0, 0.0]
    if getattr(experiment, "grids", ()):
        settings["grids"] = []
    # As few jobs as there may be.
    settings["split_by"] = ["width"] if len(widths) > 1 else []
    return settings, several


def _is_listed(value: Any) -> bool:
    """Whether several values of an axis are given."""
    return isinstance(value, list | tuple | range) or (
        isinstance(value, np.ndarray) and value.ndim == 1
    )


def _set_tolerance(
    name: str, experiment: EngineSettings, settings: dict[str, Any], axes: Mapping[str, Any]
) -> None:
    """Put `tolerance` where the engine has it; raises ConfigError where it has none."""
    places = [
        key for key, part in experiment if "tolerance" in getattr(type(part), "model_fields", ())
    ]
    if not places:
        raise ConfigError(f"tolerance: engine {experiment.name()} of {name} has none")
    if "solver_tolerance" in axes:
        raise ConfigError(f"tolerance: {name} has an axis for it; give solver_tolerance")
    (place,) = places
    part = settings.get(place, {})
    if not isinstance(part, Mapping):
        raise ConfigError(f"{place} = {part!r}; must be a mapping")
    settings[place] = {**part, "tolerance": settings.pop("tolerance")}


def _given(data: Any, experiment: EngineSettings) -> xr.Dataset:
    """Data that were given; raises DataError unless they are in order."""
    if not isinstance(data, xr.Dataset):
        if not isinstance(data, tuple | list) or len(data) != 2:
            raise DataError("data must be a pair of inputs and targets, or a Dataset")
        return _points(*data)
    needed = {"inputs": {"point", "feature"}, "targets": {"point"}, "split": {"point"}}
    for name, dims in needed.items():
        if name not in data or not dims <= set(data[name].dims):
            raise DataError(f"data: {name} over {', '.join(sorted(dims))} is missing")
    if "draw" in data.dims and not experiment.takes_draws:
        raise DataError(f"data has draws, which engine {experiment.name()} does not use")
    if not (data["split"] == 0).any():
        raise DataError("data has no training points")
    if any(data[name].dtype.kind not in "fiu" for name in ("inputs", "targets", "split")):
        raise DataError("data: inputs, targets and split must be numbers")
    if not all(bool(np.isfinite(data[name]).all()) for name in needed):
        raise DataError("data: inputs, targets and split must be finite")
    return data


def _points(inputs: Any, targets: Any) -> xr.Dataset:
    """Training points as a data set; raises DataError unless they are numbers that fit."""
    try:
        x, y = (np.asarray(values) for values in (inputs, targets))
        if not (np.isrealobj(x) and np.isrealobj(y)):
            raise TypeError
        x, y = x.astype(np.float64), y.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError("data: inputs and targets must be arrays of real numbers") from None
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or not (x.size and y.size):
        raise DataError(
            f"data: inputs {x.shape} and targets {y.shape}; needed are (n, d) and (n,) or (n, k)"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError("data: inputs and targets must be finite")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    return xr.Dataset(
        {
            "inputs": (("point", "feature"), x),
            "targets": (("point", "output")[: y.ndim], y),
            "split": ("point", train_then_test(len(x), 0)),
        }
    )


def _warn_of_limits(name: str, experiment: EngineSettings, result: xr.Dataset) -> None:
    counts = endings.count(result)
    limit = ".".join(experiment.limit or ())
    if number := counts.get(endings.CAPPED, 0):
        raised = f" ({limit} = {experiment.limit_value()})" if limit else ""
        warnings.warn(
            f"{number} of {sum(counts.values())} runs of {name} came to their limit{raised} before "
            "they converged",
            stacklevel=3,
        )


def _combined(jobs: list[xr.Dataset]) -> xr.Dataset:
    """Parts of one grid."""
    return xr.combine_by_coords(
        jobs, join="outer", data_vars="all", coords="minimal", combine_attrs="drop"
    )


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
        "papers": {
            name: paper.model_copy(update={"claims": None}) for name, paper in config.papers.items()
        },
        "figures": {},
        "claims": {},
    }
    with chdir(root):
        return Plan.from_config(config.model_copy(update=alone))


def _check_keys(
    changes: Mapping[str, Any], experiment: EngineSettings, axes: Iterable[str]
) -> None:
    """Raise ConfigError, with the key that was meant, for one that an experiment does not have."""
    fields = [key for key in type(experiment).model_fields if key not in NO_CHANGES]
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


def _data(planned: Data) -> xr.Dataset:
    """A data set, made anew."""
    sources = [_data(planned.source)] if planned.source else []
    return import_module(planned.module).build(planned.complete_settings, *sources)


def _bar(settings: Mapping[str, Any]) -> _Bar | _Line:
    """What shows how far a job is."""
    is_flow = "width" in settings["axes"] and "relative_loss" in settings.get("solver", {})
    return _Bar(settings) if is_flow else _Line(settings)


class _Line:
    """A line that says how far a job is, in the words of its log."""

    def __init__(self, settings: Mapping[str, Any]):
        from tqdm.auto import tqdm

        self.bar = tqdm(desc=settings["engine"], bar_format="{desc} [{elapsed}{postfix}]")

    def __enter__(self) -> _Line:
        return self

    def update(self, state: Any) -> None:
        self.bar.set_postfix_str(str(state))

    def end(self, result: xr.Dataset) -> None:
        counts = endings.count(result)
        self.bar.set_postfix_str(endings.in_words(counts) if counts else "done")

    def __exit__(self, *_: object) -> None:
        self.bar.close()


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

    def __enter__(self) -> _Bar:
        return self

    def update(self, state: Any) -> None:
        self._show(state.relative_loss, state.steps)

    def end(self, result: xr.Dataset) -> None:
        steps = int((result["solver_steps"] + result["rejected_steps"]).max())
        initial, final = result["initial_loss"], result["final_loss"]
        self._show(float((final / initial.where(initial > 0, np.inf)).max()), steps)

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
        if (folder / "results").is_dir() or _is_study(folder):
            return folder
    return CHECKOUT


def _is_study(folder: Path) -> bool:
    """Whether a folder has settings of this project, in a file that others call so too."""
    path = folder / CONFIG
    try:
        return path.is_file() and set(read(path, str(path))) <= set(Config.model_fields)
    except ConfigError:
        return False


def _runs(experiment: str, root: Path, configfile: str | Path | None) -> xr.Dataset:
    config = load_in(root, CHECKOUT, _layers(configfile, {}))
    _require_made(experiment, config.left_out)
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
    return merge_grids([_combined(blocks) for blocks in grids if blocks])
