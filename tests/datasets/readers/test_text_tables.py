"""Tables in text files: what they hold is read as it is, or refused in one line."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from data_settings import settings

from regimes.datasets import file as file_kind
from regimes.datasets.readers import read
from regimes.datasets.sources.own_file import digest
from regimes.errors import ConfigError, DataError

ROWS = np.array([[0.5, 10.25, -1.0], [1.5, 2e-3, 2.5], [2.5, 20.0, 7.0]])


def made(path: Path, **keys: Any) -> xr.Dataset:
    chosen = settings(kind="file", path=str(path), **{"target": "y", **keys})
    return file_kind.build(chosen | {"sha256": digest(path)})


def written(tmp_path: Path, text: str | bytes, name: str = "mine.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(path: Path, message: str, **keys: Any) -> None:
    with pytest.raises(DataError, match=message) as error:
        made(path, **keys)
    assert "\n" not in str(error.value)


def table(separator: str, decimal: str = ".") -> str:
    lines = [["a", "b", "y"], *([str(one).replace(".", decimal) for one in row] for row in ROWS)]
    return "".join(separator.join(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    ("separator", "decimal"),
    [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), (" ", "."), ("  ", ",")],
)
def test_separator_and_decimal_mark_are_recognised(
    tmp_path: Path, separator: str, decimal: str
) -> None:
    path = written(tmp_path, table(separator, decimal))
    data = made(path)
    np.testing.assert_array_equal(data["inputs"], ROWS[:, :2])
    np.testing.assert_array_equal(data["targets"], ROWS[:, 2])
    assert read.table_size(path) == (3, 3)
    named = {"  ": "blank", " ": " ", "\t": "\t"}.get(separator, separator)
    assert made(path, separator=named, decimal=decimal).identical(data)


def test_decimal_commas_within_quotes(tmp_path: Path) -> None:
    data = made(written(tmp_path, '"a","y"\n"1,5","2,25"\n"-3,5",4\n'))
    assert data["inputs"].values.tolist() == [[1.5], [-3.5]]
    assert data["targets"].values.tolist() == [2.25, 4]


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("a b;c d;y\n1;2;3\n4;5;7\n", {}, [[1, 2], [4, 5]]),
        ("a;y\n1,234;2\n", {"decimal": ","}, [[1.234]]),
        ("a b;y c\n1 2;3 4\n", {"separator": ";", "inputs": [], "target": "y c"}, None),
        ("x z\n1\n2\n", {"inputs": ["x z"], "target": None, "formula": "1"}, [[1], [2]]),
        ("x\n1,5\n2\n", {"inputs": ["x"], "target": None, "formula": "x"}, [[1.5], [2]]),
        ('"a"  "y"\n -1  2 \n\n  3  4\n', {}, [[-1], [3]]),
    ],
)
def test_headers_with_blanks_and_single_columns(
    tmp_path: Path, text: str, keys: dict, expected: list | None
) -> None:
    path = written(tmp_path, text)
    if expected is None:
        refused(path, "column 'a b' is no finite number at row 1: 1 2", separator=";", target="y c")
    else:
        assert made(path, **keys)["inputs"].values.tolist() == expected


@pytest.mark.parametrize(
    "text", ["a b;y\n1 2;3\n", "a;y\n1,234;2\n", 'a,y\n"1,234",2\n', "a\ty\n1.5\t2,5\n"]
)
def test_what_is_ambiguous_says_which_keys_to_give(tmp_path: Path, text: str) -> None:
    refused(written(tmp_path, text), r"not clear .*give the keys separator .* and decimal")


def test_a_mark_that_comes_late_names_the_key(tmp_path: Path) -> None:
    text = "a;y\n" + "3;4\n" * 300 + "1,5;2\n"
    refused(written(tmp_path, text), r"'a' .* row 301: 1,5 \(decimal is '.' here: give the key dec")
    assert made(written(tmp_path, text), decimal=",")["inputs"][-1].item() == 1.5


def test_names_are_those_of_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, 'a.b,"c, d","e ""f""",y.1,\u00b5 ,y\n2,3,5,6,7,9\n4,4,4,4,4,4\n')
    names = ["a.b", "c, d", 'e "f"', "y.1", "\u00b5 "]
    assert made(path)["feature_name"].values.tolist() == names
    assert made(path, inputs=["\u00b5 "])["inputs"].values.tolist() == [[7], [4]]
    refused(path, r"has no column 'y.2'; it has a.b, c, d", target="y.2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y,y\n1,2,2\n3,4,4\n", "two columns have the name 'y': rename one"),
        ("a,,y\n1,2,2\n3,4,4\n", r"column 2 has no name in the header; it has 'a', '', 'y'"),
        ("a,y,\n1,2,\n3,4,\n", "column 3 has no name in the header"),
    ],
)
def test_names_that_are_twice_or_empty_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    refused(path, message)
    refused(path, message, inputs=["a"])


