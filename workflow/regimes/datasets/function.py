"""Random inputs with a target function given by a formula."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.datasets.spheres import on_unit_sphere
from regimes.engines.common.streams import stream
from regimes.errors import DataError
from regimes.expressions import formulas
from regimes.storage.layout import assemble, train_then_test, with_bias

KIND = "function"


def _normal(generator: np.random.Generator, n_points: int, n_features: int) -> np.ndarray:
    return generator.standard_normal((n_points, n_features))


def _uniform(generator: np.random.Generator, n_points: int, n_features: int) -> np.ndarray:
    return generator.uniform(-1, 1, (n_points, n_features))


INPUTS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "normal": _normal,
    "unit_sphere": on_unit_sphere,
    "uniform": _uniform,
}
MEANING = {
    "normal": "standard normal",
    "unit_sphere": "uniform on the unit sphere",
    "uniform": "uniform on [-1, 1] in each feature",
}


def build(settings: Mapping[str, Any]) -> xr.Dataset:
    """n_train training and n_test test points with targets formula(x1, x2, ...) + noise.

    settings: `formula` in x1 to x<n_features>; `inputs`, a key of INPUTS; `noise`, its standard
    deviation; `bias`; `seed`, which selects the draw. Training points, test points and noise have
    streams of their own. Raises DataError when the formula is not finite somewhere.
    """
    seed, n_features, formula = settings["seed"], settings["n_features"], settings["formula"]
    names = variables(n_features)
    inputs, noise = [], []
    for part in ("train", "test"):
        n_points = settings[f"n_{part}"]
        draw = INPUTS[settings["inputs"]]
        inputs.append(draw(stream(seed, KIND, part, "inputs"), n_points, n_features))
        noise.append(stream(seed, KIND, part, "noise").standard_normal(n_points))
    points = np.concatenate(inputs)
    columns = dict(zip(names, points.T, strict=True))
    targets = formulas.evaluate(formulas.parse(formula, names, kinks=True), columns)
    if not np.isfinite(targets).all():
        worst = points[np.flatnonzero(~np.isfinite(targets))[0]]
        where = ", ".join(f"{name} = {x:.3g}" for name, x in zip(names, worst, strict=True))
        raise DataError(f"formula {formula!r} is not finite at {where}")
    steps = f"Inputs were drawn {MEANING[settings['inputs']]}; targets are {formula}"
    if settings["noise"]:
        targets = targets + settings["noise"] * np.concatenate(noise)
        steps += f" plus normal noise of standard deviation {settings['noise']:g}"
    steps += f" (seed {seed})"
    if settings["bias"]:
        points = with_bias(points)
        steps += "; a constant last feature of 1 was appended"
    return assemble(
        points,
        targets,
        train_then_test(settings["n_train"], settings["n_test"]),
        target_name=f"target: {formula}",
        licence="none needed (random numbers)",
        citation="none",
        preprocessing=f"{steps}.",
        data_source="formula given in the configuration",
    )


def variables(n_features: int) -> list[str]:
    """Names of the inputs in a formula: x1, x2, ..."""
    return [f"x{index + 1}" for index in range(n_features)]
