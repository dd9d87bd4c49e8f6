"""Section of the explorer for Luo et al. (2021): phase diagrams, and the runs behind each cell.

Beside the slopes it shows the scatters of the neurons, Figures 6 and 7, coarsened to few bytes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.explorer.values import experiment_settings, made_by, plain, settings
from regimes.papers.luo2021.phase_diagram import BOUNDARIES, ENDINGS, LAYERS

TAB = "Luo et al."
PHASE_DIAGRAMS = ("luo2021.phase_diagram",)
CONDENSATION = ("luo2021.condensation", "luo2021.condensation_projected")
MEASURES = (*PHASE_DIAGRAMS, *CONDENSATION)

PLANE = ("gamma_prime", "gamma")
# Number of the file's cells along each side that are merged into one.
MERGED = 2
POSITIONS = {
    "orientation": "orientation of (weight, bias)",
    "projection": "projection on the direction of equal entries",
}


def section(measures: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """Make the section of the page from measures as made by the modules of MEASURES, by experiment.

    Neurons are shown for the cells of a diagram: without any diagram there is no section.
    """
    planes, neurons = (
        {name: one for name, one in measures.items() if made_by(one, modules)}
        for modules in (PHASE_DIAGRAMS, CONDENSATION)
    )
    if not planes:
        return None
    return {
        "kind": "diagrams",
        "diagrams": diagrams(planes),
        "condensations": condensations(neurons),
    }


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
    """Say which activation an experiment trains on which data, from the settings in its file."""
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
        for key in ("time", "train_loss")
    }
    axes = {axis: plain(measure[axis]) for axis in (*PLANE, "width", "seed")}
    shares = {
        f"{name}_share": plain(measure[f"{name}_share"].transpose(*PLANE)) for name in ENDINGS
    }
    kind = _kind(name, measure)
    # The theory holds for homogeneous activations; for others its line is there to compare with.
    theory = "the theory" if kind["activation"] == "relu" else "the theory for ReLU"
    return kind | {"theory_name": theory} | axes | {"layers": layers} | losses | shares


def scatters(measure: xr.Dataset) -> dict[str, Any]:
    """Numbers of neurons in cells of (position, relative amplitude), of the first seed.

    measure: as made by `luo2021.condensation.reduced`. `cells` is over gamma_prime, gamma and
    width: of each scatter the indices of occupied cells (position index times number of heights
    plus height index), each as the difference from the one before, and their numbers of neurons;
    None for a run that diverged.
    """
    (position,) = (name for name in POSITIONS if name in measure.dims)
    of_first = measure["neuron_count"].isel(seed=0)
    merged = of_first.coarsen({position: MERGED, "relative_amplitude": MERGED}).sum()
    merged = merged.transpose("gamma_prime", "gamma", "width", position, "relative_amplitude")
    shape = merged.shape[:3]
    counts = merged.values.reshape(*shape, -1)
    cells = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        occupied = np.flatnonzero(counts[index])
        if occupied.size:
            differences = np.diff(occupied, prepend=0)
            cells[index] = [differences.tolist(), counts[index][occupied].tolist()]
    share = measure["heaviest_bins_share"].isel(seed=0)
    return {
        "gamma_prime": plain(measure["gamma_prime"]),
        "gamma": plain(measure["gamma"]),
        "width": plain(measure["width"]),
        "seed": int(measure["seed"][0]),
        "position_name": POSITIONS[position],
        "position": plain(merged[position]),
        "height": plain(merged["relative_amplitude"]),
        "share_name": share.attrs["long_name"],
        "share": plain(share.transpose("gamma_prime", "gamma", "width")),
        "cells": cells.tolist(),
    }
