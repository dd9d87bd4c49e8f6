"""Lemma 3 of Song et al. (2021) at random starts, condition (9), and Hermite coefficients."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from regimes.papers.song2021.paper import LEMMA3
from regimes.papers.song2021.sizes import few_draws
from regimes.plotting.panels import letter
from regimes.plotting.style import mark_scale

NEEDS = (LEMMA3,)
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
WIDTH_LABEL = "width $d_1$"
HERMITE = {"gelu": ("GELU", "o"), "relu": ("ReLU", "s"), "tanh": ("tanh", "^")}
RATIOS = {
    "mu_ratio": (r"$\mu_\Phi / \sigma_{\min}$", "o"),
    "nu_ratio": (r"$\sigma_{\max} / \nu_\Phi$", "s"),
    "beta_ratio": (r"change $/ (\beta_\Phi \cdot$ distance$)$", "^"),
}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The constants of Lemma 3 and what they bound, against the width.

    (a) The bounds mu and nu about the singular values of the Jacobian's adjoint; (b) mu over the
    root of the width, with the lower bound of Section 5.3; (c) the quantities that Lemma 3 bounds,
    over their bounds; (d) condition (9); (e) Hermite coefficients.

    measures: as made by `song2021.spectrum`; scale: marked below 100 draws.
    """
    runs = measures[LEMMA3]
    figure, panels = plt.subplots(2, 3, figsize=(13, 7.2), layout="constrained")
    axes = panels.ravel()
    _draw_range(axes[0], runs)
    _draw_roots(axes[1], runs)
    _draw_ratios(axes[2], runs)
    _draw_locality(axes[3], runs)
    _draw_hermite(axes[4], runs)
    _draw_key(axes[5], runs)
    for axis in axes[:4]:
        axis.set(xscale="log", xlabel=WIDTH_LABEL)
    widths = runs["width"].values
    for axis in axes[:3]:
        axis.set_xticks(widths, [str(width) for width in widths], fontsize="small")
        axis.xaxis.set_minor_formatter(NullFormatter())
    letter(axes[:5])
    figure.supxlabel(
        f"GELU, $\\omega_1 = 1$, $\\omega_1 \\omega_2 = 1 / \\sqrt{{d_0 d_1}}$; "
        f"(a) mean, (b-d) geometric mean of {runs.sizes['seed']} seeds",
        fontsize="small",
    )
    sns.despine(figure)
    if few_draws(measures):
        mark_scale(figure, scale)
    return figure