FRAME = pd.DataFrame({"a": [0.5, -1.0, 3.0], "b": [4, 4, 9], "y": [0.0, 1.0, 5.0]})


def test_the_index_of_pandas_and_r_is_no_input(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    FRAME.to_csv(path)
    assert path.read_text().startswith(",a,b,y\n")
    refused(path, r"first column has no name, as an index .* leave it out with inputs: \[a, b\]")
    expected = FRAME[["a", "b"]].to_numpy()
    np.testing.assert_array_equal(made(path, inputs=["a", "b"])["inputs"], expected)
    again = pd.read_csv(path)
    again.to_csv(path, index=False)
    refused(path, r"'Unnamed: 0' is likely an index of the rows.* inputs: \[a, b\], or name it")
    data = made(path, inputs=["Unnamed: 0", "b"])
    assert data["inputs"].values.tolist() == [[0, 4], [1, 4], [2, 9]]
    for_r = written(tmp_path, '"","a","y"\n"Mazda",1,2\n"Fiat",4,7\n', "r.csv")
    refused(for_r, "first column has no name")
    assert made(for_r, inputs=["a"])["inputs"].values.tolist() == [[1], [4]]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("position", [0, 1])
def test_columns_that_count_the_rows_are_refused(tmp_path: Path, first: int, position: int) -> None:
    frame = FRAME.copy()
    frame.insert(position, "id", range(first, first + 3))
    path = tmp_path / "mine.csv"
    frame.to_csv(path, index=False)
    refused(path, r"column 'id' is likely an index .*\(it counts the rows\).* inputs: \[a, b\]")
    assert made(path, inputs=["id", "a"])["inputs"][:, 0].values.tolist() == [
        *range(first, first + 3)
    ]
    frame.assign(id=[2, 1, 0]).to_csv(path, index=False)
    assert "id" in made(path)["feature_name"].values


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "it is missing"),
        ("NA", r"it is missing \(NA\)"),
        ("nan", r"it is missing \(nan\)"),
        ("True", "True: write 1 and 0"),
        ("1+2j", r"1\+2j"),
        ("1_000", "1_000"),
        ("inf", "inf"),
        ("1e999", "1e999"),
        ("2020-01-02", "2020-01-02"),
        ("9007199254740993", "9007199254740993: an integer with more digits"),
    ],
)
def test_only_numbers_are_read(tmp_path: Path, value: str, shown: str) -> None:
    path = written(tmp_path, f"a,b,y\n1,2,3\n5,{value},7\n")
    refused(path, rf"column 'b' is no finite number at row 2: {shown}")
    refused(path, r"to leave it out: inputs: \[a\]")
    refused(path, r"column 'b' is no finite number at row 2: [^;]*$", target="b", inputs=["a"])
    assert made(path, inputs=["a"])["inputs"].values.tolist() == [[1], [5]]


