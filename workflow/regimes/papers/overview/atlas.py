"""The atlas: the runs of all papers that have a place on the plane of Luo et al. (2021)."""

import itertools
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from regimes.papers.luo2021.boundaries import boundary_gamma
from regimes.papers.luo2021.plane import LARGEST_SLOPE, SLOPE_COLOURS
from regimes.papers.luo2021.regime_map import regime
from regimes.papers.overview.placement import Marker, Placement, measured_regime
from regimes.plan.parts import load
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale

# Each paper's module `phase_plane` has MARKER, and `place`, which places its experiments.
LOADS_PART = "phase_plane"
NORM = CenteredNorm(0, LARGEST_SLOPE)
COLUMNS = (
    "paper",
    "experiment",
    "setting",
    "gamma",
    "gamma_prime",
    "exponent",
    "widths",
    "runs",
    "effective_width",
    "weighted_exponent",
)
# A legend above its panel: inside, it would cover runs.
ABOVE = {
    "loc": "lower right",
    "bbox_to_anchor": (1, 1),
    "fontsize": "small",
    "columnspacing": 1,
    "handletextpad": 0.3,
}
# A gamma' as good as minus infinity in the formulas of the theory.
FAR_LEFT = -1e6


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The runs of all papers in the plane of Luo et al. (2021), and those that have no place there.

    (a) Runs that train the first layer alone and (b) those that train both layers, coloured by how
    the relative distance grows with the width; (c) runs with unequal nodes, which the plane does
    not have.

    measures: those that `table` takes.
    """
    found = find(measures)
    figure = plt.figure(figsize=(14, 6.4), layout="constrained")
    strip, plane, nodes = figure.subplots(1, 3, width_ratios=(1.2, 2, 1.4))
    plane.sharey(strip)
    _draw_strip(strip, [one for one in found if np.isinf(one.gamma_prime)])
    _draw_plane(plane, [one for one in found if np.isfinite(one.gamma_prime)])
    mapping = plt.cm.ScalarMappable(NORM, SLOPE_COLOURS)
    bar = figure.colorbar(mapping, ax=plane, extend="both", shrink=0.8)
    bar.ax.set_title("exponent\nof RD", fontsize="small")
    handles = _papers(found)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize="small")
    _draw_nodes(nodes, [one for one in found if np.isfinite(one.effective_width)])
    letter((strip, plane, nodes))
    figure.supxlabel(_note(found), fontsize="small")
    sns.despine(figure)
    # Below that scale only some experiments have the paper's size: docs/ say which.
    mark_scale(figure, scale)
    return figure


def table(measures: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """One row for each setting: COLUMNS, with the regime that was measured and the theory's.

    measures: by experiment, of any that `place` of the paper of their module takes.
    """
    found = find(measures)
    rows = pd.DataFrame([[getattr(one, name) for name in COLUMNS] for one in found])
    rows.columns = list(COLUMNS)
    rows["measured_regime"] = [one.regime for one in found]
    rows["theory_regime"] = [theory_regime(one) for one in found]
    return rows


def find(measures: Mapping[str, xr.Dataset]) -> list[Placement]:
    """The placements of all experiments, paper by paper, in the order of their first measures.

    A paper is that of the module that made the measures, as their attribute `source` says.
    """
    parts = load(LOADS_PART)
    by_paper: dict[str, dict[str, xr.Dataset]] = {}
    for name, dataset in measures.items():
        paper = dataset.attrs["source"].removeprefix("regimes.papers.").partition(".")[0]
        by_paper.setdefault(paper, {})[name] = dataset
    return [one for paper, of_paper in by_paper.items() for one in parts[paper].place(of_paper)]


def _markers(found: list[Placement]) -> dict[str, Marker]:
    """The marker of each paper that has placements, in their order."""
    parts = load(LOADS_PART)
    return {paper: parts[paper].MARKER for paper in dict.fromkeys(one.paper for one in found)}


def theory_regime(one: Placement) -> str:
    """The regime of Luo et al. at the place of some runs, for equal nodes and infinite width."""
    gamma_prime = one.gamma_prime if np.isfinite(one.gamma_prime) else FAR_LEFT
    return regime(one.gamma, gamma_prime)


def _draw_strip(axes: Axes, found: list[Placement]) -> None:
    """Draw the runs that train the first layer alone, in a column for each experiment.

    For these gamma' tells nothing apart.
    """
    experiments = list(dict.fromkeys(one.experiment for one in found))
    for column, experiment in enumerate(experiments):
        of_one = [one for one in found if one.experiment == experiment]
        _scatter(axes, [column] * len(of_one), of_one)
    axes.axhline(1, color="black", linestyle="--", linewidth=1.5)
    axes.set(xlabel=r"$\gamma' \to -\infty$: first layer alone", ylabel=r"$\gamma$")
    papers = {one.experiment: one.paper for one in found}
    names = [_short(experiment, papers[experiment]) for experiment in experiments]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize="x-small")
    axes.set_xlim(-1, max(len(names), 1))


def _short(experiment: str, paper: str) -> str:
    """The name of an experiment without its paper's, which the markers tell."""
    return experiment.removeprefix(paper).strip("_").replace("_", " ") or "main"


