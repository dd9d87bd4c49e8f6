"""A file of the user's own that is not there stops only what needs it, with one line."""

import time
from pathlib import Path

import pytest
from harness import SMOKE, Workflow, copy_checkout

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def test_a_missing_file_of_ones_own(tmp_path: Path) -> None:
    workflow = Workflow(copy_checkout(tmp_path / "checkout"), tmp_path / "out")
    table = tmp_path / "mine.csv"
    config = (
        *SMOKE,
        f"datasets={{mine: {{kind: file, path: {table}, target: y}}}}",
        "experiments={own: {inherits: phase_diagram, dataset: mine}}",
    )
    line = f"error: --config: datasets.mine.path = {table} cannot be read: No such"

    def call(*arguments: str, target: str | None = None) -> tuple[int, str]:
        targets = (target,) if target else ()
        result = workflow.run(*arguments, targets=targets, config=config)
        assert "Traceback" not in result.output, result.output
        return result.code, result.output

    (workflow.directory / ".snakemake/locks").mkdir(parents=True)
    assert call("--unlock")[0] == 0
    assert call("--cores", "1", target="results/data/four_point.nc")[0] == 0
    for target in ("results/data/mine.nc", "results/measures/own.nc"):
        code, output = call("--cores", "1", target=target)
        errors = [one for one in output.splitlines() if "rror" in one]
        assert code == 1 and len(errors) == 1 and errors[0].startswith(line), output
    # None of it left a lock, or the stamp of another content.
    assert call("--cores", "1", target="results/data/four_point.nc")[0] == 0
    table.write_text("a,y\n1,2\n3,5\n")
    assert call("--cores", "1", target="results/data/mine.nc")[0] == 0
    content = table.read_bytes()
    table.unlink()
    time.sleep(0.01)
    assert call("-n", target="results/data/four_point.nc")[0] == 0
    assert call("-n", target="results/data/mine.nc")[0] == 1
    table.write_bytes(content)
    assert "Nothing to be done" in call("-n", target="results/data/mine.nc")[1]