def _middle(runs: xr.Dataset) -> dict[str, int]:
    """The size that stands for all in (a)."""
    return {
        name: int(runs[name].values[runs.sizes[name] // 2]) for name in ("n_features", "n_train")
    }


def _sizes(runs: xr.Dataset) -> list[tuple[dict[str, int], str, str]]:
    """Sizes, each with its colour (by n) and line style (by d_0)."""
    return [
        ({"n_train": int(n), "n_features": int(d)}, f"C{place}", STYLES[other % len(STYLES)])
        for place, n in enumerate(runs["n_train"].values)
        for other, d in enumerate(runs["n_features"].values)
    ]


def _mean(values: xr.DataArray) -> xr.DataArray:
    return np.exp(np.log(values.where(values > 0)).mean("seed"))


def _draw_range(axes: Axes, runs: xr.Dataset) -> None:
    chosen = _middle(runs)
    one = runs.sel(chosen)
    lines = {
        "nu": (r"$\nu_\Phi$", "C3", "--"),
        "initial_largest_singular_value": (r"$\sigma_{\max}$", "C3", "-"),
        "initial_smallest_singular_value": (r"$\sigma_{\min}$", "C0", "-"),
        "mu": (r"$\mu_\Phi$", "C0", "--"),
        "beta": (r"$\beta_\Phi$", "C2", "-."),
    }
    for name, (label, colour, style) in lines.items():
        mean = one[name].where(one["width"] >= one["n_train"]).mean("seed")
        axes.plot(mean["width"], mean, color=colour, linestyle=style, marker=".", label=label)
    width = one["width"].values.astype(np.float64)
    guide = float(one["mu"].isel(width=-1).mean()) * np.sqrt(width / width[-1])
    axes.plot(width, guide / 1.6, color="0.6", linewidth=1, label=r"$\propto \sqrt{d_1}$")
    axes.set(
        yscale="log", ylabel="singular values of $\\nabla\\Phi^*(\\Theta_0)$, and $\\beta_\\Phi$"
    )
    axes.set_title(f"$n = {chosen['n_train']}$, $d_0 = {chosen['n_features']}$", fontsize="medium")
    axes.legend(fontsize="small", ncols=2)


def _draw_roots(axes: Axes, runs: xr.Dataset) -> None:
    root = np.sqrt(runs["width"].astype(np.float64))
    for chosen, colour, style in _sizes(runs):
        one = runs.sel(chosen)
        mean = _mean(one["mu"]) / root
        axes.plot(mean["width"], mean, color=colour, linestyle=style, marker=".")
        bound = float(_mean(one["mu_bound"] / root).isel(width=-1))
        axes.plot(runs["width"][-1] * 1.15, bound, "_", color=colour, markersize=9)
    exponents = runs["mu_exponent"].mean("seed")
    exponents = exponents.values[np.isfinite(exponents.values)]
    if len(exponents):
        text = rf"$\mu_\Phi \propto d_1^p$, $p = {exponents.min():.2f}$ to ${exponents.max():.2f}$"
        axes.set_title(text, fontsize="medium")
    axes.set(yscale="log", ylabel=r"$\sigma_{\min}(\phi(W_0 X)) / \sqrt{d_1}$")


def _draw_ratios(axes: Axes, runs: xr.Dataset) -> None:
    for place, (name, (label, marker)) in enumerate(RATIOS.items()):
        values = runs[name].where(runs["width"] >= runs["n_train"])
        values = values.stack(draw=("n_features", "n_train", "seed"))
        colour = f"C{5 + place}"
        axes.plot(values["width"], values.median("draw"), color=colour, marker=marker, label=label)
        axes.fill_between(
            values["width"],
            values.min("draw"),
            values.max("draw"),
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
    axes.axhline(1, color="0.5", linestyle="--", linewidth=1)
    axes.set_title("median and range of all draws", fontsize="medium")
    axes.set(ylim=(0, 1.05), ylabel="what Lemma 3 bounds, over its bound")
    axes.legend(fontsize="small")


def _draw_locality(axes: Axes, runs: xr.Dataset) -> None:
    for chosen, colour, style in _sizes(runs):
        one = runs.sel(chosen)
        mean = _mean(one["locality"].where(one["mu"] > 0))
        axes.plot(mean["width"], mean, color=colour, linestyle=style, marker=".")
        least = float(_mean(one["least_width"]))
        last = float(mean.isel(width=-1))
        if np.isfinite(least) and least > runs["width"][-1]:
            ends = [float(runs["width"][-1]), least]
            axes.plot(ends, [last, 1], color=colour, linestyle=style, linewidth=0.6, alpha=0.6)
    axes.axhline(1, color="0.5", linestyle="--", linewidth=1)
    exponents = runs["locality_exponent"].mean("seed").values
    exponents = exponents[np.isfinite(exponents)]
    if len(exponents):
        text = f"$\\propto d_1^p$, $p = {exponents.min():.2f}$ to ${exponents.max():.2f}$"
        axes.set_title(text, fontsize="medium")
    label = r"$h(\Theta_0)\ \beta_\Phi^2 \nu_\Phi^2 / (\alpha_f \mu_\Phi^6)$, at most 1 for (9)"
    axes.set(yscale="log", ylabel=label)


def _draw_hermite(axes: Axes, runs: xr.Dataset) -> None:
    for place, name in enumerate(runs["activation"].values):
        label, marker = HERMITE[str(name)]
        values = abs(runs["hermite"].sel(activation=name))
        shown = values.where(values > 1e-12)
        axes.plot(
            shown["degree"],
            shown,
            marker,
            color=f"C{place}",
            markerfacecolor="none",
            label=rf"{label}, $\|\phi\| = {float(runs['hermite_norm'].sel(activation=name)):.3f}$",
        )
    axes.set(yscale="log", xlabel="degree $i$", ylabel=r"$|c_i| / \sqrt{i!}$")
    axes.set_xticks(runs["degree"].values[::2])
    axes.legend(fontsize="small")


def _draw_key(axes: Axes, runs: xr.Dataset) -> None:
    """The legend of (b) and (d), in place of a panel."""
    axes.set_axis_off()
    handles = [
        Line2D([], [], color=f"C{place}", label=f"$n = {n}$")
        for place, n in enumerate(runs["n_train"].values)
    ]
    handles += [
        Line2D([], [], color="0.3", linestyle=STYLES[place % len(STYLES)], label=f"$d_0 = {d}$")
        for place, d in enumerate(runs["n_features"].values)
    ]
    handles.append(
        Line2D([], [], color="0.3", linewidth=0.6, alpha=0.6, label="(d) extended by its slope")
    )
    handles.append(
        Line2D(
            [],
            [],
            color="0.3",
            marker="_",
            linestyle="",
            markersize=9,
            label=r"(b) bound $\max_t |c_t| \sigma_{\min}(X^{*t}) / \sqrt{t!}$",
        )
    )
    axes.legend(handles=handles, loc="upper left", title="(b), (d)", alignment="left")
