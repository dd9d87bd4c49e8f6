"""Tables in text files: values separated by commas, semicolons, tabs or blanks.

The first line has the names of the columns. What separates the values and the decimal mark are
given or recognised: those count with which all rows have as many fields as the header and most
fields are numbers. Names are what is in the header, but for the blanks directly after a separator.
A file packed with gzip or zip is read as it would be unpacked.
"""

import csv
import gzip
import io
import itertools
import re
import zipfile
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from regimes.datasets.readers.table import (
    GZIP,
    LARGEST_INTEGER,
    TOO_LONG,
    ZIP,
    Table,
    format_of,
    no_text,
    unreadable,
)
from regimes.errors import DataError

# What separates the fields, by the values of the key `separator`; a blank stands for any number.
SEPARATORS = {",": ",", ";": ";", "tab": "\t", "blank": " "}
DECIMALS = (".", ",")
# Lines by which separator and decimal mark are recognised.
SAMPLE = 200
NUMBERS = {
    mark: re.compile(rf"[+-]?(\d+[{mark}]?\d*|[{mark}]\d+)([eE][+-]?\d+)?", re.ASCII)
    for mark in DECIMALS
}
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
# 1,234 and 12,345,678 are more likely whole numbers than fractions.
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
# How missing values are written.
MISSING = {"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", ".", "?"}
BLANK_FIELD = re.compile(r'"((?:[^"]|"")*)"|(\S+)')


