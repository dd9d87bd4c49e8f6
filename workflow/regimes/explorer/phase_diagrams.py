"""Phase diagrams of Luo et al. (2021): slopes, and behind each cell its runs."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from regimes.explorer.scatter import scatters
from regimes.explorer.values import experiment_settings, plain, settings
from regimes.papers.luo2021.phase_diagram import BOUNDARIES, LAYERS

PLANE = ("gamma_prime", "gamma")


def diagrams(measures: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """The diagrams, from measures as made by `luo2021.phase_diagram`, by experiment.

    `data` and `activation` say of each what it is; where two experiments agree in both, the second
    is told apart by its name.
    """
    shown: list[dict[str, Any]] = []
    for name, measure in measures.items():
        one = _diagram(name, measure)
        if any((one["data"], one["activation"]) == (x["data"], x["activation"]) for x in shown):
            one["activation"] += f" ({name})"
        shown.append(one)
    return shown


def condensations(measures: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """The scatters of the neurons, from measures as made by `luo2021.condensation`."""
    return [_kind(name, measure) | scatters(measure) for name, measure in measures.items()]


def _kind(name: str, measure: xr.Dataset) -> dict[str, Any]:
    """What an experiment trains on which data, from the settings in its file."""
    own = experiment_settings(name, measure)
    dataset = own.get("dataset", "unknown")
    return {
        "experiment": name,
        "data": _data_label(dataset, settings(measure).get("datasets", {}).get(dataset, {})),
        "activation": own.get("activation", "unknown").replace("_", " "),
    }


def _data_label(name: str, of_data: Mapping[str, Any]) -> str:
    match of_data.get("kind"):
        case "points":
            return f"{len(of_data['inputs'])} points"
        case "mnist":
            return f"MNIST, {of_data['n_train']} images"
        case _:
            return name.replace("_", " ")


def _diagram(name: str, measure: xr.Dataset) -> dict[str, Any]:
    layers = {}
    for layer, long_name in LAYERS.items():
        boundary, _ = BOUNDARIES[layer]
        slope, distance = f"slope_{layer}", f"relative_distance_{layer}"
        layers[layer] = {
            "name": long_name,
            "slope": plain(measure[slope].transpose(*PLANE)),
            "slope_stderr": plain(measure[f"{slope}_stderr"].transpose(*PLANE)),
            "boundary": plain(measure[boundary]),
            "boundary_stderr": plain(measure[f"{boundary}_stderr"]),
            "theory": plain(measure[f"theory_{boundary}"]),
            "distance": plain(measure[distance].transpose(*PLANE, "width", "seed")),
        }
    losses = {
        key: plain(measure[key].transpose(*PLANE, "seed", "checkpoint"))
        for key in ("loss_time", "loss_history")
    }
    axes = {axis: plain(measure[axis]) for axis in (*PLANE, "width", "seed")}
    endings = {
        name: plain(measure[name].transpose(*PLANE))
        for name in ("converged_share", "stationary_share")
    }
    kind = _kind(name, measure)
    # The theory is of homogeneous activations; elsewhere its line is there to compare with.
    theory = "the theory" if kind["activation"] == "relu" else "the theory for ReLU"
    return kind | {"theory_name": theory} | axes | {"layers": layers} | losses | endings
