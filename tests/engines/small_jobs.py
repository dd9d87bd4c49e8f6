"""Small jobs of every engine that trains, each with limits at which it is cut short."""

from dataclasses import replace
from typing import Any

import isometry_blocks
import node_scaled_blocks
import xarray as xr
from class_points import class_points
from resumed_jobs import ResumedJob

from regimes.datasets import points, unit_sphere, xor_with_noise


def classes() -> xr.Dataset:
    return class_points().assign_attrs(data_hash="classes")


def node_scaled(n_outputs: int = 1, **changes: Any) -> ResumedJob:
    block = node_scaled_blocks.block(**changes)
    data = node_scaled_blocks.made_up_data(n_outputs=n_outputs)
    # The first is recorded whatever the cap (every 20 steps), the second only as the end.
    return ResumedJob(block, data, (60, 75), 170)


def multistep_nodes() -> ResumedJob:
    multistep = {"enabled": True, "tolerance": 0.1}
    record = node_scaled_blocks.block()["record"] | {"every": 100}
    kind = node_scaled(learning_rate=0.1, multistep=multistep, record=record)
    return replace(kind, caps=(1000, 1310), cap=4000)


def function_space(multisteps: bool, **changes: Any) -> ResumedJob:
    block = {
        "experiment": "features",
        "root_seed": 1,
        "engine": "function_space",
        "dataset": "xor",
        "models": {"ours": {"embedding": "random_features", "depth": 3, "scaling": "ours"}},
        "activation": "relu",
        "learning_rate": 1.0,
        "max_steps": 100,
        "multistep": {"enabled": multisteps, "tolerance": 0.01},
        "record": {"points_per_decade": 4, "every": 0, "feature_map_neurons": 3},
        "precision": "float64",
        "axes": {"model": ["ours"], "width": [20], "n_train": [10], "seed": [0, 1]},
    }
    settings = {"n_train": 10, "n_test": 5, "n_features": 6, "seed": 0, "draws": 2}
    data = xor_with_noise.build(settings).assign_attrs(data_hash="xor")
    caps, cap = ((1000, 1500), 4000) if multisteps else ((100, 150), 400)
    return ResumedJob(block | changes, data, caps, cap)


def minibatches(**changes: Any) -> ResumedJob:
    block = {
        "experiment": "minibatches",
        "root_seed": 1,
        "engine": "sgd.node_scaled",
        "dataset": "classes",
        "node_scalings": {"gamma_1": {"gamma": 1.0}},
        "skip_first": False,
        "initial_variance": 2.0,
        "activation": "relu",
        "loss": "cross_entropy",
        "learning_rate": 2.0,
        "batch_size": 16,
        "epochs": 4,
        "record": {"moved": 3, "every": 2},
        "precision": "float32",
        "axes": {"node_scaling": ["gamma_1"], "width": [30], "seed": [0, 1]},
    }
    return ResumedJob(block | changes, classes(), (4, 5), 9)


def stochastic(**changes: Any) -> ResumedJob:
    block = {
        "experiment": "stochastic",
        "root_seed": 1,
        "engine": "sgd",
        "dataset": "classes",
        "parameterisation": "normalised",
        "loss": "cross_entropy",
        "learning_rate": 0.1,
        "batch_size": 16,
        "epochs": 4,
        "record": {"every": 2, "kernel": "ends", "sharpness": "steps"},
        "axes": {"gamma_prime": [0.0], "gamma": [0.5, 1.0], "width": [20], "seed": [0, 1]},
    }
    return ResumedJob(block | changes, classes(), (4, 5), 9)


def students(**changes: Any) -> ResumedJob:
    block = {
        "experiment": "students",
        "root_seed": 1,
        "engine": "sgd.teacher_student",
        "dataset": "classes",
        "activation": "gelu",
        "learning_rate": 0.1,
        "batch_size": 16,
        "epochs": 4,
        "record": {"every": 2},
        "precision": "float32",
        "axes": {
            "loss": ["mean_square", "log_likelihood"],
            "omega_2": [0.1, 1.0],
            "width": [20],
            "seed": [0, 1],
        },
    }
    return ResumedJob(block | changes, classes(), (4, 5), 9)


def full_batch(**changes: Any) -> ResumedJob:
    block = {
        "experiment": "spheres",
        "dataset": "sphere",
        "root_seed": 7,
        "engine": "gradient_descent",
        "parameterisation": "unscaled",
        "activation": "relu",
        "loss": "half_sum",
        "layers": "both",
        "learning_rate": 0.02,
        "learning_rate_exceptions": [],
        "rate_unit": "one",
        "output_weights": "rademacher",
        "target_scale": "sqrt_width",
        "labels": "random",
        "stopping": {"residual_norm": 0.1, "abort_on_increase": False, "max_steps": 64},
        "record": {
            "points_per_decade": 2,
            "activation_changes": True,
            "kernel": "steps",
            "invariant": True,
        },
        "precision": "float64",
        "axes": {"width": [20, 30], "n_train": [8, 12], "rate_ratio": [0.1], "seed": [0, 1, 2]},
    }
    data = unit_sphere.build({"draws": 3, "n_points": 15, "n_features": 10, "seed": 5})
    data = data.assign_attrs(data_hash="sphere")
    return ResumedJob(block | changes, data, (FIRST_CAP, 90), 400)


def linearised(**changes: Any) -> ResumedJob:
    block = isometry_blocks.block_of(
        "gradient_descent.linearised",
        axes={"n_features": [4], "n_train": [5, 8], "width": [16], "seed": [0, 1]},
    )
    # Of the first limit the last step is recorded, of the second it is not; some runs end before.
    return ResumedJob(block | changes, isometry_blocks.data_of(), (100, 555), 4000)


def flow(**changes: Any) -> ResumedJob:
    block = {
        "experiment": "flows",
        "dataset": "four_point",
        "root_seed": 7,
        "engine": "gradient_flow",
        # A batch for each width; checkpoints are between them.
        "axes": {
            "gamma_prime": [0.5],
            "gamma": [1.4],
            "width": list(range(10, 26, 2)),
            "seed": [0],
        },
        "solver": {"max_steps": 20},
        "history_points": 8,
    }
    data = points.build(
        {"inputs": [[-1.0], [0.5], [1.5]], "targets": [1.0, -1.0, 0.5], "bias": True}
    )
    return ResumedJob(block | changes, data.assign_attrs(data_hash="points"), (23, 25), 5000)


FIRST_CAP = 64
KINDS = {
    "node_scaled": node_scaled,
    "node_scaled, multisteps": multistep_nodes,
    "node_scaled, three outputs": lambda: node_scaled(n_outputs=3),
    "node_scaled, diverging": lambda: node_scaled(learning_rate=1000.0),
    "function_space": lambda: function_space(multisteps=False),
    "function_space, multisteps": lambda: function_space(multisteps=True),
    "function_space, diverging": lambda: function_space(
        multisteps=False, learning_rate=1e5, activation="leaky_relu"
    ),
    "minibatches": minibatches,
    "minibatches, diverging": lambda: minibatches(loss="mean_square", learning_rate=1e3),
    "stochastic": stochastic,
    "students": students,
    "linearised": linearised,
    "full_batch": full_batch,
    "gradient_flow": flow,
    "full_batch, diverging": lambda: full_batch(learning_rate=0.3),
}
