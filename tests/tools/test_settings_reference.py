"""The reference of all settings follows the models."""

from typing import get_args

from regimes.config.models import Config
from regimes.datasets.settings import DatasetSettings, MnistDataset
from regimes.engines.gradient_flow.settings import FlowSolver
from regimes.engines.registry import settings_classes
from regimes.tools.document import Key, keys_of, page


def test_a_key_has_its_type_default_and_meaning() -> None:
    keys = {one.key: one for one in keys_of(settings_classes()["gradient_flow"])}
    meaning = FlowSolver.model_fields["tolerance"].description
    assert keys["solver.tolerance"] == Key("solver.tolerance", "number > 0, < 1", "0.03", meaning)
    assert keys["axes.width"].type == "list of whole numbers or {start, stop, step}"
    assert keys["axes.width"].default is None
    assert keys["layers"].type == "`first`, `second`, `both`"
    assert keys["snapshots"][1:3] == ("list of numbers", "null")


def test_names_of_ones_own_have_the_keys_below_them() -> None:
    keys = [one.key for one in keys_of(settings_classes()["gradient_flow"])]
    assert "node_scalings.NAME.gamma" in keys
    (pixels,) = (one for one in keys_of(MnistDataset) if one.key == "pixels")
    assert pixels.type == "list of numbers or {mean, std}"


def test_every_key_has_a_type_and_a_meaning() -> None:
    models = [Config, *settings_classes().values(), *get_args(get_args(DatasetSettings)[0])]
    keys = [(model.__name__, one) for model in models for one in keys_of(model)]
    assert len(keys) > 200
    assert [(model, one.key) for model, one in keys if not (one.type and one.meaning)] == []


def test_the_page_has_every_engine_and_kind() -> None:
    text = page()
    for name in settings_classes():
        assert f"\n### {name}\n" in text
    for name in ("points", "file", "mnist", "sparse_parity"):
        assert f"\n### {name}\n" in text
    assert "- `root_seed`: whole number >= 0; default `2021`. " in text
    assert "- `caption`: text; needed. " in text
    assert "- `experiments`" not in text
