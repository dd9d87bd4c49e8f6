"""Small blocks of networks with scaled nodes, and plain loops of autograd beside them."""

from typing import Any

import numpy as np
import torch
import xarray as xr

from regimes.engines.common.streams import stream
from regimes.parameterisations.node_scaling import node_scales
from regimes.storage.layout import assemble

NODE_SCALINGS = {
    "symmetrical": {"gamma": 1.0},
    "mixed": {"gamma": 0.5, "alpha": 0.6},
    "zipf": {"gamma": 0.0, "alpha": 0.4},
}


def made_up_data(
    n_features: int = 4, n_outputs: int = 1, n_train: int = 12, n_others: int = 8
) -> xr.Dataset:
    """Training, test and validation points; targets 0 or 1 if there are several outputs."""
    rng = np.random.default_rng(3)
    n_points = n_train + 2 * n_others
    split = np.repeat([0, 1, 2], [n_train, n_others, n_others])
    if n_outputs == 1:
        targets = rng.standard_normal(n_points)
    else:
        targets = np.eye(n_outputs)[rng.integers(0, n_outputs, n_points)]
    return assemble(
        rng.standard_normal((n_points, n_features)),
        targets,
        split,
        licence="none",
        citation="made up",
        preprocessing="none",
    ).assign_attrs(data_hash="made up")


def block(**changes: Any) -> dict[str, Any]:
    """Settings of a block, as in the plan."""
    settings: dict[str, Any] = {
        "experiment": "small",
        "dataset": "made_up",
        "root_seed": 5,
        "engine": "function_space.node_scaled",
        "node_scalings": NODE_SCALINGS,
        "skip_first": False,
        "initial_variance": 1.0,
        "activation": "relu",
        "loss": "mean_square",
        "learning_rate": 1.0,
        "max_steps": 60,
        "multistep": {"enabled": False, "tolerance": 0.01},
        "record": {
            "points_per_decade": 4,
            "every": 20,
            "moved": 3,
            "ntg": True,
            "ntg_points": 0,
        },
        "precision": "float64",
        "axes": {"node_scaling": list(NODE_SCALINGS), "width": [20], "seed": [0, 1]},
    }
    return settings | changes


def initial(settings: dict[str, Any], setting: str, width: int, seed: int, d: int, k: int) -> tuple:
    """Weights (m, d), signs (k, m) and scales (m,) at the start."""
    key = (settings["root_seed"], settings["experiment"], settings["dataset"], width, seed)
    weights = stream(*key, "weights").standard_normal((width, d))
    weights *= settings["initial_variance"] ** 0.5
    signs = 2.0 * stream(*key, "signs").integers(0, 2, (k, width)) - 1
    scaling = settings["node_scalings"][setting]
    scales = node_scales(
        width, scaling["gamma"], scaling.get("alpha"), skip_first=settings["skip_first"]
    )
    return weights, signs, scales


def by_autograd(
    settings: dict[str, Any], data: xr.Dataset, setting: str, width: int, seed: int
) -> dict[str, np.ndarray]:
    """(2) of the paper as it stands, trained by a loop of autograd: risks, weights, way."""
    train = data.isel(point=data["split"].values == 0)
    inputs = torch.tensor(train["inputs"].values)
    targets = torch.tensor(np.atleast_2d(train["targets"].values.T))
    d, k = inputs.shape[1], len(targets)
    weights, signs, scales = initial(settings, setting, width, seed, d, k)
    parameters = torch.tensor(weights, requires_grad=True)
    act = {"relu": torch.relu, "tanh": torch.tanh}[settings["activation"]]
    output = torch.tensor(np.sqrt(scales) * signs)
    risks = []
    for _ in range(settings["max_steps"] + 1):
        errors = output @ act(parameters @ inputs.T / d**0.5) - targets
        risks.append(float(errors.detach().square().mean()))
        half_sum = settings["loss"] == "half_sum"
        loss = errors.square().sum() / 2 if half_sum else errors.square().mean()
        last = parameters.detach().clone()
        (gradient,) = torch.autograd.grad(loss, parameters)
        parameters = (parameters - settings["learning_rate"] * gradient).detach().requires_grad_()
    way = np.linalg.norm(last.numpy() - weights, axis=1)
    return {"risk": np.array(risks), "weights": last.numpy(), "way": way}
