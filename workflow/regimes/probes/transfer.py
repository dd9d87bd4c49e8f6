"""Transfer: an external network, trained on the hidden values of a trained one.

It is g(u) = H^(-1/2) sum_h v_h relu(r_h . u / k^(1/2)) of the values u (k,) of the k most important
nodes, with H neurons, all weights standard normal at the start and both layers trained by gradient
descent on the mean square (Section 6.2 of Caron et al., 2023; the parameterisation is that of
their networks at gamma = 1, with which a learning rate of 1 makes sense). The authors' code has two
hidden layers: `regimes.probes.deep`.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from regimes.activations import relu
from regimes.activations.load import load_activation
from regimes.engines.common.losses import gradient_factor
from regimes.engines.common.outputs import features, fetched, outputs, scores
from regimes.engines.common.points import part_of
from regimes.engines.common.streams import stream
from regimes.engines.function_space.descent import descend
from regimes.engines.function_space.weight_space import WeightSpaceNetwork
from regimes.errors import DataError
from regimes.probes.deep import DeepNetwork
from regimes.probes.importance import ranked_nodes
from regimes.probes.runs import described, gathered, one_by_one

LONG_NAMES = {
    f"transfer_{part}_{what}": f"{text} of the external network on the {whole} points"
    for part, whole in (("train", "held-out training"), ("test", "held-out test"))
    for what, text in (("loss", "mean square of the residuals"), ("accuracy", "accuracy"))
} | {
    "transfer_diverged": "1 if the residuals of the external network became infinite",
    "transfer_steps": "number of steps of the external network",
    "transfer_n_train": "number of training points of the external network",
}
# Whatever the number of features.
SIZES = ("transfer_steps", "transfer_n_train")
DIMENSION = "n_transfer_features"


def probe(
    runs: xr.Dataset,
    data: Sequence[xr.Dataset],
    settings: Mapping[str, Any],
    block: Mapping[str, Any],
    device: str,
    progress: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Losses (and accuracies, of several outputs) over the number of features.

    runs: those of a block, with `final_weights` and `node_scale`. data: that of the runs, and
    another if the settings name one, see `_points`. settings: of the probe: `n_features`,
    `hidden_layers`, `hidden_width`, `learning_rate`, `max_steps`, `train_share`, `feature_scale`,
    `importance`. block: of the runs. Raises DataError for too few points, or points of another
    dimension than those of the runs.
    """
    inputs, targets, n_train = _points(data, settings["train_share"])
    if not 0 < n_train < len(inputs):
        raise DataError(
            f"probes.transfer of {block['experiment']} has {len(inputs)} points, too few to train "
            "and to test on: a data set with validation points, or probes.transfer.dataset"
        )
    if inputs.shape[1] != runs.sizes["feature"]:
        raise DataError(
            f"probes.transfer.dataset = {settings['dataset']!r} of {block['experiment']} has "
            f"{inputs.shape[1]} features, {block['dataset']} has {runs.sizes['feature']}"
        )
    measured = {}
    for place, run in one_by_one(runs):
        values = _hidden_values(run, inputs, settings, block, device)
        progress(f"computed the hidden values of {described(place)}")
        results: dict[str, list[float]] = {}
        for count in settings["n_features"]:
            key = (block["experiment"], block["dataset"], int(run["width"]), int(run["seed"]))
            random = stream(block["root_seed"], *key, "transfer", count)
            scored = train_on(values[:, :count], targets, n_train, settings, random, device=device)
            for name, value in scored.items():
                results.setdefault(name, []).append(value)
        measured[tuple(place.values())] = {
            name: np.array(values) for name, values in results.items()
        } | {
            "transfer_steps": np.array(settings["max_steps"]),
            "transfer_n_train": np.array(n_train),
        }
        progress(f"trained the external networks of {described(place)}")
    attributes = {"long_name": "number of features, the most important ones", "units": "1"}
    dataset = gathered(
        runs,
        measured,
        lambda name: () if name in SIZES else (DIMENSION,),
        LONG_NAMES,
        {DIMENSION: (DIMENSION, np.array(settings["n_features"]), attributes)},
    )
    dataset["transfer_diverged"] = dataset["transfer_diverged"].astype(np.int8, keep_attrs=True)
    return dataset