@dataclass(frozen=True)
class Dialect:
    """How a text is read. separator: a key of SEPARATORS. decimal: one of DECIMALS."""

    separator: str
    decimal: str

    def records(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The fields of each line that has any, the header first."""
        found: Iterable[list[str]]
        if self.separator == "blank":
            found = ([_unquoted(one) for one in BLANK_FIELD.finditer(line)] for line in lines)
        else:
            mark = SEPARATORS[self.separator]
            found = csv.reader(lines, delimiter=mark, skipinitialspace=True, strict=True)
        n_fields = None
        for fields in found:
            # A line with blanks alone has one empty field; so has a missing value in one column.
            if fields and (n_fields == 1 or len(fields) > 1 or fields[0].strip()):
                n_fields = n_fields or len(fields)
                yield fields

    def number(self, text: str) -> float | None:
        """The number that a field says, None if it is none."""
        text = text.strip()
        if NUMBERS[self.decimal].fullmatch(text):
            return float(text.replace(self.decimal, "."))
        return None


class TextTable(Table):
    """A table in a text file.

    separator: a key of SEPARATORS, or None to recognise it. decimal: one of DECIMALS, likewise.
    Raises DataError for a file that is no such text, for a header without names or with the same
    name twice, and where several ways to read it are as good.
    """

    def __init__(self, path: Path, separator: str | None = None, decimal: str | None = None):
        self.path = path
        with opened(path) as stream:
            head = list(itertools.islice(stream, SAMPLE))
        if any("\0" in line for line in head):
            no_text(path)
        if not any(line.strip() for line in head):
            raise unreadable(path, "it is empty")
        self.dialect = _recognised(path, head, separator, decimal)
        with _errors(path):
            names = next(self.dialect.records(head))
        if not names[0].strip():
            names[0] = ""
        for index, name in enumerate(names):
            if index and not name.strip():
                raise DataError(
                    f"{path}: column {index + 1} has no name in the header; it has "
                    f"{', '.join(map(repr, names))}"
                )
            if name in names[:index]:
                raise DataError(
                    f"{path}: two columns have the name {name!r}: rename one in the header"
                )
        self.names = names

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Some columns (n_rows, n_names); see the base class.

        Raises DataError also for a row that is not as long as the header, and for an integer that
        float64 does not hold.
        """
        columns = [self.names.index(name) for name in names]
        values = array("d")
        with opened(self.path) as stream:
            records = self.dialect.records(stream)
            next(records)
            for row, fields in enumerate(records):
                if len(fields) != len(self.names):
                    raise _length_error(self.path, row, fields, self.names)
                for column in columns:
                    values.append(self._number(column, row, fields[column]))
        if not values:
            raise DataError(f"{self.path} has no rows")
        return np.frombuffer(values, np.float64).reshape(-1, len(names))

    def n_rows(self) -> int:
        """Number of lines after the header that are not empty."""
        with opened(self.path) as stream:
            return sum(1 for line in stream if line.strip()) - 1

    def _number(self, column: int, row: int, text: str) -> float:
        number = self.dialect.number(text)
        text = text.strip()
        name = self.names[column]
        if number is None or number in (np.inf, -np.inf):
            raise self.no_number(name, row, self._shown(text))
        if abs(number) >= LARGEST_INTEGER and INTEGER.fullmatch(text) and int(text) != number:
            raise self.no_number(name, row, f"{text}: {TOO_LONG}")
        return number

    def _shown(self, text: str) -> str:
        if text.lower() in MISSING:
            return f"it is missing ({text})" if text else "it is missing"
        if text.lower() in ("true", "false"):
            return f"{text}: write 1 and 0"
        other = DECIMALS[self.dialect.decimal == DECIMALS[0]]
        if NUMBERS[other].fullmatch(text):
            return f"{text} (decimal is {self.dialect.decimal!r} here: give the key decimal)"
        return text


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """The text in a file, unpacked. Raises DataError when it cannot be read as such."""
    with _errors(path), ExitStack() as stack:
        found = format_of(path)
        raw: Any
        if found == GZIP:
            raw = stack.enter_context(gzip.open(path))
        elif found == ZIP:
            archive = stack.enter_context(zipfile.ZipFile(path))
            raw = stack.enter_context(archive.open(_only_file(path, archive)))
        else:
            raw = stack.enter_context(path.open("rb"))
        # UTF-16, which spreadsheets call Unicode text, begins with a mark.
        wide = raw.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if wide else "utf-8-sig"
        yield stack.enter_context(io.TextIOWrapper(raw, encoding, newline=""))


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Turn the errors of the libraries that unpack and decode into one line."""
    try:
        yield
    except UnicodeDecodeError as error:
        if b"\0" in error.object:
            no_text(path)
        byte, before = error.object[error.start], error.object[: error.start][-20:]
        raise unreadable(
            path,
            f"it is not in UTF-8: byte {byte:#x} after {before.decode(errors='replace')!r}; "
            "convert it, such as with iconv -f ISO-8859-1 -t UTF-8",
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise unreadable(path, f"it is damaged: {error}") from None
    # RuntimeError: a zip archive with a password
    except (OSError, RuntimeError, csv.Error) as error:
        raise unreadable(path, error) from None


def _only_file(path: Path, archive: zipfile.ZipFile) -> str:
    names = [
        one
        for one in archive.namelist()
        if not one.endswith("/") and not one.startswith("__MACOSX/")
    ]
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise unreadable(path, "it is a document of an office program: save the table as CSV")
    if len(names) != 1:
        raise unreadable(path, f"the archive has {len(names)} files; it must have one: unpack it")
    return names[0]


def _recognised(path: Path, head: list[str], separator: str | None, decimal: str | None) -> Dialect:
    """The dialect of a text that begins with some lines. Raises DataError for none or several."""
    n_fields: dict[str, tuple[int, list[list[str]]]] = {}
    for one in [separator] if separator else SEPARATORS:
        records = list(_complete(Dialect(one, "."), head))
        if records:
            n_fields[one] = (len(records[0]), records)
    if not n_fields:
        raise unreadable(path, "its first line ends within quotes")
    # Where there is a separator in the header, a table with one column is none.
    several = {one for one, (count, _) in n_fields.items() if count > 1}
    if several - {"blank"}:
        n_fields = {one: n_fields[one] for one in n_fields if one in several}
    scores: dict[Dialect, tuple[float, bool]] = {}
    read: dict[Dialect, tuple] = {}
    for one, (count, (header, *rows)) in n_fields.items():
        if any(len(fields) != count for fields in rows):
            continue
        for mark in [decimal] if decimal else DECIMALS:
            dialect = Dialect(one, mark)
            values = [[dialect.number(field) for field in fields] for fields in rows]
            n_numbers = sum(value is not None for fields in values for value in fields)
            scores[dialect] = (n_numbers / max(count * len(rows), 1), count > 1)
            read[dialect] = (header, values)
    if not scores:
        count, (header, *rows) = max(n_fields.values(), key=lambda one: one[0])
        row = next(row for row, fields in enumerate(rows) if len(fields) != count)
        raise _length_error(path, row, rows[row], header)
    best = [one for one in scores if scores[one] == max(scores.values())]
    chosen = best[0]
    unclear = any(read[one] != read[chosen] for one in best)
    if decimal is None and chosen.decimal == ",":
        rows = n_fields[chosen.separator][1][1:]
        marked = [field.strip() for fields in rows for field in fields if "," in field]
        unclear |= all(map(THOUSANDS.fullmatch, filter(chosen.number, marked)))
    if unclear:
        raise DataError(
            f"{path}: it is not clear what separates its columns, or which decimal mark it has: "
            "give the keys separator (',', ';', tab or blank) and decimal ('.' or ',')"
        )
    return chosen


def _complete(dialect: Dialect, head: list[str]) -> Iterator[list[str]]:
    """The records of some lines; the last one may be cut off within quotes, or be none here."""
    try:
        yield from dialect.records(head)
    except csv.Error:
        return


def _length_error(path: Path, row: int, fields: list[str], header: Sequence[str]) -> DataError:
    comma = note = ""
    if not fields[-1].strip():
        comma = " (what follows its last comma, or other separator, counts)"
    elif row == 0 and len(fields) == len(header) + 1:
        note = "; give its first column a name if these are names of rows, as R writes them"
    return DataError(
        f"{path}: row {row + 1} has {len(fields)} fields{comma}, the header {len(header)}{note}"
    )


def _unquoted(found: re.Match) -> str:
    quoted, plain = found.groups()
    return plain if quoted is None else quoted.replace('""', '"')
