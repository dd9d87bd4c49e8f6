"""The size of the networks in the phase diagrams of Luo et al. (2021)."""

import xarray as xr

PAPER_WIDTHS = (1000, 5000, 10_000, 20_000, 40_000)
# The caption of Figure 5 lists 40 000 last, a misprint in an ascending list.
PAPER_WIDTHS_MNIST = (1000, 10_000, 50_000, 250_000, 400_000)


# What slopes on MNIST need: the largest of these is of the paper's order.
LEAST_WIDTHS_MNIST = (1000, 10_000, 50_000, 250_000)


def below_paper_widths(diagram: xr.Dataset, least: tuple[int, ...] = PAPER_WIDTHS) -> str | None:
    """Why slopes over the widths of `diagram` are not yet those of the limit; None if they are."""
    widths = diagram["width"].values.tolist()
    if max(widths) < max(least) or len(widths) < len(least):
        return f"{len(widths)} widths up to {max(widths)}, needs {len(least)} up to {max(least)}"
    return None
