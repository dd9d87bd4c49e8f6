"""Put the runs of an experiment together from the files of its jobs."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import xarray as xr

from regimes import endings
from regimes.errors import DataError
from regimes.storage.missing import check_complete


def gather(
    experiment: str,
    grids: Sequence[int],
    runs: Iterator[xr.Dataset],
    probes: Iterator[xr.Dataset],
    n_probes: int,
    reduce: Callable[[xr.Dataset], xr.Dataset],
) -> tuple[xr.Dataset, str, dict[str, int]]:
    """Put all runs of an experiment, with what probes found, on one grid.

    grids: number of jobs of each grid. runs: of the jobs, in their order. probes: `n_probes` of
    each job in turn, whose variables become the runs' own. reduce: what is kept of a job's runs.
    Returns the runs, the devices that they were computed on, as text, and the numbers of runs by
    ending (`regimes.endings.count`). Raises DataError where
    jobs do not fit together, as weights of several widths, or values are missing from a run that
    did not diverge.
    """
    devices, counts, merged = set(), Counter[str](), []
    for n_jobs in grids:
        jobs = []
        for run in itertools.islice(runs, n_jobs):
            devices.add(run.attrs["device"])
            for probe in itertools.islice(probes, n_probes):
                devices.add(probe.attrs["device"])
                run = run.merge(probe, join="exact", compat="no_conflicts")
            check_complete(experiment, run)
            counts.update(endings.count(run))
            jobs.append(reduce(run))
        try:
            merged.append(combine_blocks(jobs))
        except xr.AlignmentError as error:
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"experiments.{experiment}: its jobs do not fit together ({reason}): its measure "
                "is of networks of one width"
            ) from None
    return merge_grids(merged), ", ".join(sorted(devices)), dict(counts)


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
