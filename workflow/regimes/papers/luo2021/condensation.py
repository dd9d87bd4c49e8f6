"""The measures behind Figure 6 of Luo et al. (2021): condensation of one-dimensional neurons."""

import numpy as np
import xarray as xr

from regimes.engines.common.streams import stream
from regimes.papers.luo2021.neurons import ANGULAR_BINS, amplitude, angular_bins, orientation

AMPLITUDE_BINS = 120
HEAVIEST_BINS = 10
HELD = 0.95
# The share is compared between widths. Since sampling more neurons makes it smaller by itself, as
# many neurons are drawn at every width: as many as the smallest width has.
SAMPLED_NEURONS = 1000
DRAWS = 200
# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_relative_distance_w": "relative_distance_w",
    "final_loss": "final_loss",
    "converged": "converged",
    "stationary": "stationary",
    "capped": "capped",
    "diverged": "diverged",
    "solver_steps": "solver_steps",
}
AXES = ("gamma_prime", "gamma", "width", "seed")


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Reduce the runs of a job, of a one-dimensional problem, to their condensation at the end.

    run: output_weights (..., snapshot, neuron) and input_weights (..., snapshot, feature, neuron)
    with two features. Returns what `reduced` does, over `orientation`.
    """
    end = run[["output_weights", "input_weights"]].isel(snapshot=-1)
    end = end.transpose(*AXES, "feature", "neuron")
    sizes = amplitude(end["output_weights"], end["input_weights"]).values
    bins = angular_bins(orientation(end["input_weights"]).values)
    centres = (np.arange(ANGULAR_BINS) + 0.5) * 2 * np.pi / ANGULAR_BINS - np.pi
    attributes = {"long_name": "angle of (weight, bias) to the x-axis, bin centre"}
    axis = xr.Variable("orientation", centres, attributes | {"units": "radian"})
    return reduced(run, sizes, bins, axis)


def reduced(run: xr.Dataset, sizes: np.ndarray, bins: np.ndarray, axis: xr.Variable) -> xr.Dataset:
    """Measure the condensation of neurons by their amplitudes and bins, over AXES and `neuron`.

    sizes, bins: (*AXES, neuron); axis: centres of the ANGULAR_BINS bins, over a dimension of its
    own. Returns, over the axes of the runs: `heaviest_bins_share`, the share of the total
    amplitude in the HEAVIEST_BINS heaviest bins on SAMPLED_NEURONS neurons drawn at random (mean
    over DRAWS draws), its standard deviation over draws, the same share on all neurons, the number
    of bins that hold HELD of it, the largest amplitude, and the scatter of (bin, amplitude over the
    largest) as numbers of neurons in cells.
    """
    shape = sizes.shape[:-1]
    shares = np.full((4, *shape), np.nan)
    largest = np.full(shape, np.nan)
    counts = np.zeros((*shape, ANGULAR_BINS, AMPLITUDE_BINS), dtype=np.int32)
    for index in np.ndindex(shape):
        if not np.isfinite(sizes[index]).all():
            continue  # the run diverged
        key = (int(run["width"][index[2]]), int(run["seed"][index[3]]))
        draws = sampled_shares(sizes[index], bins[index], stream(0, "condensation", *key))
        whole = heaviest_share(sizes[index], bins[index])
        held = bins_holding(sizes[index], bins[index])
        shares[(slice(None), *index)] = draws.mean(), draws.std(), whole, held
        largest[index] = sizes[index].max()
        counts[index] = scatter(sizes[index] / largest[index], bins[index])
    names = {
        "heaviest_bins_share": f"share of the amplitude in the {HEAVIEST_BINS} heaviest of "
        f"{ANGULAR_BINS} bins, {SAMPLED_NEURONS} neurons drawn at random",
        "heaviest_bins_share_spread": "standard deviation of heaviest_bins_share over draws",
        "heaviest_bins_share_of_all": "heaviest_bins_share with all neurons",
        "bins_holding": f"number of bins that hold {HELD:.0%} of the amplitude",
    }
    result = run[list(KEPT)].rename(KEPT).transpose(*AXES)
    for (name, long_name), values in zip(names.items(), shares, strict=True):
        result[name] = (AXES, values, {"long_name": long_name, "units": "1"})
    result["largest_amplitude"] = (
        AXES,
        largest,
        {"long_name": "largest amplitude A of a neuron", "units": "1"},
    )
    (dim,) = axis.dims
    result["neuron_count"] = (
        (*AXES, dim, "relative_amplitude"),
        counts,
        {"long_name": "number of neurons in a cell of the scatter", "units": "1"},
    )
    heights = (np.arange(AMPLITUDE_BINS) + 0.5) / AMPLITUDE_BINS
    attributes = {"long_name": "amplitude over the largest one, bin centre", "units": "1"}
    return result.assign_coords(
        {dim: axis, "relative_amplitude": ("relative_amplitude", heights, attributes)}
    )


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The reduced runs as they are; `reduce` has done the work."""
    return runs.drop_attrs(deep=False)


def heaviest_share(amplitudes: np.ndarray, bins: np.ndarray) -> float:
    """Share of the total amplitude in the heaviest bins; (neuron,) each."""
    weights = np.bincount(bins, amplitudes, minlength=ANGULAR_BINS)
    return float(np.sort(weights)[-HEAVIEST_BINS:].sum() / weights.sum())


def bins_holding(amplitudes: np.ndarray, bins: np.ndarray) -> int:
    """How many bins hold the share HELD of the total amplitude; (neuron,) each."""
    weights = np.sort(np.bincount(bins, amplitudes, minlength=ANGULAR_BINS))[::-1]
    return int(np.searchsorted(np.cumsum(weights), HELD * weights.sum())) + 1


def sampled_shares(
    amplitudes: np.ndarray, bins: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """`heaviest_share` of neurons drawn at random without replacement, (draw,)."""
    count = min(SAMPLED_NEURONS, len(amplitudes))
    shares = []
    for _ in range(DRAWS):
        chosen = random.choice(len(amplitudes), count, replace=False, shuffle=False)
        shares.append(heaviest_share(amplitudes[chosen], bins[chosen]))
    return np.array(shares)


def scatter(relative_amplitudes: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Numbers of neurons in the cells (angular bin, amplitude bin)."""
    rows = np.minimum((relative_amplitudes * AMPLITUDE_BINS).astype(np.int64), AMPLITUDE_BINS - 1)
    cells = np.bincount(bins * AMPLITUDE_BINS + rows, minlength=ANGULAR_BINS * AMPLITUDE_BINS)
    return cells.reshape(ANGULAR_BINS, AMPLITUDE_BINS)
