"""Experiments on minibatches in the configuration and in the plan."""

from pathlib import Path

import pytest

from regimes.config.load import load
from regimes.errors import ConfigError
from regimes.plan.plan import Plan
from regimes.plan.provenance import import_closure
from regimes.plan.settings import training_modules

CONFIG = Path(__file__).resolve().parents[3] / "config.yaml"
SCALINGS = {
    "gamma_1": {"gamma": 1.0},
    "gamma_05": {"gamma": 0.5, "alpha": 0.7},
    "gamma_0": {"gamma": 0, "alpha": 0.4},
}


def overrides(**changes: object) -> dict:
    experiment = {
        "engine": "sgd.node_scaled",
        "paper": "luo2021",
        "dataset": "digits",
        "node_scalings": SCALINGS,
        "learning_rate": 5.0,
        "batch_size": 64,
        "epochs": 100,
        "axes": {"width": [20], "seed": [0, 1]},
        "measure": "luo2021.growth",
    }
    digits = {"kind": "mnist", "n_train": 50, "targets": "one_hot"}
    return {"datasets": {"digits": digits}, "experiments": {"steps": experiment | changes}}


def planned(**changes: object) -> list:
    return Plan.from_config(load(CONFIG, overrides(**changes))).jobs_of("steps")


def test_a_block_knows_its_own_node_scalings_alone() -> None:
    blocks = planned()
    names = [block.settings["axes"]["node_scaling"] for block in blocks]
    assert names == [[name] for name in SCALINGS]
    assert [list(block.settings["node_scalings"]) for block in blocks] == names
    assert blocks[0].name.startswith("steps/node_scaling=gamma_1-")
    assert blocks[0].settings["node_scalings"] == {"gamma_1": {"gamma": 1.0}}
    assert blocks[0].settings["precision"] == "float32"
    assert blocks[0].settings["record"] == {"moved": 10, "every": 1}
    # Others may come and go, and change.
    before = {block.path for block in blocks}
    other = SCALINGS | {"gamma_0": {"gamma": 0, "alpha": 0.5}, "more": {"gamma": 0.1, "alpha": 0.5}}
    after = {block.path for block in planned(node_scalings=other)}
    assert len(after) == 4 and len(after & before) == 2
    fewer = planned(axes={"width": [20], "seed": [0, 1], "node_scaling": ["gamma_0"]})
    assert {block.path for block in fewer} < before
    whole = planned(split_by=["seed"])
    assert [block.settings["node_scalings"].keys() for block in whole] == [SCALINGS.keys()] * 2


def test_training_imports_what_it_needs() -> None:
    settings = planned()[0].settings
    modules = training_modules(settings)
    closure = import_closure(modules.values())
    own = ("engines.sgd.network", "engines.sgd.models.node_scaled", "activations.relu")
    assert {f"regimes.{name}" for name in own} <= set(closure)
    assert not any(name.startswith(("regimes.config", "regimes.papers")) for name in closure)


SCALING_KEY = "experiments.steps.node_scalings.bad"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"node_scalings": {"bad": {"gamma": 1.5}}}, f"{SCALING_KEY}.gamma = 1.5"),
        ({"node_scalings": {"bad": {"gamma": -1}}}, f"{SCALING_KEY}.gamma = -1"),
        (
            {"node_scalings": {"bad": {"gamma": 0.5, "alpha": 1.0}}},
            f"{SCALING_KEY}.alpha = 1.0",
        ),
        (
            {"node_scalings": {"bad": {"gamma": 0.5}}},
            f"{SCALING_KEY}: alpha is missing: it is needed for gamma = 0.5",
        ),
        ({"node_scalings": {"bad": {"alpha": 0.5}}}, f"key {SCALING_KEY}.gamma is missing"),
        ({"node_scalings": {}}, "experiments.steps.node_scalings"),
        ({"axes": {"seed": [0]}}, "key experiments.steps.axes.width is missing"),
        (
            {"axes": {"width": [20], "seed": [0], "node_scaling": ["other"]}},
            "axes.node_scaling: 'other' is no node scaling; allowed: gamma_1, gamma_05, gamma_0",
        ),
        (
            {"axes": {"width": [20], "seed": [0], "node_scaling": ["gamma_1", "gamma_1"]}},
            "axes.node_scaling: 'gamma_1' is there twice",
        ),
        (
            {"axes": {"width": [20, 30], "seed": [0]}},
            "several widths need width in split_by",
        ),
        ({"record": {"moved": 21}}, "record.moved: 21 is more than the 20 nodes of axes.width"),
        ({"record": {"every_epochs": 2}}, "record.every_epochs; did you mean 'every'?"),
        ({"epochs": 500_000}, "record.every: 1 would record 500000 epochs"),
        ({"split_by": ["epochs"]}, "allowed: node_scaling, width, seed"),
        ({"loss": "half_sum"}, "allowed: cross_entropy, mean_square"),
        ({"skip_first": True, "axes": {"width": [1], "seed": [0]}}, "axes.width: 1 node is none"),
        ({"batch_size": 0}, "experiments.steps.batch_size = 0"),
        ({"momentum": 0.9}, "unknown key experiments.steps.momentum"),
        (
            {"dataset": "sphere"},
            "has draws, which engine: sgd.node_scaled does not use",
        ),
    ],
)
def test_errors_of_the_configuration(changes: dict, words: str) -> None:
    raw = overrides()
    raw["datasets"]["sphere"] = {"kind": "unit_sphere", "n_points": 5, "n_features": 3, "draws": 2}
    raw["experiments"]["steps"] |= changes
    with pytest.raises(ConfigError) as error:
        load(CONFIG, raw)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_several_widths_are_blocks_of_their_own() -> None:
    blocks = planned(axes={"width": [20, 30], "seed": [0]}, split_by=["width", "node_scaling"])
    assert [block.settings["axes"]["width"] for block in blocks] == [[20]] * 3 + [[30]] * 3
