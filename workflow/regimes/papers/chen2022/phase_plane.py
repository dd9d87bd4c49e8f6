"""Places of the runs of Chen et al. (2022) in the plane of Luo et al. (2021)."""

from collections.abc import Iterator, Mapping

import xarray as xr

from regimes.papers.overview.placement import (
    FIRST_LAYER_ALONE,
    Marker,
    Placement,
    placements,
    settings_of,
)
from regimes.parameterisations.feature_scalings import SCALINGS

PAPER = "chen2022"
MARKER = Marker("D", "Chen et al.")


def place(measures: Mapping[str, xr.Dataset]) -> Iterator[Placement]:
    """Placements by model and number of points; the trained layer is the one after the embedding.

    Its weights on the directions of the data move with the pre-activations h: the distance is
    `feature_movement` at the end over the size of h at the start, sqrt(G) but for a factor of
    order one that all widths share. measures: with `feature_movement`, by experiment.
    """
    for experiment, runs in measures.items():
        models = settings_of(runs, experiment)["models"]
        moved = runs["feature_movement"].isel(step=-1, drop=True).where(runs["diverged"] == 0)
        for name in moved["model"].values.tolist():
            scaling = SCALINGS[models[name]["scaling"]]
            start = xr.DataArray(
                [scaling.initial_hidden_factor(int(width)) for width in moved["width"]],
                {"width": moved["width"]},
            )
            # The output weights are signs, f = m^-output sum_i c_i act(h_i), and h is homogeneous.
            gamma = scaling.output_exponent + scaling.hidden_exponent - 0.5
            yield from placements(
                moved.sel(model=[name]) / start,
                paper=PAPER,
                experiment=experiment,
                label="{model}, n = {n_train}",
                gamma=gamma,
                gamma_prime=FIRST_LAYER_ALONE,
            )
