"""The boundary of the regimes at finite widths, and where it tends to as they grow."""

import warnings
from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize
import seaborn as sns
import xarray as xr
from matplotlib.figure import Figure

from regimes.errors import DataError
from regimes.papers.lab import boundary
from regimes.plotting.panels import letter, listed_widths
from regimes.plotting.style import mark_scale
from regimes.storage.layout import labelled

TAKES = ("lab.finite_width",)
COLOURS = "viridis"
# What is kept of the fit of a law.
FITTED = {
    "limit_boundary_gamma": "boundary_gamma for infinite width, by the fit of a law",
    "limit_boundary_gamma_stderr": "standard error of limit_boundary_gamma",
    "fit_chi_square": "sum of squared residuals of the fit over their variances",
}
# Below this largest width the figure is marked.
LARGE = 1_000_000
# How the boundary may tend to its limit g: the law, as it is written, and where its fit starts.
LAWS: dict[str, tuple[Callable[..., np.ndarray], str, tuple[float, ...]]] = {
    "logarithm": (lambda width, g, c: g + c / np.log(width), r"g + c / \log m", (1.0, 0.0)),
    "power": (lambda width, g, c, p: g + c * width**-p, "g + c\\,m^{-p}", (1.0, -0.1, 0.3)),
}
# Of p: below, a power is a constant; above, all that is seen of it is the smallest width.
POWERS = (0.05, 2.0)


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The boundaries of pairs of widths, and their limits as two laws have it.

    runs: of engine gradient_flow.boundary over gamma_prime and width_low. To the measures of
    `lab.boundary` it adds width_middle (width_low), the geometric mean m of a pair, and, over
    gamma_prime and law, limit_boundary_gamma with limit_boundary_gamma_stderr: g of the fit of
    g + c / log m ("logarithm") or g + c m^-p ("power", p from 0.05 to 2) to boundary_gamma,
    weighted by the standard errors, with fit_chi_square, the sum of its squared residuals over
    their variances, and, over gamma_prime, fit_power, p. They are NaN where there are no more
    boundaries than parameters, and where these do not tell p. Raises DataError without pairs of
    widths.
    """
    found = boundary.measure(runs, data)
    if "width_low" not in found.dims:
        raise DataError("lab.finite_width measures searches over axes.width_low")
    ends = found["trial_width"].isel(gamma_prime=0).astype(float)
    middle = np.sqrt(ends.isel(width_rank=0) * ends.isel(width_rank=-1))
    found["width_middle"] = labelled(middle.drop_vars("gamma_prime"), "geometric mean of a pair")
    fits = {name: np.full((found.sizes["gamma_prime"], len(LAWS)), np.nan) for name in FITTED}
    powers = np.full(found.sizes["gamma_prime"], np.nan)
    for row in range(len(powers)):
        zeros, errors = (
            found[name].isel(gamma_prime=row).transpose("width_low").values
            for name in ("boundary_gamma", "boundary_gamma_stderr")
        )
        for column, law in enumerate(LAWS):
            fitted = _fit(law, middle.values, zeros, errors)
            if fitted is None:
                continue
            parameters, error, chi_square = fitted
            for name, value in zip(FITTED, (parameters[0], error, chi_square), strict=True):
                fits[name][row, column] = value
            if len(parameters) > 2:
                powers[row] = parameters[2]
    described = {"long_name": "law of the approach", "units": "1"}
    found = found.assign_coords(law=("law", list(LAWS), described))
    for name, text in FITTED.items():
        found[name] = labelled(xr.DataArray(fits[name], dims=("gamma_prime", "law")), text)
    text = "power p of the width, of the fit of g + c m^-p"
    found["fit_power"] = labelled(xr.DataArray(powers, dims="gamma_prime"), text)
    return found


def _fit(
    law: str, width: np.ndarray, zeros: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, float, float] | None:
    """Parameters of a law, the error of its limit, and chi square; None where they are not told."""
    function, _, start = LAWS[law]
    known = np.isfinite(zeros) & (errors > 0)
    if known.sum() <= len(start):
        return None
    bounds = ([-np.inf] * 2 + [POWERS[0]])[: len(start)], ([np.inf] * 2 + [POWERS[1]])[: len(start)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", scipy.optimize.OptimizeWarning)
            found, covariance = scipy.optimize.curve_fit(
                function,
                width[known],
                zeros[known],
                p0=start,
                sigma=errors[known],
                absolute_sigma=True,
                bounds=bounds,
            )
    except (RuntimeError, scipy.optimize.OptimizeWarning):
        return None
    if len(found) > 2 and min(abs(found[2] - one) for one in POWERS) < 1e-3:
        return None
    residuals = (zeros[known] - function(width[known], *found)) / errors[known]
    return found, float(covariance[0, 0] ** 0.5), float(residuals @ residuals)


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The boundary less that of theory over the width, and its limits by both laws over gamma'.

    measures: those of one experiment, as made by `lab.finite_width`. scale: marked where the
    largest width is below a million.
    """
    (found,) = measures.values()
    figure, (approach, limits) = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
    values = found["gamma_prime"].values
    colours = plt.get_cmap(COLOURS)(np.linspace(0, 0.85, len(values)))
    apart = found["boundary_gamma"] - found["theory_boundary_gamma"]
    errors = found["boundary_gamma_stderr"]
    middle = found["width_middle"]
    for row, (gamma_prime, colour) in enumerate(zip(values, colours, strict=True)):
        # Side by side, so that no error bar hides another.
        approach.errorbar(
            middle * 10 ** (0.03 * (row - (len(values) - 1) / 2)),
            apart.isel(gamma_prime=row),
            yerr=errors.isel(gamma_prime=row),
            color=colour,
            marker="o",
            markersize=4,
            capsize=3,
            linewidth=1,
            label=f"{gamma_prime:g}",
        )
    approach.axhline(0, color="0.4", linestyle="--")
    approach.set(
        xscale="log",
        xlabel="width m, geometric mean of a pair",
        ylabel=r"zero of $S_w$ between two widths, less that of theory",
    )
    approach.legend(title=r"$\gamma'$", fontsize="small")
    count = found.sizes["width_low"]
    step = 0.012 * (float(np.ptp(values)) or 1.0)
    for index, law in enumerate(LAWS):
        fitted = found.sel(law=law)
        per_degree = float(fitted["fit_chi_square"].mean()) / max(1, count - len(LAWS[law][2]))
        limits.errorbar(
            values + step * (2 * index - 1),
            fitted["limit_boundary_gamma"] - found["theory_boundary_gamma"],
            yerr=fitted["limit_boundary_gamma_stderr"],
            marker="os"[index],
            markersize=4,
            capsize=3,
            linestyle="none",
            color=f"C{index}",
            label=rf"${LAWS[law][1]}$, $\chi^2 / f$ = {per_degree:.3g}",
        )
    limits.axhline(0, color="0.4", linestyle="--")
    limits.set(xlabel=r"$\gamma'$", ylabel="limit $g$ for infinite width, less theory")
    limits.legend(fontsize="small")
    letter((approach, limits))
    networks, seeds = int(found["n_networks"].sum()), int(found["boundary_gamma_n_seeds"].min())
    figure.supxlabel(
        f"{networks} networks of up to {listed_widths([int(found['trial_width'].max())])} neurons; "
        f"error bars: standard error over {seeds} seeds or more; $\\chi^2 / f$: of a fit, for each "
        "degree of freedom, mean over those that there are",
        fontsize="small",
    )
    sns.despine(figure)
    if int(found["trial_width"].max()) < LARGE:
        mark_scale(figure, scale)
    return figure
