"""What Luo et al. (2021) prove and argue about the (gamma, gamma') plane."""

import xarray as xr


def boundary_gamma(gamma_prime: xr.DataArray) -> xr.DataArray:
    """gamma of the boundary between the linear and the condensed regime.

    1 for gamma' <= 0 and 1 + gamma' for gamma' > 0 (section 4.1.1, Theorems 6 and 8).
    """
    return 1 + gamma_prime.clip(min=0)
