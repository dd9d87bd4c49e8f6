"""What jobs ask for, and what is refused, as Snakemake shows it."""

import re

import pytest
from harness import SMOKE, Workflow

WIDE = "experiments={phase_diagram: {axes: {width: [100000000]}}}"
LARGE = "datasets={large: {kind: function, formula: x1, n_train: 1000000, n_features: 1000}}"


@pytest.mark.parametrize(
    ("config", "key"),
    [(WIDE, "experiments.phase_diagram.axes.width"), (LARGE, "datasets.large.n_train")],
)
def test_too_much_memory_is_refused_before_anything_starts(
    fresh: Workflow, config: str, key: str
) -> None:
    result = fresh.run("-n", config=(*SMOKE, config))
    assert result.code == 1
    (error,) = (line for line in result.output.splitlines() if line.startswith("error:"))
    assert f": {key} = " in error and "max_memory_mb = 16000 allows 16 GB" in error
    assert "Traceback" not in result.output


def test_jobs_ask_for_what_they_need(fresh: Workflow) -> None:
    wide = WIDE.replace("100000000", "30000000")
    result = fresh.run("-n", config=(*SMOKE, wide))
    assert result.code == 0, result.output
    asked = {int(number) for number in re.findall(r"mem_mb=(\d+)", result.output)}
    # What the rules ask for at least, and one estimate above that.
    assert {1000, 2000, 3000} < asked and max(asked) > 4000
