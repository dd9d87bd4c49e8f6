"""Loading code of one's own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

from regimes.plan.loading import OwnCodeError, function_of, load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; what was imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), dict(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_function_of_a_file_imports_what_is_beside_it(folder: Path) -> None:
    (folder / "below").mkdir()
    (folder / "below/helpers_of_mine.py").write_text("def twice(x):\n    return 2 * x\n")
    (folder / "below/mine_to_load.py").write_text(
        "import helpers_of_mine as my\n\n\ndef rise(runs, data):\n    return my.twice(runs)\n"
    )
    assert function_of("below/mine_to_load.py:rise", "measure")(3, None) == 6
    assert function_of("below/mine_to_load.py:rise", "reduce") is None
    # As it is now, and without compiled files beside it.
    (folder / "below/helpers_of_mine.py").write_text("def twice(x):\n    return 3 * x\n")
    assert function_of("below/mine_to_load.py:rise", "measure")(3, None) == 9
    assert sorted(path.name for path in (folder / "below").iterdir()) == [
        "helpers_of_mine.py",
        "mine_to_load.py",
    ]


def test_files_of_one_name_in_two_folders(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "mine_to_load.py").write_text(f"def rise(z):\n    return {name!r}\n")
    for name in ("one", "two", "one"):
        assert function_of(f"{name}/mine_to_load.py:rise", "activation")(0) == name


def test_an_import_that_fails_is_one_line(folder: Path) -> None:
    (folder / "helpers_of_mine.py").write_text("x = 1\ny = x.missing\n")
    (folder / "mine_to_load.py").write_text("\nimport helpers_of_mine\n")
    with pytest.raises(OwnCodeError) as caught:
        load("mine_to_load.py:rise")
    assert str(caught.value) == (
        "helpers_of_mine.py, line 2: AttributeError: 'int' object has no attribute 'missing'"
    )
    (folder / "mine_to_load.py").write_text("import sys\nsys.exit('enough')\n")
    with pytest.raises(OwnCodeError, match=r"^mine_to_load.py, line 2: SystemExit: enough$"):
        load("mine_to_load.py:rise")


def test_a_call_that_fails_or_returns_something_else_is_one_line(folder: Path) -> None:
    (folder / "mine_to_load.py").write_text(
        "def rise(runs, data):\n    return runs['no such variable']\n\n\n"
        "def fall(runs, data):\n    return 3\n"
    )
    with pytest.raises(OwnCodeError, match=r"^mine_to_load.py, line 2: KeyError: .*such"):
        function_of("mine_to_load.py:rise", "measure", xr.Dataset)(xr.Dataset(), None)
    with pytest.raises(OwnCodeError, match=r"fall returned int; it must return Dataset$"):
        function_of("mine_to_load.py:fall", "measure", xr.Dataset)(xr.Dataset(), None)


def test_a_module_of_the_package_fails_as_it_does() -> None:
    measure = function_of("regimes.papers.luo2021.growth", "measure", xr.Dataset)
    with pytest.raises(KeyError):
        measure(xr.Dataset(), None)
