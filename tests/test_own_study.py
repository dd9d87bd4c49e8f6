"""The notebook's functions in a study of one's own."""

from pathlib import Path

import numpy as np
import pytest

import regimes
from regimes.errors import ConfigError
from regimes.tools.new import make

ACTIVATIONS = """import math

import torch


def mine(z):
    return torch.tanh(z)


def mine_numbers(z):
    value = math.tanh(z)
    return value, 1 - value**2, -2 * value * (1 - value**2)
"""
SETTING = {"gamma": 1.0, "width": 20, "seed": 0, "progress": False}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "waves"
    make(folder)
    (folder / "activations.py").write_text(ACTIVATIONS)
    config = folder / "config.yaml"
    config.write_text(config.read_text() + '\nactivations: {mine: "activations.py:mine"}\n')
    return folder


def test_an_own_activation_trains_as_the_shipped_one(study: Path) -> None:
    mine, shipped = (
        regimes.simulate("waves_growth", directory=study, activation=name, **SETTING)
        for name in ("mine", "tanh")
    )
    np.testing.assert_allclose(
        mine["final_relative_distance_w"], shipped["final_relative_distance_w"], rtol=1e-6
    )
    assert '"activation_function": "activations.py:mine"' in mine.attrs["config"]


def test_an_edited_activation_is_what_is_trained_with(study: Path) -> None:
    def trained() -> float:
        run = regimes.simulate(
            "lab_descent",
            directory=study,
            activation="mine",
            dataset="waves_target",
            gamma_prime=0.0,
            learning_rate=0.2,
            **SETTING,
        )
        return float(run["initial_loss"])

    before = trained()
    file = study / "activations.py"
    # Descent needs no more than the function.
    file.write_text("import torch\n\n\ndef mine(z):\n    return torch.tanh(2 * z)\n")
    assert trained() != before


def test_a_study_is_found_by_its_config(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (study / "notebooks").mkdir()
    monkeypatch.chdir(study / "notebooks")
    assert regimes.describe("waves_growth").loc["measure", "value"] == "measures.py:growth"
    assert "waves_growth" in regimes.catalog().index
    # The settings of another program.
    (study / "config.yaml").write_text("samples: [a, b]\n")
    assert "waves_growth" not in regimes.catalog().index


def test_what_is_wrong_is_one_line(study: Path) -> None:
    (study / "activations.py").write_text("import math\n\nx = math.none\n" + ACTIVATIONS)
    with pytest.raises(ConfigError, match=r"^\S*activations.py, line 3: AttributeError: "):
        regimes.simulate("waves_growth", directory=study, activation="mine", **SETTING)
