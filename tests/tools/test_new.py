"""`regimes new`: the skeleton of a study."""

from pathlib import Path

import pytest

from regimes.config.load import load_in
from regimes.storage.versions import CHECKOUT
from regimes.tools import cli, new
from regimes.tools.settings import plan_of


def test_a_new_study_is_planned_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new", "neurons"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "made neurons: README.md, claims.py, config.yaml, figures.py, measures.py"
    assert said[1] == f"next: cd neurons && snakemake -s {CHECKOUT}/Snakefile --cores 2 neurons"
    text = "".join(path.read_text() for path in Path("neurons").iterdir())
    assert new.STUDY not in text and new.WORKFLOW not in text
    assert [path.name for path in tmp_path.iterdir()] == ["neurons"]
    plan = plan_of((), tmp_path / "neurons")
    assert plan.targets("neurons") == [
        "results/measures/neurons_growth.nc",
        "figures/neurons/growth.pdf",
        "figures/neurons/growth.png",
        "results/claims/neurons.nc",
        "results/claims/neurons.md",
    ]
    config = load_in(tmp_path / "neurons", CHECKOUT)
    assert config.place("experiments.neurons_growth.measure") == "config.yaml"
    assert cli.main(["describe", "neurons_growth", "--directory", "neurons"]) == 0
    assert "measures.py:growth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My-Study", "'My-Study' is not a name: use lower-case letters, digits and _"),
        ("luo2021", "'luo2021' is taken by the workflow"),
        ("figure", "'figure' is taken by the workflow"),
        ("results", "'results' is taken by the workflow"),
        ("there", "there is there already, and is left as it is"),
        ("nowhere/study", "nowhere is no folder"),
        ("m" * 101, "at most 100 characters"),
    ],
)
def test_one_line_for_what_cannot_be_made(
    name: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine.txt").write_text("mine")
    assert cli.main(["new", name]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("error: ") and expected in said.err
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "mine.txt"]
