"""What is drawn of the measures."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure


def growth(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The distance against the width, a line for each gamma.

    measures: those that the config names, by experiment. scale: laptop, smoke or paper.
    """
    found = measures["my_study_growth"].sel(gamma_prime=0.0)
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for gamma in found["gamma"].values:
        one = found.sel(gamma=gamma)
        label = rf"$\gamma = {gamma:g}$, slope {float(one['slope']):.2f}"
        axes.plot(one["width"], one["distance"], marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="relative distance of $w$")
    figure.legend(loc="outside right upper")
    return figure
