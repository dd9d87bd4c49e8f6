"""The boundary of the regimes at finite widths, and where it tends to as they grow."""

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
# Below this largest width the figure is marked.
LARGE = 1_000_000
# How the boundary may tend to its limit: with one constant each, and a power that is not fitted,
# since four widths would not tell it from the limit.
LAWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "logarithm": lambda width: 1 / np.log(width),
    "root": lambda width: width**-0.5,
}
WRITTEN = {"logarithm": r"1 / \log m", "root": r"m^{-1/2}"}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The boundaries of pairs of widths, and their limits as two laws have it.

    runs: of engine gradient_flow.boundary over gamma_prime and width_low. To the measures of
    `lab.boundary` it adds width_middle (width_low), the geometric mean m of a pair, and, over
    gamma_prime and law, limit_boundary_gamma with limit_boundary_gamma_stderr: g of the fit of
    g + c / log m ("logarithm") or g + c m^-1/2 ("root") to boundary_gamma, weighted by the standard
    errors, and fit_chi_square, the sum of its squared residuals over their variances, of two
    parameters. They are NaN with fewer than three boundaries. Raises DataError without pairs of
    widths.
    """
    found = boundary.measure(runs, data)
    if "width_low" not in found.dims:
        raise DataError("lab.finite_width measures searches over axes.width_low")
    ends = found["trial_width"].isel(gamma_prime=0).astype(float)
    middle = np.sqrt(ends.isel(width_rank=0) * ends.isel(width_rank=-1))
    found["width_middle"] = labelled(middle.drop_vars("gamma_prime"), "geometric mean of a pair")
    shape = (found.sizes["gamma_prime"], len(LAWS))
    limit, error, chi_square = (np.full(shape, np.nan) for _ in range(3))
    for row in range(shape[0]):
        zeros, errors = (
            found[name].isel(gamma_prime=row).transpose("width_low").values
            for name in ("boundary_gamma", "boundary_gamma_stderr")
        )
        for column, law in enumerate(LAWS.values()):
            fitted = _fit(law(middle.values), zeros, errors)
            limit[row, column], error[row, column], chi_square[row, column] = fitted
    found = found.assign_coords(
        law=("law", list(LAWS), {"long_name": "law of the approach", "units": "1"})
    )
    for name, values, text in (
        ("limit_boundary_gamma", limit, "boundary_gamma for infinite width, by the fit of a law"),
        ("limit_boundary_gamma_stderr", error, "standard error of limit_boundary_gamma"),
        ("fit_chi_square", chi_square, "sum of squared residuals of the fit over their variances"),
    ):
        found[name] = labelled(xr.DataArray(values, dims=("gamma_prime", "law")), text)
    return found


def _fit(x: np.ndarray, zeros: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """Constant of a weighted line through zeros (n,) over x (n,), its error, and chi square."""
    known = np.isfinite(zeros) & (errors > 0)
    if known.sum() < 3:
        return np.nan, np.nan, np.nan
    x, zeros, errors = x[known], zeros[known], errors[known]
    (constant, slope), covariance = scipy.optimize.curve_fit(
        lambda x, constant, slope: constant + slope * x,
        x,
        zeros,
        p0=(zeros.mean(), 0.0),
        sigma=errors,
        absolute_sigma=True,
    )
    residuals = (zeros - constant - slope * x) / errors
    return float(constant), float(covariance[0, 0] ** 0.5), float(residuals @ residuals)


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
    step = 0.012 * (float(np.ptp(values)) or 1.0)
    for index, law in enumerate(LAWS):
        fitted = found.sel(law=law)
        chi_square = float(fitted["fit_chi_square"].sum())
        limits.errorbar(
            values + step * (2 * index - 1),
            fitted["limit_boundary_gamma"] - found["theory_boundary_gamma"],
            yerr=fitted["limit_boundary_gamma_stderr"],
            marker="os"[index],
            markersize=4,
            capsize=3,
            linestyle="none",
            color=f"C{index}",
            label=rf"$g + c\,({WRITTEN[law]})$, $\chi^2$ = {chi_square:.3g}",
        )
    limits.axhline(0, color="0.4", linestyle="--")
    limits.set(xlabel=r"$\gamma'$", ylabel="limit $g$ for infinite width, less theory")
    limits.legend(fontsize="small")
    letter((approach, limits))
    freedom = len(values) * max(0, found.sizes["width_low"] - 2)
    networks, seeds = int(found["n_networks"].sum()), int(found["boundary_gamma_n_seeds"].min())
    figure.supxlabel(
        f"{networks} networks of up to {listed_widths([int(found['trial_width'].max())])} neurons; "
        f"error bars: standard error over at least {seeds} seeds; $\\chi^2$: of all fits together, "
        f"{freedom} degrees of freedom",
        fontsize="small",
    )
    sns.despine(figure)
    if int(found["trial_width"].max()) < LARGE:
        mark_scale(figure, scale)
    return figure
