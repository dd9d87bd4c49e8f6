"""Put the runs of an experiment together from the files of its jobs."""

from collections.abc import Sequence

import xarray as xr


def combine_blocks(blocks: Sequence[xr.Dataset]) -> xr.Dataset:
    """Combine the jobs of a grid into one dataset.

    Strictly: they must agree in the axes that they share.
    """
    return xr.combine_by_coords(
        blocks,
        join="exact",
        compat="equals",
        data_vars="all",
        coords="minimal",
        combine_attrs="drop_conflicts",
    )


def merge_grids(grids: Sequence[xr.Dataset]) -> xr.Dataset:
    """Merge all grids of an experiment on the union of their axes, which is sorted.

    NaN stands where nothing was run. With more than one grid all variables are therefore real.
    """
    if len(grids) == 1:
        return grids[0]
    merged = xr.merge(grids, join="outer", compat="no_conflicts", combine_attrs="drop_conflicts")
    return merged.sortby([name for name in merged.dims if name in merged.coords])
