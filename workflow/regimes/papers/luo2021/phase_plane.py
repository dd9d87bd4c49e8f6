"""Places of the runs of Luo et al. (2021) in their plane."""

from collections.abc import Iterator, Mapping

import xarray as xr

from regimes.papers.overview.placement import Marker, Placement, placements

PAPER = "luo2021"
MARKER = Marker("s", "Luo et al.", area=30, zorder=2)


def place(measures: Mapping[str, xr.Dataset]) -> Iterator[Placement]:
    """Place the experiments that recorded a relative distance of the first layer.

    measures: those over gamma and gamma_prime, by experiment.
    """
    for experiment, runs in measures.items():
        distance = runs["relative_distance_w"]
        if "solver_tolerance" in distance.dims:
            # These repeat the same runs at several tolerances.
            distance = distance.sel(solver_tolerance=distance["solver_tolerance"].min(), drop=True)
        for axis in ("gamma", "gamma_prime"):
            if axis not in distance.dims:
                distance = distance.expand_dims(axis)
        yield from placements(
            distance,
            paper=PAPER,
            experiment=experiment,
            label="gamma = {gamma:g}, gamma' = {gamma_prime:g}",
            gamma=distance["gamma"],
            gamma_prime=distance["gamma_prime"],
        )
