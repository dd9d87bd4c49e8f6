"""Pruning: losses of trained networks of which only the most important nodes are kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.activations.load import load_activation
from regimes.engines.common.outputs import features, fetched, scores
from regimes.engines.common.points import part_of
from regimes.engines.sgd.batch_losses import cross_entropy
from regimes.probes.importance import ranked_nodes
from regimes.probes.runs import described, gathered, one_by_one

LONG_NAMES = {
    f"pruned_{part}_{what}": f"{text} on the {whole} points of the pruned network"
    for part, whole in (("train", "training"), ("test", "test"))
    for what, text in (
        ("loss", "mean square of the residuals, or mean cross-entropy,"),
        ("accuracy", "accuracy"),
    )
}
# Number of points whose hidden values are in memory at once.
POINTS_AT_ONCE = 1000


def probe(
    runs: xr.Dataset,
    data: Sequence[xr.Dataset],
    settings: Mapping[str, Any],
    block: Mapping[str, Any],
    device: str,
    progress: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Losses (and accuracies, of several outputs) over `kept`, the share of nodes that are kept.

    This is the pruning of Section 6.2 of Caron et al. (2023). runs: those of a job, with
    `final_weights`, `output_weights` and `node_scale`. data: the data set of the runs, as the only
    one. settings: those of the probe, `kept` and `importance`. block: settings of the job.
    """
    kept = np.array(settings["kept"])
    measured = {}
    for place, run in one_by_one(runs):
        order = ranked_nodes(run, settings["importance"], block)
        counts = np.maximum(1, np.rint(kept * len(order)).astype(int))
        measured[tuple(place.values())] = _pruned(run, data[0], order, counts, block, device)
        progress(f"pruned {described(place)}")
    return gathered(
        runs,
        measured,
        lambda name: ("kept",),
        LONG_NAMES,
        {"kept": ("kept", kept, {"long_name": "share of the nodes that are kept", "units": "1"})},
    )


def _pruned(
    run: xr.Dataset,
    data: xr.Dataset,
    order: np.ndarray,
    counts: np.ndarray,
    block: Mapping[str, Any],
    device: str,
) -> dict[str, np.ndarray]:
    """Scores of the networks that keep the first `counts` nodes of the order, (counts,) by name."""
    weights = run["final_weights"].transpose("node", "feature").values
    dtype = torch.float64 if weights.dtype == np.float64 else torch.float32
    signs = run["output_weights"].transpose("output", "node").values
    output = signs * np.sqrt(run["node_scale"].values)
    activation = load_activation(block["activation"], block.get("activation_expression"))

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=dtype, device=device)

    hidden, output = tensor(weights[order]), tensor(output[:, order])
    diverged = not bool(torch.isfinite(hidden).all())
    results: dict[str, np.ndarray] = {}
    for part, n_points in (("train", block.get("n_train")), ("test", None)):
        inputs, targets = part_of(data, part, n_points)
        if not len(inputs):
            continue
        if len(signs) > 1 and targets.shape[1] == 1:
            # Minibatch descent has an output for each class, also where the data give labels.
            targets = np.eye(len(signs))[targets[:, 0].astype(int)]
        scaled, wanted = tensor(inputs / inputs.shape[1] ** 0.5), tensor(targets.T)
        sums = torch.zeros(len(counts), *wanted.shape, dtype=dtype, device=device)
        for start in range(0, len(scaled), POINTS_AT_ONCE):
            points = slice(start, start + POINTS_AT_ONCE)
            values = features(hidden, scaled[points], activation)
            total, begin = torch.zeros_like(sums[0, :, points]), 0
            # Counts in ascending order share their sums, so that each node is summed once.
            for index in np.argsort(counts, kind="stable"):
                end = int(counts[index])
                total = total + output[:, begin:end] @ values[begin:end]
                sums[index, :, points] = total
                begin = end
        for index in range(len(counts)):
            (scored,) = fetched([scores(sums[index], wanted, part)])
            if block["loss"] == "cross_entropy":
                losses = cross_entropy(sums[index], wanted.argmax(0))
                scored[f"{part}_loss"] = float(losses.mean())
            for name, value in scored.items():
                if f"pruned_{name}" not in results:
                    results[f"pruned_{name}"] = np.full(len(counts), np.nan)
                results[f"pruned_{name}"][index] = np.nan if diverged else value
    return results
