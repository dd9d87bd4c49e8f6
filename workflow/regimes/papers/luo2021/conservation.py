"""Quantities along the flow on which the proof of Theorem 8 of Luo et al. (2021) rests."""

import numpy as np
import xarray as xr

AXES = ("gamma_prime", "gamma", "solver_tolerance", "width", "seed")
# Variables of the runs that the measures keep: name in the runs, and name here.
KEPT = {
    "final_relative_distance_w": "relative_distance_w",
    "converged": "converged",
    "stationary": "stationary",
    "capped": "capped",
    "diverged": "diverged",
    "solver_steps": "solver_steps",
    "snapshot_relative_loss": "snapshot_relative_loss",
}


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The conservation law and the estimate of Proposition 27, at each snapshot.

    runs: output_weights and input_weights in the normalised parameterisation, the first snapshot
    at the start. Adds, over the axes of the runs and `snapshot`, `conservation_drift`, how far
    C_k = kappa' a_k^2 - |w_k|^2 / kappa' (equation (77)) has moved since the start: norm over the
    neurons, over the norm of the sum of its two terms; and `largest_output_weight_ratio`, the
    largest |a_k(t)| / (|w_k(t)| / kappa' + |a_k(0)|), at most 1 by equation (75).
    """
    kappa_prime = runs["width"].astype(float) ** -runs["gamma_prime"]
    a, norm = runs["output_weights"], np.sqrt((runs["input_weights"] ** 2).sum("feature"))
    through_a, through_w = kappa_prime * a**2, norm**2 / kappa_prime
    conserved = through_a - through_w
    moved = conserved - conserved.isel(snapshot=0)
    drift = _length(moved) / _length(through_a + through_w)
    bound = norm / kappa_prime + abs(a.isel(snapshot=0))
    ratio = (abs(a) / bound).max("neuron", skipna=False)
    result = runs[list(KEPT)].rename(KEPT)
    result["conservation_drift"] = drift.assign_attrs(
        long_name="movement of kappa' a^2 - |w|^2 / kappa' since the start, over both terms' sum",
        units="1",
    )
    result["largest_output_weight_ratio"] = ratio.assign_attrs(
        long_name="largest |a_k(t)| / (|w_k(t)| / kappa' + |a_k(0)|) of a neuron", units="1"
    )
    result.attrs = {}
    return result.transpose(*(name for name in AXES if name in result.dims), ...)


def _length(values: xr.DataArray) -> xr.DataArray:
    """Euclidean norm over the neurons, NaN for a run that diverged."""
    return np.sqrt((values**2).sum("neuron", skipna=False))
