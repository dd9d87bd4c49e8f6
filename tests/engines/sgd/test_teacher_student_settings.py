"""Students of a teacher in the configuration and in the plan."""

from pathlib import Path

import pytest

from regimes.config.load import load, merge
from regimes.errors import ConfigError
from regimes.plan.plan import Plan
from regimes.plan.provenance import import_closure
from regimes.plan.settings import training_modules

CONFIG = Path(__file__).resolve().parents[3] / "config.yaml"
NAME = "song2021_mnist"
KEY = f"experiments.{NAME}"


def overrides(**changes: object) -> dict:
    return {"experiments": {NAME: changes}}


def planned(scale: str = "laptop", **changes: object) -> list:
    config = load(CONFIG, {"scale": scale} | overrides(**changes))
    return Plan.from_config(config).jobs_of(NAME)


def test_the_grid_is_the_papers() -> None:
    blocks = planned()
    axes = [block.settings["axes"] for block in blocks]
    assert [(one["loss"], one["seed"]) for one in axes] == [
        ([loss], [seed]) for loss in ("mean_square", "log_likelihood") for seed in (0, 1, 2)
    ]
    assert all(one["width"] == [1000] and len(one["omega_2"]) == 10 for one in axes)
    assert (axes[0]["omega_2"][0], axes[0]["omega_2"][-1]) == (0.002, 0.07822)
    assert blocks[0].name.startswith("song2021_mnist/loss=mean_square_seed=0-")
    settings = blocks[0].settings
    # He's product, of the sizes, is not a number of the config.
    assert "product" not in settings and settings["precision"] == "float32"
    assert settings["learning_rate"] == 0.01 and settings["batch_size"] == 128
    paper = planned("paper")
    assert [block.settings["epochs"] for block in paper] == [300, 300]
    assert paper[0].settings["axes"]["seed"] == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_loss_or_a_seed_more_leaves_the_other_blocks() -> None:
    before = {block.path for block in planned()}
    more = {block.path for block in planned(axes={"seed": [0, 1, 2, 3]})}
    assert before < more and len(more - before) == 2
    assert {block.path for block in planned(axes={"loss": ["mean_square"]})} < before
    assert not before & {block.path for block in planned(product=0.003)}
    assert not before & {block.path for block in planned(epochs=99)}


def test_training_imports_what_it_needs() -> None:
    closure = import_closure(training_modules(planned()[0].settings).values())
    assert {"regimes.engines.sgd.models.teacher_student", "regimes.activations.gelu"} <= set(
        closure
    )
    assert "regimes.engines.sgd.models.node_scaled" not in closure
    assert not any(name.startswith(("regimes.config", "regimes.papers")) for name in closure)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes": {"loss": ["cross_entropy"]}}, "allowed: mean_square, log_likelihood"),
        ({"axes": {"loss": ["mean_square", "mean_square"]}}, "axes.loss names a loss twice"),
        ({"axes": {"loss": []}}, f"{KEY}.axes.loss"),
        ({"axes": {"omega_2": [0.1, 0]}}, "0 is not greater than 0"),
        ({"axes": {"omega_1": [1]}}, f"unknown key {KEY}.axes.omega_1"),
        ({"axes": {"width": [0]}}, "is not a whole number of at least 1"),
        ({"product": 0}, f"{KEY}.product = 0"),
        ({"split_by": ["node_scaling"]}, "allowed: loss, omega_2, width, seed"),
        ({"split_by": ["seed", "seed"]}, "split_by names an axis twice"),
        ({"record": {"moved": 3}}, f"unknown key {KEY}.record.moved"),
        (
            {"epochs": 500_000, "record": {"every": 1}},
            "record.every: 1 would record 500000 epochs",
        ),
        ({"epochs": 0}, f"{KEY}.epochs = 0"),
        ({"dataset": "unit_sphere"}, "engine: sgd.teacher_student does not use"),
    ],
)
def test_errors_of_the_experiment(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(CONFIG, overrides(**changes))
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": "nowhere"}, "datasets.new.images = 'nowhere' is no data set of kind mnist"),
        ({"images": "concrete"}, "mnist_normalised"),
        ({"activation": "tanh"}, "datasets.new.activation = 'tanh'; allowed: gelu, relu"),
        ({"max_epochs": 0}, "datasets.new.max_epochs = 0"),
        ({"epochs": 3}, "unknown key datasets.new.epochs; did you mean 'max_epochs'?"),
    ],
)
def test_errors_of_the_teacher(changes: dict, words: str) -> None:
    new = merge({"kind": "teacher_labels", "images": "mnist_normalised"}, {}, changes)
    with pytest.raises(ConfigError) as error:
        load(CONFIG, {"datasets": {"new": new}})
    assert words in str(error.value) and "\n" not in str(error.value)
