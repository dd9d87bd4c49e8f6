"""The size of the networks in the phase diagrams of Luo et al. (2021)."""

import xarray as xr

PAPER_WIDTHS = (1000, 5000, 10_000, 20_000, 40_000)


def below_paper_widths(diagram: xr.Dataset) -> str | None:
    """Why slopes over the widths of `diagram` are not yet those of the limit; None if they are."""
    widths = diagram["width"].values.tolist()
    if max(widths) < max(PAPER_WIDTHS) or len(widths) < len(PAPER_WIDTHS):
        return f"{len(widths)} widths up to {max(widths)}, needs {len(PAPER_WIDTHS)} up to 40000"
    return None
