"""`regimes compare`: what counts as a difference, where it is, and what does not match."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from regimes.errors import StoreError
from regimes.storage import store
from regimes.tools import cli
from regimes.tools.compare import agree, compare, paired, to_markdown

NAN, INFINITY = math.nan, math.inf


def dataset(values: list, x: list | None = None, **config: object) -> xr.Dataset:
    described = {"long_name": "a value", "units": "1"}
    x = list(range(len(values))) if x is None else x
    made = xr.Dataset({"value": ("x", values, described)}, {"x": ("x", x, described)})
    return made.assign_attrs(config=json.dumps(config))


def row(first: list, second: list, **tolerances: float):
    (only,) = compare(dataset(first), dataset(second), **tolerances).rows
    return only


def test_the_largest_differences_and_their_place() -> None:
    found = row([1.0, 100.0, -4.0], [1.0, 101.0, -5.0])
    assert found.values == 3 and found.equal == pytest.approx(1 / 3)
    assert found.absolute == 1.0 and found.relative == pytest.approx(0.2)
    assert found.where == "x=2"
    assert row([1.0, 2.0], [1.0, 2.0]).where == ""


@pytest.mark.parametrize(
    ("rtol", "atol", "equal"),
    [(0.0, 0.0, 0.5), (0.009, 0.0, 0.5), (0.01, 0.0, 1.0), (0.0, 1.0, 1.0), (0.005, 0.5, 1.0)],
)
def test_tolerances_decide_what_is_equal(rtol: float, atol: float, equal: float) -> None:
    assert row([1.0, 99.0], [1.0, 100.0], rtol=rtol, atol=atol).equal == equal


@pytest.mark.parametrize(
    ("first", "second", "relative"),
    [
        (NAN, NAN, 0.0),
        (INFINITY, INFINITY, 0.0),
        (0.0, -0.0, 0.0),
        (NAN, 1.0, INFINITY),
        (INFINITY, 1.0, INFINITY),
        (INFINITY, -INFINITY, INFINITY),
        (NAN, INFINITY, INFINITY),
        (0.0, 1e-300, 1.0),
    ],
)
def test_undefined_values_equal_each_other_alone(
    first: float, second: float, relative: float
) -> None:
    found = row([1.0, first], [1.0, second], rtol=0.5, atol=0.0)
    assert found.relative == relative
    assert found.equal == (1.0 if relative == 0 else 0.5)


def test_integers_flags_and_text_are_compared() -> None:
    assert row([1, 2], [1, 3]).absolute == 1.0
    # Without wrapping round.
    assert row(np.array([0], np.uint8), np.array([255], np.uint8)).absolute == 255.0
    assert row([True, False], [True, True]).equal == 0.5
    text = row(["a", "b"], ["a", "c"])
    assert text.equal == 0.5 and math.isnan(text.absolute) and text.where == "x=1"


def test_what_both_have_is_compared_and_the_rest_said() -> None:
    first = dataset([1.0, 2.0, 3.0], [0, 1, 2]).assign(only=1.0)
    second = dataset([2.0, 4.0, 9.0], [1, 2, 3])
    found = compare(first, second)
    (only,) = found.rows
    assert only.values == 2 and only.absolute == 1.0 and only.where == "x=2"
    assert found.notes == (
        "only A has only",
        "x has 3 values in A, 3 in B, 2 of them in both",
    )
    assert not agree(found)
    apart = compare(dataset([1.0], [0]), dataset([1.0], [1]))
    assert not apart.rows and "value has no coordinates in common" in apart.notes


def test_other_shapes_are_said() -> None:
    plain = xr.Dataset({"value": ("x", np.zeros(3))})
    longer = xr.Dataset({"value": ("x", np.zeros(4))})
    assert compare(plain, longer).notes == ("value has x of other lengths without coordinates",)
    other = xr.Dataset({"value": ("y", np.zeros(3))})
    assert "dimensions ('x',) in A, ('y',) in B" in compare(plain, other).notes[0]
    turned = xr.Dataset({"value": (("x", "y"), np.arange(6.0).reshape(2, 3))})
    assert agree(compare(turned, turned.transpose("y", "x")))


def test_coordinates_that_are_no_index_are_compared() -> None:
    first = dataset([1.0, 2.0]).assign_coords(label=("x", [5.0, 6.0]), one=1)
    assert agree(compare(first, first))
    found = compare(first, first.assign_coords(label=("x", [5.0, 7.0]), one=2))
    (label,) = [row for row in found.rows if row.variable == "label"]
    assert label.absolute == 1.0 and label.where == "x=1" and not agree(found)
    (one,) = [row for row in found.rows if row.variable == "one"]
    assert one.absolute == 1.0 and one.values == 1
    # A coordinate here, a variable there.
    assert agree(compare(first, first.reset_coords("label")))


def test_other_orders_of_coordinates_are_said_and_agree() -> None:
    first, second = dataset([1.0, 2.0, 3.0], [0, 1, 2]), dataset([3.0, 1.0, 2.0], [2, 0, 1])
    found = compare(first, second)
    assert found.remarks == ("x has the same values in another order",) and not found.notes
    assert agree(found) and found.remarks[0] in to_markdown(found)
    other = compare(first, dataset([3.0, 1.0, 5.0], [2, 0, 1]))
    assert other.rows[0].where == "x=1" and not agree(other)


def test_dimensions_that_cannot_be_matched_are_an_error() -> None:
    twice = dataset([1.0, 2.0, 3.0], [0, 1, 1])
    assert agree(compare(twice, twice))
    for pair in ((twice, dataset([1.0], [1])), (dataset([1.0], [1]), twice)):
        with pytest.raises(StoreError, match=r"some: x has a value twice in [AB]"):
            compare(*pair, name="some")


def test_large_integers_are_compared_as_such() -> None:
    large = 2**60
    found = row(np.array([large, 5]), np.array([large + 1, 5]), rtol=0.0)
    assert found.equal == 0.5 and found.absolute == 1.0 and found.relative == 1 / large
    assert found.where == "x=0"
    assert row(np.array([large]), np.array([large + 1]), rtol=1e-9).equal == 1.0
    extremes = row(np.array([-(2**63)]), np.array([2**63 - 1]))
    assert extremes.absolute == 2.0**64


def test_what_is_empty_equals_itself() -> None:
    empty = dataset([], [])
    found = compare(empty, empty)
    assert (
        agree(found) and found.rows[0].values == 0 and "| value | 0 | 100 %" in to_markdown(found)
    )
    found = compare(empty, dataset([1.0], [0]))
    assert not agree(found) and "value has no coordinates in common" in found.notes
    text = xr.Dataset({"text": ("x", np.array([], str))})
    assert agree(compare(text, text))


def test_settings_are_compared_key_by_key() -> None:
    first = dataset([1.0], scale="smoke", solver={"tolerance": 0.1, "max_steps": 5})
    second = dataset([1.0], scale="smoke", solver={"tolerance": 0.2, "max_steps": 5})
    found = compare(first, second)
    assert found.settings == (("solver.tolerance", "0.1", "0.2"),)
    # They are what is being varied.
    assert agree(found)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for folder, change in (("a", 0.0), ("b", 1e-8)):
        for name in ("one", "two", f"only_{folder}"):
            described = {"title": "t", "source": "s", "references": "r"}
            path = tmp_path / folder / f"results/measures/{name}.nc"
            values = dataset([1.0, 2.0 + change])
            store.write(values, path, **described, config={"change": change})
    return tmp_path


def test_directories_are_compared_file_by_file(folders: Path, capsys) -> None:
    for below in ("", "/results", "/results/measures"):
        pairs, notes = paired(f"{folders}/a{below}", f"{folders}/b{below}", Path())
        assert [name for name, _, _ in pairs] == ["one", "two"]
        assert notes == ["only A has only_a.nc", "only B has only_b.nc"]
    assert cli.main(["compare", f"{folders}/a", f"{folders}/b"]) == 0
    output = capsys.readouterr().out
    assert "## one" in output and "| change | 0.0 | 1e-08 |" in output
    assert "| value | 2 | 50 % | 1e-08 | 5e-09 | x=1 |" in output


def test_experiments_and_files_are_compared(folders: Path, capsys) -> None:
    directory = ["--directory", f"{folders}/a"]
    assert cli.main(["compare", "one", "two", *directory, "--within", "0"]) == 0
    other = f"{folders}/b/results/measures/two.nc"
    table = folders / "table.csv"
    command = ["compare", "one", other, *directory, "--csv", str(table)]
    assert cli.main([*command, "--within", "1e-9"]) == 1
    assert cli.main([*command, "--within", "1e-8"]) == 0
    with table.open(newline="") as stream:
        (only,) = csv.DictReader(stream)
    assert only["variable"] == "value" and float(only["absolute"]) == pytest.approx(1e-8)


@pytest.mark.parametrize(
    "words",
    [
        ["a", "nothing"],
        ["a", "a/results/measures/one.nc"],
        ["a", "empty"],
        ["a", "a", "--rtol", "nan"],
        ["a", "a", "--rtol", "much"],
        ["a"],
    ],
)
def test_bad_input_is_one_line(
    folders: Path, capsys, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (folders / "empty").mkdir()
    monkeypatch.chdir(folders)
    try:
        code = cli.main(["compare", *words])
    except SystemExit as stopped:
        code = stopped.code
    error = capsys.readouterr().err
    assert code == 1 and error.startswith("error: ") and error.count("\n") == 1


def test_a_damaged_file_is_named(folders: Path, capsys) -> None:
    path = folders / "a/results/measures/one.nc"
    path.write_bytes(path.read_bytes()[:1000])
    assert cli.main(["compare", f"{folders}/a", f"{folders}/b"]) == 1
    assert "one.nc is no NetCDF file" in capsys.readouterr().err
