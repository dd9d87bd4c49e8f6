"""Places of the runs of Song et al. (2021) in the plane of Luo et al. (2021)."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.papers.overview.placement import Marker, Placement, placements

PAPER = "song2021"
MARKER = Marker("v", "Song et al.")
# omega_1 omega_2 falls as m^(-1/2) with the width, for He's initialisation and for (19).
GAMMA = 0.5


def place(measures: Mapping[str, xr.Dataset]) -> Iterator[Placement]:
    """Placements by ratio of the initial scales or by size, kappa' = omega_2/omega_1 = m^-gamma'.

    measures: of students, with `relative_distance_w`, or of gradient descent on one output, with
    the distance of all weights; by experiment. Raises DataError for others.
    """
    for experiment, runs in measures.items():
        if "relative_distance_w" in runs:
            width = float(runs.attrs["width"])
            distance = runs["relative_distance_w"].expand_dims(width=[width])
            distance = distance.where(runs["diverged"] == 0)
            label = "{loss}, omega_2 = {omega_2:g}"
            gamma_prime = -np.log(runs["omega_ratio"]) / np.log(width)
        elif "scale_ratio" in runs.dims:
            n_features, width = (float(runs.attrs[key]) for key in ("n_features", "width"))
            start = np.sqrt(
                width * (n_features * runs["first_scale"] ** 2 + runs["second_scale"] ** 2)
            )
            distance = (runs["distance"] / start).expand_dims(width=[width])
            label = "omega_2/omega_1 = {scale_ratio:g}"
            gamma_prime = -np.log(runs["scale_ratio"]) / np.log(width)
        elif "width" in runs.dims:
            # omega_1 = 1 and omega_2 = (d_0 d_1)^(-1/2)
            start = np.sqrt(runs["width"] * runs["n_features"] + 1 / runs["n_features"])
            distance = runs["distance"] / start
            label = "d_0 = {n_features}, n = {n_train}"
            gamma_prime = xr.DataArray(0.5)
        else:
            raise DataError(f"{experiment}: its runs have no place on the plane of Luo et al.")
        yield from placements(
            distance,
            paper=PAPER,
            experiment=experiment,
            label=label,
            gamma=GAMMA,
            gamma_prime=gamma_prime,
        )
