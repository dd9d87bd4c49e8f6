"""Compare two results: by how much their variables differ, and where, as a Markdown table.

  regimes compare results/measures/phase_diagram.nc elsewhere/results/measures/phase_diagram.nc
  regimes compare razborov2022_random razborov2022_local --rtol 1e-3
  regimes compare on_cpu/results on_gpu/results --within 1e-6

A and B are NetCDF files, experiments (their measures below --directory) or directories, of which
the measures that both have are compared. Where the coordinates differ, what both have is compared,
and said. --within RTOL makes the exit code 1 unless all values agree to that relative tolerance and
all variables and coordinates of one are there in the other; settings may differ.
"""

import argparse
import csv
import json
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from regimes.errors import StoreError
from regimes.storage import store
from regimes.storage.atomic import replacing
from regimes.tools.settings import differences

SUMMARY = "by how much two results differ, and where"
HEADER = ("variable", "values", "equal", "largest absolute", "largest relative", "where")


@dataclass(frozen=True)
class Row:
    """How two variables differ.

    values: how many were compared. equal: the share of them that agree within the tolerance.
    absolute, relative: the largest differences; infinite where only one value is finite, NaN for
    text. where: coordinates of the largest relative difference.
    """

    file: str
    variable: str
    values: int
    equal: float
    absolute: float
    relative: float
    where: str


@dataclass(frozen=True)
class Comparison:
    """How two files differ.

    rows: of the variables that both have. notes: on values that are missing in one of them.
    settings: key and both values of those that differ. remarks: on differences that concern no
    value, such as another order.
    """

    name: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    settings: tuple[tuple[str, str, str], ...]
    remarks: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two results and the tolerance."""
    for name in ("A", "B"):
        parser.add_argument(name.lower(), metavar=name, help="file, experiment or directory")
    parser.add_argument(
        "--rtol", type=_tolerance, default=0.0, help="relative tolerance of equal values (0)"
    )
    parser.add_argument(
        "--atol", type=_tolerance, default=0.0, help="absolute tolerance, added to it (0)"
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="where experiments lie")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument(
        "--within", type=_tolerance, metavar="RTOL", help="exit code 1 unless all agree so far"
    )


def _tolerance(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a finite number of at least 0")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; the exit code is 1 if --within is given and not kept."""
    rtol = arguments.rtol if arguments.within is None else arguments.within
    pairs, notes = paired(arguments.a, arguments.b, arguments.directory)
    comparisons = [
        compare(
            store.read(first, strict=False),
            store.read(second, strict=False),
            rtol,
            arguments.atol,
            name,
        )
        for name, first, second in pairs
    ]
    tolerance = f"relative {rtol:g}" + (f" plus {arguments.atol:g}" if arguments.atol else "")
    print(f"A: {arguments.a}  \nB: {arguments.b}  \nequal: within {tolerance}\n")
    for note in notes:
        print(f"- {note}")
    if notes:
        print()
    for comparison in comparisons:
        print(to_markdown(comparison))
    if arguments.csv:
        write_csv(comparisons, arguments.csv)
    if arguments.within is None:
        return 0
    return 0 if not notes and all(map(agree, comparisons)) else 1


def paired(
    first: str, second: str, directory: Path
) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """Names and paths of the files to compare, and what only one of two directories has.

    Raises StoreError when there are none.
    """
    paths = [_found(name, directory) for name in (first, second)]
    if paths[0].is_dir() != paths[1].is_dir():
        raise StoreError(f"{first} and {second}: a directory cannot be compared with a file")
    if not paths[0].is_dir():
        return [(paths[0].stem, paths[0], paths[1])], []
    folders = [_measures(path) for path in paths]
    names = [{path.name for path in folder.glob("*.nc")} for folder in folders]
    both = sorted(names[0] & names[1])
    if not both:
        raise StoreError(f"{first} and {second} have no measures of the same experiment")
    notes = [f"only A has {name}" for name in sorted(names[0] - names[1])]
    notes += [f"only B has {name}" for name in sorted(names[1] - names[0])]
    return [(Path(name).stem, folders[0] / name, folders[1] / name) for name in both], notes


def _found(name: str, directory: Path) -> Path:
    for path in (Path(name), directory / "results/measures" / f"{name}.nc"):
        if path.exists():
            return path
    raise StoreError(f"{name} is no file, no directory and no experiment with measures here")


def _measures(directory: Path) -> Path:
    """The folder of measures in a checkout, a results folder or one of NetCDF files."""
    for below in ("results/measures", "measures"):
        if (directory / below).is_dir():
            return directory / below
    return directory