def _points(data: Sequence[xr.Dataset], train_share: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Inputs and targets for the external network, and how many of them, the first ones, train it.

    Without another data set they are the validation points of the runs' data set, cut in two by the
    share. With another one they are its training points, and its test points are the others; if it
    has none, its training points are cut in two as well.
    """
    if len(data) == 1:
        inputs, targets = part_of(data[0], "validation")
    else:
        inputs, targets = part_of(data[1], "train")
        test_inputs, test_targets = part_of(data[1], "test")
        if len(test_inputs):
            both = (inputs, test_inputs), (targets, test_targets)
            return np.concatenate(both[0]), np.concatenate(both[1]), len(inputs)
    return inputs, targets, int(np.rint(train_share * len(inputs)))


def train_on(
    values: np.ndarray,
    targets: np.ndarray,
    n_train: int,
    settings: Mapping[str, Any],
    random: np.random.Generator,
    *,
    device: str = "cpu",
) -> dict[str, float]:
    """Train an external network on values (n, k) and targets (n, outputs); its scores, by name.

    The first n_train points are for training. NaN where it diverged, as it does at once on values
    of a run that has diverged.
    """
    width, n_features = settings["hidden_width"], values.shape[1]

    def tensor(array: np.ndarray) -> Tensor:
        return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, device=device)

    sizes = [n_features, *[width] * settings["hidden_layers"], targets.shape[1]]
    weights = [
        tensor(random.standard_normal((after, before)))
        for before, after in itertools.pairwise(sizes)
    ]
    train, test = tensor(targets[:n_train].T), tensor(targets[n_train:].T)
    rate = settings["learning_rate"] * gradient_factor("mean_square", *train.shape)
    external = _shallow if settings["hidden_layers"] == 1 else _deep
    network, predict = external(values[:n_train], weights, train, rate)
    end = np.array([settings["max_steps"]])
    descent = descend(network, end, lambda network: {})
    predicted = predict(tensor(values[n_train:]))
    of_parts = scores(network.outputs, train, "train") | scores(predicted, test, "test")
    (scored,) = fetched([of_parts])
    if descent.diverged:
        scored = dict.fromkeys(scored, np.nan)
    scored = {f"transfer_{name}": value for name, value in scored.items()}
    return scored | {"transfer_diverged": float(descent.diverged)}


External = tuple[WeightSpaceNetwork | DeepNetwork, Callable[[Tensor], Tensor]]


def _shallow(values: np.ndarray, weights: list[Tensor], targets: Tensor, rate: float) -> External:
    """A network with one hidden layer at its start, and its prediction at values (n, k)."""
    hidden, output = weights
    root = values.shape[1] ** 0.5
    scale = len(hidden) ** -0.5
    network = WeightSpaceNetwork(
        values / root,
        hidden,
        output,
        targets,
        relu,
        rates=(rate, rate),
        trained="both",
        output_scale=scale,
    )

    def predict(others: Tensor) -> Tensor:
        return scale * outputs(network.hidden(), network.output(), others / root, relu)

    return network, predict


def _deep(values: np.ndarray, weights: list[Tensor], targets: Tensor, rate: float) -> External:
    """A network with several hidden layers at its start, and its prediction at values (n, k)."""
    inputs = torch.tensor(values, dtype=targets.dtype, device=targets.device)
    network = DeepNetwork(inputs, weights, targets, torch.relu, rate=rate)

    def predict(others: Tensor) -> Tensor:
        with torch.no_grad():
            return network.predict(others)

    return network, predict


def _hidden_values(
    run: xr.Dataset,
    inputs: np.ndarray,
    settings: Mapping[str, Any],
    block: Mapping[str, Any],
    device: str,
) -> np.ndarray:
    """Values of the nodes at the points (n, m), the most important node first."""
    order = ranked_nodes(run, settings["importance"], block)[: max(settings["n_features"])]
    weights = run["final_weights"].transpose("node", "feature").values[order]
    hidden = torch.tensor(weights, dtype=torch.float64, device=device)
    points = torch.tensor(inputs / inputs.shape[1] ** 0.5, dtype=torch.float64, device=device)
    activation = load_activation(block["activation"], block.get("activation_expression"))
    values = features(hidden, points, activation).mT.cpu().numpy()
    if settings["feature_scale"] == "root_node_scale":
        values = values * np.sqrt(run["node_scale"].values[order])
    return values
