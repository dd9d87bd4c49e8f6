"""The boundary of the regimes on any data: measures of a search along gamma, and its figure."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regimes import endings
from regimes.errors import DataError
from regimes.papers.lab.paper import GROWTH_WIDTH
from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.overview.placement import settings_of
from regimes.plotting.panels import letter, listed_widths
from regimes.plotting.style import mark_scale
from regimes.statistics import power_law_slope
from regimes.storage.layout import labelled

TAKES = ("lab.boundary",)
COLOURS = "viridis"


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The boundary, and S_w at the gammas that were tried.

    runs: of engine gradient_flow.boundary, over gamma_prime and perhaps width_low. data is not
    needed. Adds, over these and trial, slope_w of each seed over the widths at which it has a
    distance, two or more, the mean over seeds, with slope_w_stderr (NaN for one seed), and the
    theory's theory_boundary_gamma. Where the widths are the same for all, they are the coordinate
    `width`. Raises DataError for runs of another engine.
    """
    if "boundary_gamma" not in runs:
        raise DataError("lab.boundary measures runs of engine gradient_flow.boundary")
    runs = runs.rename(final_relative_distance_w="relative_distance_w")
    widths = runs["trial_width"]
    if "width_low" in runs.coords:
        ends = runs["relative_distance_w"], widths
        rise, span = (np.log(one.isel(width_rank=-1) / one.isel(width_rank=0)) for one in ends)
        slopes = rise / span
    else:
        width = widths.isel({dim: 0 for dim in widths.dims if dim != "width_rank"})
        runs = runs.drop_vars(["width_rank", "trial_width"], errors="ignore")
        runs = runs.rename(width_rank="width")
        runs = runs.assign_coords(width=("width", width.values, widths.attrs))
        slopes, _ = power_law_slope(runs["relative_distance_w"])
    count = slopes.notnull().sum("seed")
    error = slopes.std("seed", ddof=1) / np.sqrt(count)
    found = {
        "slope_w": (
            slopes.mean("seed"),
            "slope of log relative distance of the first layer against log width",
        ),
        "slope_w_stderr": (error.where(count > 1), "standard error of slope_w over seeds"),
        "slope_w_n_seeds": (count, "number of seeds behind slope_w"),
        "theory_boundary_gamma": (
            boundary_gamma(runs["gamma_prime"]),
            "gamma at which slope_w vanishes in the limit of large width, by the theory for ReLU",
        ),
    }
    made = {name: labelled(one.astype(np.float64), text) for name, (one, text) in found.items()}
    return runs.assign(made).assign_attrs({})


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """S_w at the gammas that were tried, and how far the boundary is from theory, over gamma'.

    measures: those of one experiment, as made by `lab.boundary`. scale: marked below the widths of
    the default scale.
    """
    ((name, found),) = measures.items()
    settings = settings_of(found, name)
    figure, (slopes, deviation) = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    lines = found["gamma_prime"].values
    colours = plt.get_cmap(COLOURS)(np.linspace(0, 0.85, len(lines)))
    for gamma_prime, colour in zip(lines, colours, strict=True):
        _draw_search(slopes, found.sel(gamma_prime=gamma_prime), colour)
    slopes.axhline(0, color="black", linewidth=0.8)
    slopes.set(xlabel=r"$\gamma$", ylabel="slope $S_w$")
    slopes.legend(title=r"$\gamma'$", fontsize="small")
    _draw_deviation(deviation, found, settings["activation"])
    letter((slopes, deviation))
    widths = listed_widths(found["width"].values.tolist())
    networks = int(found["n_networks"].sum())
    figure.supxlabel(
        f"{settings['dataset']}, {settings['activation']}: m = {widths}, {networks} networks, "
        f"{_seeds(found)}; error bars: standard error over seeds{_missed(found)}",
        fontsize="small",
    )
    sns.despine(figure)
    if int(found["width"].max()) < GROWTH_WIDTH:
        mark_scale(figure, scale)
    return figure


def _draw_search(axes: Axes, search: xr.Dataset, colour: np.ndarray) -> None:
    tried = search.isel(trial=np.flatnonzero(np.isfinite(search["slope_w"].values)))
    axes.errorbar(
        tried["trial_gamma"],
        tried["slope_w"],
        yerr=tried["slope_w_stderr"],
        color=colour,
        marker="o",
        markersize=3,
        capsize=2,
        linewidth=1,
        label=f"{float(search['gamma_prime']):g}",
    )
    axes.axvline(float(search["boundary_gamma"]), color=colour, linewidth=0.8, linestyle=":")


def _draw_deviation(axes: Axes, found: xr.Dataset, activation: str) -> None:
    """The measured boundary against the theory's, from which it can hardly be told by eye."""
    axes.errorbar(
        found["gamma_prime"],
        found["boundary_gamma"] - found["theory_boundary_gamma"],
        yerr=found["boundary_gamma_stderr"],
        color="black",
        marker="o",
        markersize=4,
        capsize=3,
        linestyle="none",
    )
    axes.axhline(0, color="0.4", linestyle="--")
    limit = "theory" + ("" if activation == "relu" else " for ReLU")
    axes.set(xlabel=r"$\gamma'$", ylabel=rf"zero of $S_w$, $\gamma^*$, less that of {limit}")


def _seeds(found: xr.Dataset) -> str:
    low, high = (int(one(found["boundary_gamma_n_seeds"])) for one in (np.min, np.max))
    return f"{low} seeds" if low == high else f"{low} to {high} seeds"


def _missed(found: xr.Dataset) -> str:
    """What is to be said where a search did not end as it was to."""
    missed = int((found[endings.CONVERGED] == 0).sum())
    if not missed:
        return ""
    share = float(found["flows_converged"].min())
    return (
        f"\n{missed} of {found.sizes['gamma_prime']} searches ended without the wanted standard "
        f"error; at least {share:.0%} of the networks of each were trained to their end"
    )
