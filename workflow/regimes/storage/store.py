"""Write and read the NetCDF files of every stage."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Files are written under a name of their own and read as a whole, so that nothing needs the locks
# of HDF5, which some file systems refuse. It reads this when it is loaded.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore

from regimes.errors import DamagedError, ForeignError
from regimes.jobs.resources import used
from regimes.storage.sealed import CURE, read_sealed, sealed
from regimes.storage.versions import git_commit, package_version, package_versions

CONVENTIONS = "CF-1.11"
# Keys in the encoding of a variable that is stored as integers.
PACKING = ("dtype", "scale_factor", "add_offset")
# Number of rows of a packed variable that are in memory a second time.
ROWS_AT_ONCE = 1000


def write(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    title: str,
    source: str,
    references: str,
    config: Mapping[str, Any],
    device: str = "cpu",
    **attributes: str,
) -> None:
    """Write a dataset as compressed NetCDF4 with a digest at its end, complete or not at all.

    Every variable and coordinate needs the attributes `long_name` and `units` ("1" if it has
    none). The dataset's own global attributes are kept; those named here, `history`,
    `regimes_version`, `git_commit`, `torch_version`, `created`, `Conventions` and what the job has
    used (`cpu_seconds`, `wall_seconds`, `peak_memory` in bytes) are added.
    A variable whose `encoding` asks for the `dtype` float32 is stored in that; one whose encoding
    has `scale_factor` and `add_offset`, as integers of its `dtype`.

    config: the effective settings behind the file, stored as JSON.
    device: where the numbers were computed.
    attributes: further global attributes.
    Raises ValueError, naming the variable, when `long_name` or `units` is missing, or when a
    variable is not what its `scale_factor` and `add_offset` make of integers.
    """
    check_described(dataset)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    described = {
        **dataset.attrs,
        **attributes,
        "title": title,
        "source": source,
        "references": references,
        "history": f"{created} {title}",
        "regimes_version": package_version(),
        "git_commit": git_commit(),
        "config": json.dumps(config, sort_keys=True),
        "device": device,
        "torch_version": package_versions("torch")["torch"],
        "created": created,
        "Conventions": CONVENTIONS,
        **used(),
    }
    dataset = dataset.assign(
        {
            name: _packed(variable)
            for name, variable in dataset.data_vars.items()
            if variable.encoding.keys() >= set(PACKING)
        }
    )
    encoding = {str(name): _encoding(variable) for name, variable in dataset.variables.items()}
    for name in dataset.coords:  # CF allows no missing values in coordinates
        encoding[str(name)]["_FillValue"] = None
    with sealed(path) as temporary:
        dataset.assign_attrs(described).to_netcdf(temporary, engine="netcdf4", encoding=encoding)


def read(path: str | Path, *, identity: str | None = None, strict: bool = True) -> xr.Dataset:
    """Read a file into memory.

    identity: that of the stage that is to have made it; None: whatever it is. strict: whether a
    file without a digest is refused, as one of another program is.
    Raises StoreError, naming the file, when it is missing, cannot be read, is damaged (its digest
    is compared before anything else is looked at), or is another one than `identity` says.
    """
    with _opened(path, strict) as file:
        found = file.__dict__
        if identity is not None and found.get("identity") != identity:
            raise ForeignError(
                f"{path} is another file than planned, {found.get('title')!r}: {CURE}"
            )
        return xr.open_dataset(NetCDF4DataStore(file)).load()


def read_attributes(path: str | Path, *, strict: bool = True) -> dict[str, Any]:
    """Global attributes of a file; raises StoreError as `read` does."""
    with _opened(path, strict) as file:
        return dict(file.__dict__)


@contextmanager
def _opened(path: str | Path, strict: bool) -> Iterator[netCDF4.Dataset]:
    content = read_sealed(path, strict=strict)
    try:
        file = netCDF4.Dataset(str(path), memory=content)
    except OSError as error:
        raise DamagedError(f"{path} is no NetCDF file, or damaged ({error.strerror})") from None
    with file:
        yield file


def check_described(dataset: xr.Dataset) -> None:
    """Raise ValueError, naming the variable, unless each one has `long_name` and `units`."""
    for name, variable in dataset.variables.items():
        for attribute in ("long_name", "units"):
            if not variable.attrs.get(attribute):
                raise ValueError(f"variable {name!r} has no attribute {attribute!r}")


def _packed(variable: xr.DataArray) -> xr.Variable:
    """The integers behind a variable, with the attributes from which readers restore it."""
    # Packed here, since xarray warns that integers hold no NaN and does not notice values that the
    # integers cannot hold.
    dtype, scale, offset = (variable.encoding[name] for name in PACKING)
    values = np.atleast_1d(variable.values)
    integers = np.empty(values.shape, dtype)
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        with np.errstate(invalid="ignore"):  # what fits no integer is found below
            integers[rows] = np.rint((values[rows] - offset) / scale)
        if not np.array_equal(integers[rows].astype(np.float64) * scale + offset, values[rows]):
            raise ValueError(f"{variable.name!r} is no {dtype} times {scale} plus {offset}")
    attributes = variable.attrs | {"scale_factor": scale, "add_offset": offset}
    return xr.Variable(variable.dims, integers.reshape(variable.shape), attributes)


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    if variable.dtype.kind not in "biufc":
        return {}  # strings have variable length, to which no filter applies
    encoding: dict[str, Any] = {"_FillValue": np.nan if variable.dtype.kind == "f" else None}
    if variable.dtype.kind == "f" and str(variable.encoding.get("dtype")) == "float32":
        encoding["dtype"] = "float32"
    if variable.ndim:
        encoding.update(zlib=True, complevel=4, shuffle=True, fletcher32=True)
    return encoding
