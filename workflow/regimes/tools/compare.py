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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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

    values: number of those compared. equal: share that agree within the tolerance. absolute,
    relative: the largest differences, infinite where only one value is finite; NaN for text.
    where: coordinates of the largest relative difference.
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
    """Rows for the variables that both have, what does not match, and settings that differ.

    remarks: what differs without a value being another, or missing.
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
        raise argparse.ArgumentTypeError(f"{text} is no tolerance")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; 1 if it is not within the wanted tolerance."""
    rtol = arguments.rtol if arguments.within is None else arguments.within
    pairs, notes = paired(arguments.a, arguments.b, arguments.directory)
    comparisons = [
        compare(store.read(first), store.read(second), rtol, arguments.atol, name)
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
    names = [{path.name for path in _measures(path).glob("*.nc")} for path in paths]
    both = sorted(names[0] & names[1])
    if not both:
        raise StoreError(f"{first} and {second} have no measures of the same experiment")
    notes = [f"only A has {name}" for name in sorted(names[0] - names[1])]
    notes += [f"only B has {name}" for name in sorted(names[1] - names[0])]
    pairs = [(Path(name).stem, *(_measures(path) / name for path in paths)) for name in both]
    return pairs, notes


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

    rtol, atol: tolerances of values that count as equal. Raises StoreError when a dimension whose
    coordinates differ has a value twice, so that nothing says which belong together.
    """
    notes = [f"only {one} has {key}" for one, key in _unshared(first, second)]
    settings = tuple(differences(_config(first), _config(second)))
    rows = []
    differing = list(_differing(first, second, name))
    notes += _coordinate_notes(first, second, differing)
    remarks = [f"{dim} has the same values in another order" for dim, same in differing if same]
    for key in first.variables:
        # Of a dimension's coordinates the notes tell.
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
    return Comparison(name, tuple(rows), tuple(notes), settings, tuple(remarks))


def _config(dataset: xr.Dataset) -> object:
    return json.loads(dataset.attrs.get("config", "{}"))


def _unshared(first: xr.Dataset, second: xr.Dataset) -> Iterator[tuple[str, str]]:
    for label, one, other in (("A", first, second), ("B", second, first)):
        for key in one.variables:
            if key not in other.variables:
                yield label, str(key)


def _differing(first: xr.Dataset, second: xr.Dataset, name: str) -> Iterator[tuple[str, bool]]:
    """Dimensions whose coordinates differ, and whether but in their order."""
    for dim in first.indexes:
        if dim in second.indexes and not first.indexes[dim].equals(second.indexes[dim]):
            for label, one in (("A", first), ("B", second)):
                if not one.indexes[dim].is_unique:
                    raise StoreError(
                        f"{name}: {dim} has a value twice in {label}, and other values in the other"
                    )
            sizes = {len(one.indexes[dim]) for one in (first, second)}
            yield str(dim), sizes == {_in_both(first, second, str(dim))}


def _in_both(first: xr.Dataset, second: xr.Dataset, dim: str) -> int:
    return len(first.indexes[dim].intersection(second.indexes[dim]))


def _coordinate_notes(
    first: xr.Dataset, second: xr.Dataset, differing: Sequence[tuple[str, bool]]
) -> Iterator[str]:
    for dim, reordered in differing:
        if not reordered:
            counts = [len(one.indexes[dim]) for one in (first, second)]
            common = _in_both(first, second, dim)
            yield f"{dim} has {counts[0]} values in A, {counts[1]} in B, {common} of them in both"


def _row(
    name: str, left: xr.DataArray, right: xr.DataArray, rtol: float, atol: float, file: str
) -> Row:
    if not left.size:
        return Row(file, name, 0, 1.0, 0.0, 0.0, "")
    if not all(one.dtype.kind in "biufc" for one in (left, right)):
        equal = np.asarray(left.values == right.values)
        where = "" if equal.all() else _where(left, int(np.argmin(equal)))
        return Row(file, name, equal.size, float(equal.mean()), math.nan, math.nan, where)
    kind = complex if "c" in (left.dtype.kind, right.dtype.kind) else np.float64
    a, b = left.values.astype(kind), right.values.astype(kind)
    # Before the cast: large integers become equal in it. What is undefined, or infinite, in both
    # alike does not differ.
    same = np.asarray(left.values == right.values) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        absolute = np.where(same, 0.0, np.abs(a - b))
        if all(one.dtype.kind in "iu" for one in (left, right)):
            pairs = zip(left.values[~same].tolist(), right.values[~same].tolist(), strict=True)
            absolute[~same] = [float(abs(one - other)) for one, other in pairs]
        largest = np.maximum(np.abs(a), np.abs(b))
        relative = np.where(same, 0.0, absolute / largest)
    # One is finite, the other not; or a number stands against none.
    absolute[~same & ~np.isfinite(absolute)] = np.inf
    relative[~same & ~np.isfinite(relative)] = np.inf
    # Both infinite where only one value is finite: not equal, whatever is allowed.
    equal = same | (np.isfinite(absolute) & (absolute <= atol + rtol * largest))
    worst = int(np.argmax(relative))
    return Row(
        file,
        name,
        equal.size,
        float(equal.mean()),
        float(absolute.max()),
        float(relative.max()),
        "" if same.all() else _where(left, worst),
    )


def _where(values: xr.DataArray, position: int) -> str:
    index = np.unravel_index(position, values.shape)
    parts = []
    for dim, place in zip(values.dims, index, strict=True):
        label = values.indexes[dim][place] if dim in values.indexes else f"[{place}]"
        parts.append(f"{dim}={label:g}" if isinstance(label, float) else f"{dim}={label}")
    return ", ".join(parts)


def agree(comparison: Comparison) -> bool:
    """Whether nothing but settings, and orders, differs beyond the tolerance."""
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
            # Down: a share that is not all must not look like it.
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
        writer.writerow(Row.__dataclass_fields__)
        for comparison in comparisons:
            for row in comparison.rows:
                writer.writerow(getattr(row, name) for name in Row.__dataclass_fields__)
