"""Orientation and amplitude of hidden neurons: Luo et al. (2021), section 3.1."""

import numpy as np
import xarray as xr

ANGULAR_BINS = 360


def amplitude(output_weights: xr.DataArray, input_weights: xr.DataArray) -> xr.DataArray:
    """Amplitude A_k = |a_k| |w_k|, over the dimensions of the output weights.

    A neuron contributes at most this to the function.
    """
    values = abs(output_weights) * np.sqrt((input_weights**2).sum("feature"))
    return values.assign_attrs(long_name="amplitude A = |a| |w| of a neuron", units="1")


def orientation(input_weights: xr.DataArray) -> xr.DataArray:
    """Angle of w_k to the x-axis in [-pi, pi], for one input and a bias (two features)."""
    angle = np.arctan2(input_weights.isel(feature=1), input_weights.isel(feature=0))
    return angle.assign_attrs(
        long_name="angle of (weight, bias) of a neuron to the x-axis", units="radian"
    )


def angular_bins(angles: np.ndarray) -> np.ndarray:
    """Indices of the angular bins of angles in [-pi, pi]."""
    turn = np.nan_to_num((angles + np.pi) / (2 * np.pi))  # of a run that diverged, not used
    return np.minimum((turn * ANGULAR_BINS).astype(np.int64), ANGULAR_BINS - 1)