def compare(
    first: xr.Dataset, second: xr.Dataset, rtol: float = 0.0, atol: float = 0.0, name: str = ""
) -> Comparison:
    """How two results differ, their coordinates included.

    rtol, atol: tolerances of values that count as equal. name: of both, for the report. Raises
    StoreError when a dimension whose coordinates differ has a value twice, so that nothing says
    which belong together.
    """
    notes = [f"only A has {key}" for key in first.variables if key not in second.variables]
    notes += [f"only B has {key}" for key in second.variables if key not in first.variables]
    configs = [json.loads(one.attrs.get("config", "{}")) for one in (first, second)]
    remarks: list[str] = []
    for dim in first.indexes:
        if dim in second.indexes and not first.indexes[dim].equals(second.indexes[dim]):
            note, same_values = _other_coordinates(first.indexes[dim], second.indexes[dim], name)
            (remarks if same_values else notes).append(note)
    rows = []
    for key in first.variables:
        # The notes tell of a dimension's coordinates.
        if key not in second.variables or (key in first.indexes and key in second.indexes):
            continue
        left, right = first[key], second[key]
        if set(left.dims) != set(right.dims):
            notes.append(f"{key} has dimensions {left.dims} in A, {right.dims} in B")
            continue
        unlabelled = [
            dim
            for dim in left.dims
            if left.sizes[dim] != right.sizes[dim]
            and not (dim in left.indexes and dim in right.indexes)
        ]
        if unlabelled:
            notes.append(f"{key} has {unlabelled[0]} of other lengths without coordinates")
            continue
        left, right = xr.align(left, right.transpose(*left.dims), join="inner", copy=False)
        if left.size or not (first[key].size or second[key].size):
            rows.append(_row(str(key), left, right, rtol, atol, name))
        else:
            notes.append(f"{key} has no coordinates in common")
    settings = tuple(differences(*configs))
    return Comparison(name, tuple(rows), tuple(notes), settings, tuple(remarks))


def _other_coordinates(first: pd.Index, second: pd.Index, name: str) -> tuple[str, bool]:
    """How the differing coordinates of a dimension differ; True if in their order alone."""
    for label, one in (("A", first), ("B", second)):
        if not one.is_unique:
            raise StoreError(
                f"{name}: {one.name} has a value twice in {label}, and other values in the other"
            )
    common = len(first.intersection(second))
    if len(first) == len(second) == common:
        return f"{first.name} has the same values in another order", True
    counts = f"{len(first)} values in A, {len(second)} in B, {common} of them in both"
    return f"{first.name} has {counts}", False


def _row(
    name: str, left: xr.DataArray, right: xr.DataArray, rtol: float, atol: float, file: str
) -> Row:
    """How two variables of the same shape differ."""
    if not left.size:
        return Row(file, name, 0, 1.0, 0.0, 0.0, "")
    if not all(one.dtype.kind in "biufc" for one in (left, right)):
        equal = np.asarray(left.values == right.values)
        where = "" if equal.all() else _where(left, int(np.argmin(equal)))
        return Row(file, name, equal.size, float(equal.mean()), math.nan, math.nan, where)
    kind = complex if "c" in (left.dtype.kind, right.dtype.kind) else np.float64
    a, b = left.values.astype(kind), right.values.astype(kind)
    # Compared before the cast, in which large integers become equal. Values that are undefined in
    # both, or infinite with the same sign, do not differ.
    same = np.asarray(left.values == right.values) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        absolute = np.where(same, 0.0, np.abs(a - b))
        if all(one.dtype.kind in "iu" for one in (left, right)):
            pairs = zip(left.values[~same].tolist(), right.values[~same].tolist(), strict=True)
            absolute[~same] = [float(abs(one - other)) for one, other in pairs]
        largest = np.maximum(np.abs(a), np.abs(b))
        relative = np.where(same, 0.0, absolute / largest)
    # One value is finite and the other is not, or one is undefined.
    absolute[~same & ~np.isfinite(absolute)] = np.inf
    relative[~same & ~np.isfinite(relative)] = np.inf
    # Infinite differences exceed every tolerance.
    equal = same | (np.isfinite(absolute) & (absolute <= atol + rtol * largest))
    where = "" if same.all() else _where(left, int(np.argmax(relative)))
    largest_ones = (float(absolute.max()), float(relative.max()))
    return Row(file, name, equal.size, float(equal.mean()), *largest_ones, where)


def _where(values: xr.DataArray, position: int) -> str:
    index = np.unravel_index(position, values.shape)
    parts = []
    for dim, place in zip(values.dims, index, strict=True):
        label = values.indexes[dim][place] if dim in values.indexes else f"[{place}]"
        parts.append(f"{dim}={label:g}" if isinstance(label, float) else f"{dim}={label}")
    return ", ".join(parts)


def agree(comparison: Comparison) -> bool:
    """Whether all values are there and agree within the tolerance; settings may differ."""
    return not comparison.notes and all(row.equal == 1.0 for row in comparison.rows)


def to_markdown(comparison: Comparison) -> str:
    """The comparison of two files as Markdown."""
    lines = [f"## {comparison.name}", ""]
    if comparison.settings:
        lines += ["| setting | A | B |", "| --- | --- | --- |"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in comparison.settings]
        lines.append("")
    notes = [*comparison.notes, *comparison.remarks]
    lines += [f"- {note}" for note in notes] + [""] * bool(notes)
    lines += [f"| {' | '.join(HEADER)} |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for row in comparison.rows:
        cells = (
            row.variable,
            str(row.values),
            # Rounded down: 100 % must mean that all values are equal.
            f"{math.floor(1e4 * row.equal) / 1e2:g} %",
            "" if math.isnan(row.absolute) else f"{row.absolute:.2g}",
            "" if math.isnan(row.relative) else f"{row.relative:.2g}",
            row.where,
        )
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write_csv(comparisons: Sequence[Comparison], path: Path) -> None:
    """The rows of all comparisons as CSV."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(field.name for field in fields(Row))
        writer.writerows(astuple(row) for one in comparisons for row in one.rows)