def _draw_plane(axes: Axes, found: list[Placement]) -> None:
    _scatter(axes, [one.gamma_prime for one in found], found)
    across = [one.gamma_prime for one in found] or [-1.0, 1.0]
    low, high = min(-1.1, min(across) - 0.1), max(1.1, max(across) + 0.1)
    line = xr.DataArray(np.union1d((low, high), 0.0))
    axes.plot(line, boundary_gamma(line), "k--", linewidth=1.5)
    axes.set(xlabel=r"$\gamma'$", xlim=(low, high))


def _papers(found: list[Placement]) -> list[Line2D]:
    """Entries of the legend: the papers of both panels, and the line."""
    style: dict[str, Any] = {"color": "black", "markerfacecolor": "none", "linestyle": ""}
    handles = [
        Line2D([], [], marker=marker.shape, label=marker.label, **style)
        for marker in _markers(found).values()
    ]
    handles.append(Line2D([], [], color="black", linestyle="--", label="theory (Luo)"))
    return handles


def _scatter(axes: Axes, across: list[float], found: list[Placement]) -> None:
    """Markers of a paper's shape, filled by exponent, dotted where there is one width only."""
    markers = _markers(found)
    for paper, several in itertools.product(markers, (True, False)):
        chosen = [
            (x, one)
            for x, one in zip(across, found, strict=True)
            if one.paper == paper and (one.widths > 1) == several
        ]
        if not chosen:
            continue
        axes.scatter(
            [x for x, _ in chosen],
            [one.gamma for _, one in chosen],
            c=[one.exponent for _, one in chosen],
            cmap=SLOPE_COLOURS,
            norm=NORM,
            marker=markers[paper].shape,
            s=markers[paper].area,
            edgecolor="0.15",
            linewidth=0.6,
            linestyle="-" if several else ":",
            zorder=markers[paper].zorder,
        )


def _draw_nodes(axes: Axes, found: list[Placement]) -> None:
    """Exponents of networks with unequal nodes against their effective width, by experiment."""
    lines = {"exponent": "-", "weighted_exponent": ":"}
    for place, experiment in enumerate(dict.fromkeys(one.experiment for one in found)):
        of_one = [one for one in found if one.experiment == experiment]
        of_one.sort(key=lambda one: one.effective_width)
        for name, style in lines.items():
            axes.plot(
                [one.effective_width for one in of_one],
                [getattr(one, name) for one in of_one],
                marker="^",
                linewidth=0.7,
                linestyle=style,
                color=f"C{place % 10}",
                markerfacecolor="none" if place < 10 else None,
                label=_short(experiment, of_one[0].paper) if style == "-" else None,
            )
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set(
        xscale="log",
        xlabel=r"effective width $1 / \sum_j \lambda_j^2$ (Caron et al.)",
        ylabel=r"$\log \mathrm{RD}(\theta_w) / \log m$; dotted: nodes weighted by $\lambda_j$",
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    if found:
        axes.legend(**ABOVE, ncols=2)


def _note(found: list[Placement]) -> str:
    both = [one for one in found if one.widths > 1]
    agree = sum(measured_regime(one.exponent) == theory_regime(one) for one in both)
    runs = sum(one.runs for one in found)
    return (
        f"{runs} runs in {len(found)} settings; exponent: slope of log RD of the first layer "
        f"over log m, with dotted edge (one width) log RD / log m\n"
        f"measured regime (critical: exponent within 0.1 of 0) as in theory: {agree} of "
        f"{len(both)} settings with several widths"
    )
