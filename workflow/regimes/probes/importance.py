"""Which hidden nodes of a trained network matter most."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from regimes.engines.common.streams import stream


def ranked_nodes(run: xr.Dataset, importance: str, block: Mapping[str, Any]) -> np.ndarray:
    """Indices (m,) of the nodes of one run, the most important one first.

    importance: node_scale_and_weights, lambda_j |w_j|^2 (Section 6.2 of Caron et al., 2023), or
    node_scale, lambda_j. Ties, of which there are many with the latter, are broken at random, by a
    stream of the run's own.
    """
    values = run["node_scale"].values
    if importance == "node_scale_and_weights":
        weights = run["final_weights"].transpose("node", "feature").values.astype(np.float64)
        values = values * np.sum(weights**2, axis=1)
    key = (block["experiment"], block["dataset"], int(run["width"]), int(run["seed"]))
    shuffled = stream(block["root_seed"], *key, "ties").permutation(len(values))
    return shuffled[np.argsort(-values[shuffled], kind="stable")]
