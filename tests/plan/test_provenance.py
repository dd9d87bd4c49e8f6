"""Hashes of code: what counts and what does not."""

import ast
import os
from pathlib import Path

import pytest

from regimes.config.load import load
from regimes.engines.registry import engine_module, settings_classes
from regimes.plan import provenance
from regimes.plan.plan import Plan
from regimes.plan.provenance import code_hash, config_hash, import_closure, write_stamp
from regimes.plan.settings import training_modules
from regimes.storage.versions import CHECKOUT


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package `regimes` in a temporary folder."""
    folder = tmp_path / "regimes"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return folder


def write(package: Path, **sources: str) -> None:
    for name, source in sources.items():
        path = package.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(source)


def test_closure_follows_every_kind_of_import(package: Path) -> None:
    write(
        package,
        a="import numpy\nfrom regimes import b",
        b="def f():\n    import regimes.sub.c as c\n    return c",
        sub__c="from . import d\nfrom .e import value\nfrom ..g import value as other",
        sub__d="",
        sub__e="value = 1",
        g="value = 1",
        unrelated="",
    )
    assert set(import_closure(["regimes.a"])) == {
        "regimes",
        "regimes.a",
        "regimes.b",
        "regimes.sub",
        "regimes.sub.c",
        "regimes.sub.d",
        "regimes.sub.e",
        "regimes.g",
    }


def test_closure_survives_circles(package: Path) -> None:
    write(package, a="import regimes.b", b="import regimes.a")
    assert set(import_closure(["regimes.a"])) == {"regimes", "regimes.a", "regimes.b"}


def test_missing_root_is_an_error(package: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"regimes\.nothing"):
        import_closure(["regimes.nothing"])


def test_layout_and_docstrings_do_not_count(package: Path) -> None:
    write(package, a="def f(x):\n    return x + 1\n\n\nclass C:\n    pass\n")
    before = code_hash(["regimes.a"])
    source = '"""Doc."""\n\n# Comment.\ndef f( x ):\n    """Doc."""\n    return (x + 1)\n'
    write(package, a=source + "class C:\n    pass\n")
    os.utime(package / "a.py", (1, 1))
    assert code_hash(["regimes.a"]) == before


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x + 2",
        "def f(x):\n    return x - 1",
        "def f(x):\n    return x + 1.0",
        "def f(y):\n    return y + 1",
        "def f(x=None):\n    return x + 1",
        "async def f(x):\n    return x + 1",
        "def f(x):\n    'first'\n    'second'\n    return x + 1",
    ],
)
def test_code_counts(package: Path, source: str) -> None:
    write(package, a="def f(x):\n    return x + 1")
    before = code_hash(["regimes.a"])
    write(package, a=source)
    assert code_hash(["regimes.a"]) != before


def test_imported_code_counts_and_other_code_does_not(package: Path) -> None:
    write(package, a="from regimes import b", b="x = 1", c="x = 1")
    before = code_hash(["regimes.a"])
    write(package, c="x = 2")
    assert code_hash(["regimes.a"]) == before
    write(package, b="x = 2")
    assert code_hash(["regimes.a"]) != before


def test_none_in_lists_counts() -> None:
    def dump(text: str) -> str:
        return provenance._dump(ast.parse(text))

    assert dump("f = {**a, 1: b}") != dump("f = {1: b, **a}")
    assert dump("def f(*, a, b=1): ...") != dump("def f(*, a=1, b): ...")
    assert dump("return_ = None") != dump("return_ = 0")
    assert dump("x = True") != dump("x = 1")


def test_dump_is_the_same_on_every_python() -> None:
    # Computed once: a change here retrains everybody's runs.
    source = b"import a.b as c\n\ndef f(x, *, y=None) -> int:\n    return [f'{x!r:>5}', {**y}]\n"
    assert provenance._text_hash(source)[:16] == "9f2dd5fff393dd8f"


def test_what_only_type_checkers_see_does_not_count(package: Path) -> None:
    write(package, a="from typing import TYPE_CHECKING\nx = 1", b="x = 1")
    before = code_hash(["regimes.a"])
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import regimes.b\nx = 1"
    write(package, a=source)
    assert set(import_closure(["regimes.a"])) == {"regimes", "regimes.a"}
    assert code_hash(["regimes.a"]) == before


# What may be part of the code of a run, beside the engine's own room.
OF_A_RUN = {
    "regimes",
    "regimes.activations",
    "regimes.engines",
    "regimes.engines.common",
    "regimes.errors",
    "regimes.expressions",
    "regimes.kernels",
    "regimes.parameterisations",
    "regimes.storage",
    "regimes.storage.layout",
}
# What starts jobs, describes settings, and reads and writes files is never a part.
NEVER = {
    f"regimes.engines.common.{name}"
    for name in ("runner", "record", "resume", "settings", "parameterised", "isometry_settings")
} | {"regimes.engines.registry"}


@pytest.fixture(scope="module")
def codes() -> dict[str, set[str]]:
    """Modules in the code of the runs of each experiment."""
    plan = Plan.from_config(load(CHECKOUT / "config.yaml", {"scale": "smoke"}))
    closures = {}
    for experiment in plan.measures:
        job = plan.jobs_of(experiment)[0]
        modules = training_modules(job.settings)
        closure = closures.setdefault(job.settings["engine"], set())
        closure |= set(import_closure(modules.values()))
    return closures


def test_the_code_of_a_run_is_its_numerics_alone(codes: dict[str, set[str]]) -> None:
    assert set(codes) == set(settings_classes())
    for engine, closure in codes.items():
        room = f"regimes.engines.{engine.partition('.')[0]}"
        for module in closure:
            parts = module.split(".")
            packages = {".".join(parts[:count]) for count in range(2, len(parts) + 1)}
            assert module == "regimes" or packages & ((OF_A_RUN - {"regimes"}) | {room}), module
            if module.startswith("regimes.engines."):
                known = (room, "regimes.engines.common")
                assert module.startswith(known), (engine, module)
            if module.startswith("regimes.storage."):
                assert module == "regimes.storage.layout", (engine, module)
        assert not NEVER & closure, engine
        assert not any(module.endswith("settings") for module in closure), engine


def test_an_engine_is_part_of_its_own_runs_alone(codes: dict[str, set[str]]) -> None:
    # The search trains networks by gradient flow.
    users = {"gradient_flow": ["gradient_flow", "gradient_flow.boundary"]}
    for engine in codes:
        own = engine_module(engine)
        using = [name for name, closure in codes.items() if own in closure]
        assert using == users.get(engine, [engine])


def test_config_hash_ignores_order_and_refuses_nan() -> None:
    assert config_hash({"a": 1, "b": [1, 2.5]}) == config_hash({"b": [1, 2.5], "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 1.0})
    with pytest.raises(ValueError):
        config_hash({"a": float("nan")})


def test_stamp_is_written_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "code/stage.txt"
    assert write_stamp(path, "one\n")
    os.utime(path, (1, 1))
    assert not write_stamp(path, "one\n")
    assert path.stat().st_mtime == 1
    assert write_stamp(path, "two\n")
    assert path.read_text() == "two\n" and path.stat().st_mtime > 1
    assert [file.name for file in path.parent.iterdir()] == ["stage.txt"]
