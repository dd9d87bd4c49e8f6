"""Code of one's own in the plan: what runs again after an edit, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_reruns import jobs, trained

from regimes.errors import ConfigError
from regimes.plan.plan import Plan
from regimes.plan.provenance import import_closure
from regimes.tools.settings import overrides, plan_of

CONFIG = """
papers: {mine: {title: Mine, citation: none, claims: claims.py}}
datasets: {three: {kind: points, inputs: [-1.0, 0.5, 1.0], targets: [0.1, -0.2, 0.3]}}
activations: {bent: "activations.py:bent", other: "activations.py:other"}
experiments:
  first: &first
    paper: mine
    engine: gradient_flow
    dataset: three
    activation: bent
    axes: {gamma_prime: [0.0], gamma: [0.5], width: [10], seed: [0]}
    split_by: []
    measure: measures.py:rise
  second: {<<: *first, engine: gradient_flow, activation: other, measure: measures.py:fall}
figures:
  rise: {paper: mine, plot: figures.py:rise, measures: [first], caption: c, table: true}
  fall: {paper: mine, plot: ./figures.py:fall, measures: [second], caption: c, arguments: {a: 1}}
"""
FILES = {
    "measures.py": '''"""Measures."""

import helpers


def rise(runs, data):
    return helpers.scaled(runs)


def rise_reduce(run, data):
    return run


def fall(runs, data):
    return _negative(runs)


def _negative(runs):
    return -runs
''',
    "helpers.py": "from regimes import statistics\n\n\ndef scaled(runs):\n    return 2 * runs\n",
    "figures.py": '''"""Figures."""

SIZE = 3


def rise(measures, scale):
    return SIZE


def rise_table(measures):
    return 1


def fall(measures, scale, *, a):
    return a
''',
    "activations.py": '''"""Activations."""


def bent(z):
    return z


def bent_numbers(z):
    return z, 1.0, 0.0


def other(z):
    return z


def other_numbers(z):
    return z, 1.0, 0.0
''',
    "claims.py": '''"""Claims."""

from regimes.claims.core import Finding, at_least, claim


@claim("A1", says="s", wanted=at_least(1.0), source="s", needs=("first",))
def one(measures):
    return Finding(1.0)
''',
}
TARGETS = ("mine", "figures/rise.csv")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, which is the working directory."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    return folder


def planned(*changes: str) -> Plan:
    return plan_of(overrides(changes, ()))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_stages_name_the_files_and_their_closures(study: Path) -> None:
    plan = planned()
    assert plan.measures["first"].module == "measures.py:rise"
    assert plan.figures["fall"].module == "figures.py:fall"
    assert plan.claims["mine"].module == "claims.py"
    job = plan.jobs_of("first")[0]
    assert job.settings["activation_function"] == "activations.py:bent"
    closure = import_closure(plan.measures["first"].roots)
    assert {"measures.py:rise", "helpers.py", "regimes.statistics"} <= set(closure)
    assert "measures.py" not in closure


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("figures.py", "return a", "return -a", {"figure": 1}),
        ("figures.py", "return 1", "return 2", {"figure": 1, "table": 1}),
        ("figures.py", "SIZE = 3", "SIZE = 4", {"figure": 2, "table": 1}),
        ("figures.py", '"""Figures."""', '"""Other words."""  # and these', {}),
        ("helpers.py", "2 * runs", "3 * runs", "of the first, as of the second"),
        ("measures.py", "return run\n", "return +run\n", "of the first"),
        ("measures.py", "return -runs", "return 1 - runs", {"measure": 1, "figure": 1}),
        ("measures.py", "def fall(runs, data):", "def fall(runs, data):\n    'Doc.'", {}),
        ("claims.py", "Finding(1.0)", "Finding(2.0)", {"claims": 1}),
        ("claims.py", '"""Claims."""', "", {}),
        ("activations.py", '"""Activations."""', "# None", {}),
    ],
)
def test_an_edit_makes_again_what_reaches_it(
    study: Path, file: str, old: str, new: str, expected: dict[str, int] | str
) -> None:
    before = planned()
    edit(study / file, old, new)
    first = {"measure": 1, "claims": 1, "figure": 1, "table": 1}
    wanted = {
        "of the first": first,
        # `import helpers` at the top of the file is that of all of its functions.
        "of the first, as of the second": first | {"measure": 2, "figure": 2},
    }
    found = jobs(before, planned(), TARGETS)
    assert found == (wanted[expected] if isinstance(expected, str) else expected)


@pytest.mark.parametrize("function", ["bent(z)", "bent_numbers(z)"])
def test_an_edited_activation_trains_the_runs_that_use_it(study: Path, function: str) -> None:
    before = planned()
    edit(study / "activations.py", f"def {function}:", f"def {function}:\n    z = z + 0")
    after = planned()
    assert trained(before, after) == {"first": 1}
    assert jobs(before, after, TARGETS)["measure"] == 1


def test_a_moved_folder_makes_nothing_again(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = planned()
    study.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    after = planned()
    assert jobs(before, after, TARGETS) == {}
    assert {one.path: one.handed() for one in before.stages()} == {
        one.path: one.handed() for one in after.stages()
    }


def test_how_a_path_is_written_does_not_count(study: Path) -> None:
    before = planned()
    absolute = f"experiments={{first: {{measure: '{study}/measures.py:rise'}}}}"
    assert jobs(before, planned(absolute), TARGETS) == {}


def test_functions_that_are_reached_without_a_call_of_their_name_count(study: Path) -> None:
    # A function that is reached by a text, or only from a decorated one, is part of the code.
    (study / "figures.py").write_text(
        "def wrap(f):\n    return f\n\n\n@wrap\ndef drawn():\n    return inner()\n\n\n"
        "def inner():\n    return 1\n\n\ndef far():\n    return 2\n\n\n"
        "def rise(measures, scale):\n    return globals()['far']()\n\n\n"
        "def rise_table(measures):\n    return 1\n\n\ndef fall(measures, scale, *, a):\n    pass\n"
    )
    before = planned()
    edit(study / "figures.py", "return 2", "return 3")
    assert jobs(before, planned(), TARGETS) == {"figure": 1, "table": 1}
    edit(study / "figures.py", "    return 1\n\n\ndef far", "    return 4\n\n\ndef far")
    assert jobs(before, planned(), TARGETS) == {"figure": 2, "table": 1}


def changed(file: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda study: edit(study / file, old, new)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda study: (study / "measures.py").unlink(),
            ["experiments.first.measure = 'measures.py:rise'", "no file measures.py in /"],
        ),
        (
            changed("measures.py", "def rise(", "def rises("),
            ["experiments.first.measure", "no function rise, which is called as rise(runs, data)"],
        ),
        (
            changed("measures.py", "rise(runs, data)", "rise(runs)"),
            ["measures.py, line 6: rise must be callable as rise(runs, data), but is rise(runs)"],
        ),
        (
            changed("measures.py", "rise(runs, data)", "rise(runs, data, *, more)"),
            ["callable as rise(runs, data), but is rise(runs, data, *, more)"],
        ),
        (
            changed("figures.py", "def rise_table", "def table"),
            ["figures.rise.plot", "has no function rise_table"],
        ),
        (changed("figures.py", "*, a)", "*, b)"), ["figures.fall.arguments.a is unknown"]),
        (
            changed("helpers.py", "return 2", "return return"),
            ["helpers.py, line 5: invalid syntax"],
        ),
        (
            changed("activations.py", "def other_numbers", "def others"),
            ["experiments.second.activation = 'other'", "function other_numbers(z)"],
        ),
        (changed("claims.py", 'needs=("first",)', ""), ["claims.py, line 6", "no needs"]),
        (changed("claims.py", '"first"', '"third"'), ["papers.mine.claims", "need third"]),
        (
            changed("config.yaml", "measures.py:rise", "measures.py"),
            ["experiments.first.measure", "names no function: write measures.py:FUNCTION"],
        ),
        (
            changed("config.yaml", "claims: claims.py", "claims: claims.py:one"),
            ["papers.mine.claims", "must be the file alone"],
        ),
        (
            changed("config.yaml", "measures.py:rise", "my-measures.py:rise"),
            ["experiments.first.measure", "of the form FILE.py:FUNCTION"],
        ),
        (
            changed("config.yaml", '"activations.py:bent"', '"activations.py"'),
            ["activations.bent", "names no function"],
        ),
    ],
)
def test_one_line_for_what_is_refused(
    study: Path, change: Callable[[Path], None], expected: list[str]
) -> None:
    change(study)
    with pytest.raises(ConfigError) as caught:
        planned()
    line = str(caught.value)
    assert "\n" not in line and "\\n" not in line
    for text in expected:
        assert text in line, line


@pytest.mark.parametrize("name", ["statistics", "torch"])
def test_the_name_of_an_installed_module_is_refused(study: Path, name: str) -> None:
    (study / "helpers.py").rename(study / f"{name}.py")
    edit(study / "measures.py", "import helpers", f"import {name}")
    with pytest.raises(
        ConfigError, match=rf"{name}\.py has the name of a module that is installed"
    ):
        planned()
