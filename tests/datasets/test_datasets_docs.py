"""docs/data.md names every kind, every key and its default, and its examples are valid."""

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from regimes.config.load import validate
from regimes.datasets.settings import DatasetSettings

PAGE = Path(__file__).resolve().parents[2] / "docs/data.md"
MODELS = {
    get_args(model.model_fields["kind"].annotation)[0]: model
    for model in get_args(get_args(DatasetSettings)[0])
}
# What the page says where the model's default is not a value.
SAID_OTHERWISE = {("uci", "target"): "heating_load"}


def section(kind: str) -> str:
    (text,) = re.findall(rf"^## `{kind}`\n(.*?)(?=^## |\Z)", PAGE.read_text(), flags=re.M | re.S)
    return text


@pytest.mark.parametrize("kind", MODELS)
def test_every_key_and_default_is_documented(kind: str) -> None:
    fields = {name: field for name, field in MODELS[kind].model_fields.items() if name != "kind"}
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \|$", section(kind), flags=re.M)
    documented = {name: default for name, default in rows if name in fields}
    assert set(documented) == set(fields)
    for name, field in fields.items():
        if field.is_required():
            assert documented[name] == "needed", name
            continue
        default = field.default
        if isinstance(default, tuple):
            default = list(default)
        default = SAID_OTHERWISE.get((kind, name), default)
        assert yaml.safe_load(documented[name].strip("`")) == default, name


@pytest.mark.parametrize("kind", MODELS)
def test_examples_are_valid(kind: str) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", section(kind), flags=re.S)
    assert examples
    for example in examples:
        datasets = yaml.safe_load(example)["datasets"]
        config = validate({"datasets": datasets})
        # Beside those of the kind, only what these are made from.
        sources = {getattr(config.datasets[name], "images", None) for name in datasets}
        made = {config.datasets[name].kind for name in datasets if name not in sources}
        assert made == {kind}
