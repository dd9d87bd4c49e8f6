"""The tables of benchmarks in docs/benchmarks.md, and the file that they are made from."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parent / "benchmarks"
PAPERS = {"luo2021", "razborov2022", "chen2022", "caron2023", "song2021"}


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """gathered and write_tables, which are found beside the benchmarks alone."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("gathered", "roofline", "write_tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("gathered"), importlib.import_module("write_tables")


def test_pages_agree_with_results(modules):
    _, table = modules
    assert table.main(["--check"]) == 0, "run python tests/benchmarks/write_tables.py"


def test_every_paper_is_compared_with_a_plain_loop(modules):
    gathered, _ = modules
    results = json.loads((BENCHMARKS / "results.json").read_text("utf-8"))
    compared = {
        group["paper"]
        for group in results["comparisons"].values()
        if {gathered.PACKAGE, gathered.PYTORCH} <= {row["role"] for row in group["methods"]}
    }
    assert compared == PAPERS
    assert {"width m", "points n", "runs at once"} <= {
        curve["over"] for curve in results["growth"].values()
    }
    assert results["overhead"]


def test_new_results_replace_those_of_the_same_name_alone(modules, tmp_path):
    gathered, table = modules
    path = tmp_path / "results.json"
    seconds = gathered.Seconds(2.0, 3.0)
    machine = gathered.Machine({torch.float64: 1e9, torch.float32: 2e9}, 3e9, 1e6)

    def compare(problem: str, factor: float) -> None:
        rows = [
            gathered.Measured("here", seconds, gathered.PACKAGE, work=gathered.Work(5e8, 0.0, 0.0)),
            gathered.Measured("loop", seconds * factor, gathered.PYTORCH, "wrong, and more"),
        ]
        gathered.Gathered(path, lambda: machine).compare("chen2022", problem, rows)

    compare("first", 2.0)
    compare("second", 3.0)
    compare("first", 4.0)
    results = json.loads(path.read_text("utf-8"))
    ratios = {
        name: [row["ratio"] for row in group["methods"]]
        for name, group in results["comparisons"].items()
    }
    assert ratios == {"chen2022: first": [1.0, 4.0], "chen2022: second": [1.0, 3.0]}
    assert "| first | 2 s | 25 % | 4 x (wrong) |  |  |  |" in table.summary(results)
    assert "1 Gflop/s in float64, 2 in float32, 3 GB/s." in table.summary(results)
    assert "| here | 2 s | 3 s | 1 | 25 % |  |" in gathered.tables(results)
    assert "| loop | 8 s | 12 s | 4 |  | wrong, and more |" in gathered.tables(results)
    with pytest.raises(ValueError, match="in the text"):
        table.replaced("no marks", "summary", "block")


def test_power_of_a_power_law(modules):
    gathered, _ = modules
    assert gathered.power([1, 2, 4, 8], [3.0, 3 * 2**1.5, 24.0, 3 * 8**1.5]) == pytest.approx(1.5)
