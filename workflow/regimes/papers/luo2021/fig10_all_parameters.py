"""Figure 10 of Luo et al. (2021): the phase diagrams of all weights and of the output weights."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.luo2021.boundaries import boundary_gamma_a, boundary_gamma_theta
from regimes.papers.luo2021.plane import draw_plane, finish

TAKES = ("luo2021.phase_diagram",)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Panel (a) shows slope_theta, (b) slope_a (the paper's caption calls it S_w).

    measures: those of one experiment, as made by `luo2021.phase_diagram`; scale: marked below the
    paper's widths.
    """
    (diagram,) = measures.values()
    figure, (both, output) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
    draw_plane(
        figure,
        both,
        diagram,
        slope="slope_theta",
        symbol=r"S_\theta",
        boundary="boundary_gamma_theta",
        theory=boundary_gamma_theta,
    )
    draw_plane(
        figure,
        output,
        diagram,
        slope="slope_a",
        symbol="S_a",
        boundary="boundary_gamma_a",
        theory=boundary_gamma_a,
    )
    finish(figure, diagram, scale, both, output, slopes=("slope_theta", "slope_a"))
    return figure
