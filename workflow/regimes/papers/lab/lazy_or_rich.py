"""What the regimes buy: test loss beside what the network learned, over the plane."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from regimes import endings
from regimes.papers.lab.paper import PARITY, PLANE_WIDTH, SINGLE_INDEX
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.plane import edges
from regimes.plotting.endings import mark_cells
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale
from regimes.plotting.wording import pluralise

NEEDS = (PARITY, SINGLE_INDEX)
ROWS = {PARITY: "sparse parity", SINGLE_INDEX: "single index"}
COLUMNS = {
    "test_loss": ("test loss / loss of the mean", "viridis_r", True),
    "kernel_change": (r"kernel change $\|\Theta - \Theta_0\| / \|\Theta_0\|$", "magma", True),
    "kernel_alignment": ("alignment of the kernel", "cividis", False),
    "relative_distance_w": (r"relative distance of $w$", "mako", True),
}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """Four quantities at the end of training over gamma' and gamma, for two tasks.

    measures: as made by `lab.plane`; of several seeds the geometric mean, of the alignment the
    mean. scale: marked below the width of the default scale.
    """
    figure, axes = plt.subplots(
        len(ROWS), len(COLUMNS), figsize=(15, 6.4), layout="constrained", squeeze=False
    )
    for row, (name, title) in zip(axes, ROWS.items(), strict=True):
        plane = measures[name].isel(width=-1, drop=True)
        for axis, (quantity, (label, colours, is_log)) in zip(row, COLUMNS.items(), strict=True):
            _draw(figure, axis, plane, quantity, colours, is_log)
            axis.set_title(f"{title}\n{label}", fontsize="small")
    for axis in axes[-1]:
        axis.set_xlabel(r"$\gamma'$")
    for axis in axes[:, 0]:
        axis.set_ylabel(r"$\gamma$")
    letter(axes.flat)
    one = measures[PARITY]
    width = int(one["width"].max())
    figure.supxlabel(
        f"gradient flow, m = {width}; means over {pluralise(one.sizes['seed'], 'seed')}; dashed: "
        "boundary of the regimes",
        fontsize="small",
    )
    if width < PLANE_WIDTH:
        mark_scale(figure, scale)
    return figure


def _draw(
    figure: Figure, axes: Axes, plane: xr.Dataset, quantity: str, colours: str, is_log: bool
) -> None:
    values = plane[quantity]
    mean = np.exp(np.log(values).mean("seed")) if is_log else values.mean("seed")
    mean = mean.transpose("gamma_prime", "gamma")
    present = mean.values[np.isfinite(mean.values)]
    norm = Normalize()
    if is_log and len(present):
        norm = LogNorm(present.min(), present.max())
    x, y = edges(mean["gamma_prime"].values), edges(mean["gamma"].values)
    mesh = axes.pcolormesh(x, y, mean.T, cmap=plt.get_cmap(colours), norm=norm)
    figure.colorbar(mesh, ax=axes)
    shares = {
        name: ended.mean("seed").transpose("gamma_prime", "gamma").values
        for name, ended in endings.endings(plane).items()
    }
    mark_cells(axes, x, y, mean.values, shares)
    fine = xr.DataArray(np.linspace(x[0], x[-1], 201))
    axes.plot(fine, boundary_gamma(fine), "k--", linewidth=1.2)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
