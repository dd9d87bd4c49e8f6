"""Boundaries of the (gamma, gamma') plane that Luo et al. (2021) prove or argue for."""

import xarray as xr


def boundary_gamma(gamma_prime: xr.DataArray) -> xr.DataArray:
    """Value of gamma on the boundary between the linear and the condensed regime.

    1 for gamma' <= 0 and 1 + gamma' for gamma' > 0 (section 4.1.1, Theorems 6 and 8).
    """
    return 1 + gamma_prime.clip(min=0)


def boundary_gamma_a(gamma_prime: xr.DataArray) -> xr.DataArray:
    """Value of gamma above which the output weights a leave their initial values behind.

    1 - gamma' for gamma' <= 0 and 1 for gamma' > 0 (Appendix D; Proposition 26, Remark 28).
    """
    return 1 - gamma_prime.clip(max=0)


def boundary_gamma_theta(gamma_prime: xr.DataArray) -> xr.DataArray:
    """Value of gamma above which all weights together leave their initial values behind.

    It is 1 (Appendix D; Theorem 6 (c)).
    """
    return xr.ones_like(gamma_prime, dtype=float)
