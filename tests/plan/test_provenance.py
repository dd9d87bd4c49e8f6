"""Hashes of code: what counts and what does not."""

import ast
import os
from pathlib import Path

import pytest

from regimes.plan import provenance
from regimes.plan.provenance import code_hash, config_hash, import_closure, write_stamp


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


def test_closure_follows_every_kind_of_import(package: Path, tmp_path: Path) -> None:
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
    script = tmp_path / "script.py"
    script.write_text("from regimes.a import something")
    assert set(import_closure([script])) == {
        "script.py",
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


def test_repository_closures_are_narrow() -> None:
    closure = set(import_closure([Path(provenance.PACKAGE.parent / "scripts/train.py")]))
    assert not {"regimes.plan.plan", "regimes.plan.provenance", "regimes.config.models"} & closure
    assert "regimes.storage.store" in closure


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
