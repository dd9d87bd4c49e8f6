"""Places of the runs of Caron et al. (2023) in the plane of Luo et al. (2021).

The plane has an axis for gamma, but none for the inequality of the nodes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from regimes.papers.caron2023.node_settings import by_asymmetry, plain_label
from regimes.papers.overview.placement import (
    FIRST_LAYER_ALONE,
    Marker,
    Placement,
    growth_exponent,
    placements,
    settings_of,
)

PAPER = "caron2023"
MARKER = Marker("^", "Caron et al.")
# f = sum_j lambda_j^(1/2) a_j act(w_j . x): with equal scales kappa = m^(-1/2).
GAMMA = 0.5


def place(measures: Mapping[str, xr.Dataset]) -> Iterator[Placement]:
    """Placements by `node_scaling`, of the node scales lambda_j.

    A network with unequal scales acts like one of 1 / sum_j lambda_j^2 equal nodes, which is its
    `effective_width`, at the same gamma: the plane has no axis for that. measures: with
    `final_weight_change` and `node_scale` over `node`, by experiment.
    """
    for experiment, runs in measures.items():
        runs = by_asymmetry(runs)
        settings = settings_of(runs, experiment)
        start = np.sqrt(settings["initial_variance"] * float(runs.attrs["n_features"]))
        width = float(runs.attrs["width"])
        squares = (runs["final_weight_change"] / start) ** 2
        squares = squares.where(runs["diverged"] == 0).expand_dims(width=[width])
        scales = runs["node_scale"] / runs["node_scale"].sum("node")
        plain = np.sqrt(squares.mean("node", skipna=False))
        weighted = np.sqrt((squares * scales).sum("node", skipna=False))
        for found in placements(
            plain,
            paper=PAPER,
            experiment=experiment,
            label="{node_scaling}",
            gamma=GAMMA,
            gamma_prime=FIRST_LAYER_ALONE,
        ):
            one = runs.sel(node_scaling=found.setting)
            yield replace(
                found,
                setting=plain_label(float(one["gamma"]), float(one["alpha"])),
                effective_width=1 / float((scales.sel(node_scaling=found.setting) ** 2).sum()),
                weighted_exponent=growth_exponent(
                    weighted.sel(node_scaling=found.setting).transpose("width", "seed")
                ),
            )
