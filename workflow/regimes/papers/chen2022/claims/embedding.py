"""Claims of Chen et al. (2022) on Experiment 2: Section 4.2 and Appendix I.2."""

import numpy as np
import xarray as xr

from regimes.claims.core import Finding, Measures, Sizes, at_most, claim, within
from regimes.claims.sampling import mean_of
from regimes.papers.chen2022.claims.cells import whole
from regimes.papers.chen2022.paper import FIGURES, QUADRATIC_EMBEDDING, STEPS

N_TRAIN = (50, 100, 200, 400, 600, 800, 1000)
# Of the gap between the two models.
NEGLIGIBLE = 0.1


def _log_errors(runs: xr.Dataset) -> xr.DataArray:
    """Ln test error at the last step, (..., seed first)."""
    error = np.log(runs["test_error"].isel(step=-1, drop=True))
    return error.transpose("seed", ...)


def _gaps(errors: xr.DataArray) -> xr.DataArray:
    return errors.sel(model="quadratic", drop=True) - errors.sel(model="plain", drop=True)


@claim(
    "C2",
    says="with quadratic embedding the test error is lower at every n",
    statistic="largest ln of its ratio to the plain network's, paired over seeds",
    wanted=at_most(0.0, "its sign"),
    source="section 4.2, Fig. 2",
    needs=(QUADRATIC_EMBEDDING,),
    sizes=Sizes(
        seeds=5, contains={"width": (8192,), "n_train": N_TRAIN}, least={"step": float(STEPS)}
    ),
    known=True,
    figure="chen2022/fig2_quadratic_embedding",
)
def embedding(measures: Measures) -> Finding:
    """Differences of ln error between the models, at each n."""
    runs = measures[QUADRATIC_EMBEDDING]
    runs = whole(runs, model=("plain", "quadratic"), width=8192, n_train=N_TRAIN)
    gaps = _gaps(_log_errors(runs))
    ratios = np.exp(gaps.mean("seed", skipna=False))
    shown = ", ".join(f"{value:.3g} at n = {int(value['n_train'])}" for value in ratios)
    return mean_of(gaps.values, at_most(0.0), f"ratio {shown}")


@claim(
    "C6",
    says=(
        "with and without quadratic embedding the difference in test error between m = 2048 and "
        "8192 is negligible"
    ),
    statistic="difference of ln error over that between the two models at the same n",
    wanted=within(
        -NEGLIGIBLE, NEGLIGIBLE, "a convention of ours: a tenth of what the figure is about"
    ),
    source="appendix I.2, Fig. 6",
    needs=(QUADRATIC_EMBEDDING,),
    sizes=Sizes(
        seeds=5,
        contains={"width": FIGURES[6].widths, "n_train": N_TRAIN},
        least={"step": float(STEPS)},
    ),
    known=True,
    figure="chen2022/fig6_quadratic_curves",
)
def figure_6(measures: Measures) -> Finding:
    """Differences of ln error between the widths, at each n and model."""
    runs = measures[QUADRATIC_EMBEDDING]
    runs = whole(runs, model=("plain", "quadratic"), width=FIGURES[6].widths, n_train=N_TRAIN)
    errors = _log_errors(runs)
    between = errors.diff("width").isel(width=0, drop=True)
    gap = abs(_gaps(errors).mean(["seed", "width"], skipna=False))
    shares = (between / gap).transpose("seed", "model", "n_train")
    largest = float(np.exp(abs(between.mean("seed")).max()))
    detail = f"largest ratio of errors {largest:.3g}"
    return mean_of(shares.values.reshape(len(shares), -1), within(-NEGLIGIBLE, NEGLIGIBLE), detail)
