"""What is run on a card, here on the pretend one, and what is counted there."""

from typing import Any

import numpy as np
import on_a_card
import pytest
import small_jobs
import torch
import write_counts
import xarray as xr
from agreement import largest_difference
from card_jobs import CARD_JOBS, NO_EPOCH, SELDOM, CardJob, Work
from pretend_cuda import pretend_cuda

from regimes.engines.registry import settings_classes


def space() -> CardJob:
    record = SELDOM | {"feature_map_neurons": 3}
    return CardJob(small_jobs.function_space(False, record=record), (11, 15), "n = 10")


def epochs() -> CardJob:
    return CardJob(small_jobs.minibatches(record=NO_EPOCH | {"moved": 3}), (2, 3), "n = 50", 4)


def test_every_engine_is_run() -> None:
    engines = {make().job.block["engine"] for make in CARD_JOBS.values()}
    assert engines == {name for name, one in settings_classes().items() if one.uses_gpu}


def test_without_a_gpu_it_says_so_and_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_a_card.main() == 2
    said = capsys.readouterr()
    assert said.err == "torch finds no GPU here: nothing was run\n" and not said.out


def test_a_table_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = {"function_space": space, "sgd.node_scaled, of classes": epochs}
    with pretend_cuda(name="A card"):
        assert on_a_card.main(jobs) == 0
        head, _, *table = capsys.readouterr().out.splitlines()
        assert head.startswith("A card, driver ") and torch.__version__ in head
        assert len(table) == 4 and {line.count("|") for line in table} == {10}
        assert table[3].startswith("| `sgd.node_scaled`, of classes | n = 50 | ")
        # Results that differ are told, and by which variable.
        apart = (1e-3, "risk")
        monkeypatch.setattr(on_a_card, "largest_difference", lambda *_: apart)
        assert on_a_card.main({"function_space": space}) == 1
        assert capsys.readouterr().out.endswith("| 0.001 | no: risk |\n")


@pytest.mark.parametrize(
    ("value", "difference"),
    [(2.0, 0.0), (2.5, 0.25), (np.nan, np.inf), (np.inf, np.inf)],
)
def test_differences_are_relative_to_the_largest_number(value: float, difference: float) -> None:
    one, two = (
        xr.Dataset({"loss": ("x", [last, -1.0, np.nan]), "n": ("x", [1, 2, 3])})
        for last in (2.0, value)
    )
    assert largest_difference(one, two)[0] == difference
    assert largest_difference(one, one.assign(n=("x", [1, 2, 4]))) == (np.inf, "n")


def test_bytes_and_operations_are_counted() -> None:
    a, b = torch.ones(20, 30), torch.ones(30, 40)
    spread, square = torch.ones(1, 30).expand(20, 30), torch.eye(6, dtype=torch.float64)

    def work(function: Any) -> tuple[int, int]:
        with Work() as counted:
            function()
        return counted.bytes, counted.flops

    assert work(lambda: a @ b) == (4 * (600 + 1200 + 800), 2 * 20 * 30 * 40)
    # A number that is spread is read once, and a view is nothing.
    assert work(lambda: a.mT + spread.mT) == (4 * (600 + 30 + 600), 0)
    assert work(lambda: torch.empty(100)) == (0, 0)
    assert work(lambda: torch.linalg.eigvalsh(square))[1] == 9 * 6**3


def test_the_estimate_adds_what_cannot_be_hidden() -> None:
    work = {"launches": 10, "kernels": 10, "waits": 1, "bytes": 0, "flops": 0}
    assert write_counts.estimate(work, "float64") == pytest.approx(70e-6)
    work |= {"bytes": write_counts.BANDWIDTH, "flops": write_counts.RATES["float32"]}
    assert write_counts.estimate(work, "float32") == pytest.approx(2 + 40e-6)


@pytest.mark.slow
def test_the_counts_in_the_page_are_current() -> None:
    assert write_counts.main(["--check"]) == 0, "run python tests/gpu/write_counts.py"