def test_a_missing_value_in_the_only_column(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    pd.DataFrame({"x": [1.0, np.nan, 3.0]}).to_csv(path, index=False)
    refused(
        path, "'x' is no finite .* row 2: it is missing", inputs=["x"], target=None, formula="x"
    )


def test_every_digit_is_read(tmp_path: Path) -> None:
    values = (
        np.random.default_rng(0).standard_normal((200, 2)) * 10.0 ** np.arange(-100, 100)[:, None]
    )
    path = tmp_path / "mine.csv"
    pd.DataFrame(values, columns=["a", "y"]).to_csv(path, index=False)
    data = made(path)
    np.testing.assert_array_equal(data["inputs"][:, 0], values[:, 0])
    np.testing.assert_array_equal(data["targets"], values[:, 1])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_the_encoding_are_no_part_of_a_name(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, "gr\u00f6\u00dfe\ty\n1,5\t2\n".encode(encoding))
    assert made(path)["feature_name"].values.tolist() == ["gr\u00f6\u00dfe"]
    assert made(path)["inputs"].item() == 1.5


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    text = "gr\u00f6\u00dfe,y\n1,2\n"
    refused(written(tmp_path, text.encode("latin-1")), r"not in UTF-8: byte 0xf6 after 'gr'; conve")
    refused(written(tmp_path, text.encode("utf-16-le")), "it holds no text")


@pytest.mark.parametrize("name", ["mine.csv.gz", "mine.zip", "mine.csv"])
@pytest.mark.parametrize("packed", ["gzip", "zip"])
def test_packed_text_is_unpacked(tmp_path: Path, packed: str, name: str) -> None:
    path = tmp_path / name
    if packed == "gzip":
        path.write_bytes(gzip.compress(table(";", ",").encode()))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("folder/mine.csv", table(";", ","))
    if name == ("mine.csv.gz" if packed == "zip" else "mine.zip"):
        refused(path, "its name says (zip|gzip), its content does not")
    else:
        np.testing.assert_array_equal(made(path)["inputs"], ROWS[:, :2])
        assert read.table_size(path) == (3, 3)


def test_what_holds_no_table_gives_one_line(tmp_path: Path) -> None:
    refused(written(tmp_path, table(","), "text.zip"), "name says zip, its content does not")
    refused(written(tmp_path, table(","), "text.gz"), "name says gzip, its content does not")
    whole = gzip.compress(("a,y\n" + "1.5,2\n" * 10_000).encode())
    refused(written(tmp_path, whole[:-100], "cut.gz"), "it is damaged")
    refused(written(tmp_path, b"PK\x03\x04" + bytes(40), "no.zip"), "it is damaged")
    refused(written(tmp_path, gzip.compress(bytes(100)), "tar.gz"), "it holds no text")
    refused(written(tmp_path, b"BZh91AY&SY\x00\xff\x01", "mine.csv.bz2"), "it holds no text")
    for names, message in (
        (["a.csv", "b.csv"], "the archive has 2 files; it must have one"),
        (["[Content_Types].xml", "xl/workbook.xml"], "office program: save the table as CSV"),
    ):
        with zipfile.ZipFile(tmp_path / "mine.xlsx", "w") as archive:
            for name in names:
                archive.writestr(name, "a,y\n1,2\n")
        refused(tmp_path / "mine.xlsx", message)
        assert read.table_size(tmp_path / "mine.xlsx") == (0, 0)
    refused(
        written(tmp_path, 'a,y\n1,"2\n3,4\n'), "cannot be read as CSV or NetCDF: unexpected end"
    )


def test_rows_with_names_as_r_writes_them(tmp_path: Path) -> None:
    path = written(tmp_path, '"a" "y"\n"1" 0.5 2\n"2" 1.5 3\n')
    refused(path, "row 1 has 3 fields, the header 2; give its first column a name")


@pytest.mark.parametrize(
    "rows",
    [
        [1.7e18 + 256 * row for row in (0, 1, 2, 3)],
        [1e308, -1e308, 1.5e308, -1.7e308],
        [1e-310, 3e-310, 2e-310, 5e-310],
        [-3.0, 1e9, 5.0, 7.0],
    ],
)
def test_standardised_whatever_the_size(tmp_path: Path, rows: list[float]) -> None:
    path = written(tmp_path, "a,y\n" + "".join(f"{row!r},{row!r}\n" for row in rows))
    data = made(path, standardise="train")
    shifted = np.array(rows) / 2 - rows[0] / 2
    shifted = shifted / abs(shifted).max()
    expected = (shifted - shifted.mean()) / shifted.std()
    np.testing.assert_allclose(data["inputs"][:, 0], expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(data["targets"], expected, rtol=1e-12, atol=1e-14)


def test_what_cannot_be_standardised_names_the_column(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n1e-300,1\n2e-300,2\n5e-300,4\n1e300,5\n")
    keys = {"standardise": "train", "shares": [0.75, 0.25, 0]}
    messages = []
    for seed in range(20):
        try:
            made(path, split_seed=seed, **keys)
        except DataError as error:
            messages.append(str(error))
    assert messages and all("column 'a' is not finite at row 4 when" in one for one in messages)


@pytest.mark.parametrize(("key", "value"), [("separator", "|"), ("decimal", ";")])
def test_other_marks_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"datasets.made.{key} = '.'; allowed: "):
        settings(kind="file", path="mine.csv", target="y", **{key: value})
