"""Places of the lab's runs in the plane of Luo et al. (2021)."""

from collections.abc import Iterator, Mapping

import xarray as xr

from regimes.papers.overview.placement import Marker, Placement, placements

PAPER = "lab"
MARKER = Marker("p", "the lab", area=30, zorder=2)


def place(measures: Mapping[str, xr.Dataset]) -> Iterator[Placement]:
    """Place the experiments that recorded a relative distance of the first layer."""
    for experiment, runs in measures.items():
        if "relative_distance_w" not in runs:
            continue
        distance = runs["relative_distance_w"]
        rate = ", rate {learning_rate:g}" if "learning_rate" in distance.dims else ""
        yield from placements(
            distance,
            paper=PAPER,
            experiment=experiment,
            label="gamma = {gamma:g}, gamma' = {gamma_prime:g}" + rate,
            gamma=distance["gamma"],
            gamma_prime=distance["gamma_prime"],
        )
