"""The package as others see it: its public names, their examples and types, and its wheel."""

import ast
import doctest
import inspect
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import regimes
from regimes.config.load import load
from regimes.datasets import points
from regimes.storage import store

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(regimes.__file__).parent
NAMES = [name for name in dir(regimes) if not name.startswith("_")]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_examples_say_what_happens(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where Snakemake has made the data of the phase diagram.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/data").mkdir(parents=True)
    settings = load().datasets["four_point"].model_dump(mode="json")
    said = {"title": "four_point", "source": "points", "references": ""}
    path = tmp_path / "results/data/four_point.nc"
    store.write(points.build(settings), path, config=settings, **said)
    tests = doctest.DocTestFinder(recurse=False).find(getattr(regimes, name), name, globs={})
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in tests:
        runner.run(test, out=output.append)
    assert runner.tries > 1, f"{name} has no example"
    assert not runner.failures, "".join(output)


def test_all_public_names_have_types() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text())
    imported = {
        alias.asname: f"{statement.module}.{alias.name}"
        for statement in stub.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert sorted(imported) == NAMES
    for name, place in imported.items():
        function = getattr(regimes, name)
        assert place == f"{function.__module__}.{function.__name__}"
        assert inspect.signature(function).return_annotation is not inspect.Signature.empty, name


def test_keys_of_all_engines_are_completed() -> None:
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    parameters = inspect.signature(regimes.simulate).parameters
    assert {"gamma", "learning_rate", "solver", "node_scaling", "tolerance"} < set(parameters)
    assert next(iter(parameters)) == "experiment" and list(parameters)[-1] == "changes"
    assert not {"axes", "grids", "paper", "measure"} & set(parameters)
    shell = InteractiveShell()
    shell.user_ns["regimes"] = regimes
    line = "regimes.simulate(gam"
    with provisionalcompleter():
        found = [one.text for one in shell.Completer.completions(line, len(line))]
    assert found == ["gamma=", "gamma_prime="]


@pytest.mark.slow
def test_a_wheel_has_what_is_no_module(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(
        PACKAGE, source / "workflow/regimes", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(tmp_path), str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"regimes-{regimes.__version__}-")
    names = set(zipfile.ZipFile(wheel).namelist())
    kept = [
        path for path in PACKAGE.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    ]
    missing = {f"regimes/{path.relative_to(PACKAGE)}" for path in kept} - names
    assert missing == set()
    assert "regimes/py.typed" in names
