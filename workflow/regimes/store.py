"""Write and read the NetCDF files of every stage."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from regimes.atomic import replacing
from regimes.errors import StoreError
from regimes.revision import git_commit, package_version, package_versions

CONVENTIONS = "CF-1.11"


def write(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    title: str,
    source: str,
    references: str,
    config: Mapping[str, Any],
    device: str = "cpu",
) -> None:
    """Write a dataset as compressed NetCDF4 with checksums, complete or not at all.

    Every variable and coordinate needs the attributes `long_name` and `units` ("1" if it has
    none). The dataset's own global attributes are kept; those named here, `history`,
    `regimes_version`, `git_commit`, `torch_version`, `created` and `Conventions` are added.
    A variable whose `encoding` asks for the `dtype` float32 is stored in that.

    config: the effective settings behind the file, stored as JSON.
    device: where the numbers were computed.
    Raises ValueError, naming the variable, when `long_name` or `units` is missing.
    """
    check_described(dataset)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    attributes = {
        **dataset.attrs,
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
    }
    encoding = {str(name): _encoding(variable) for name, variable in dataset.variables.items()}
    for name in dataset.coords:  # CF allows no missing values in coordinates
        encoding[str(name)]["_FillValue"] = None
    with replacing(path) as temporary:
        dataset.assign_attrs(attributes).to_netcdf(temporary, engine="netcdf4", encoding=encoding)


def read(path: str | Path) -> xr.Dataset:
    """Read a file into memory and close it.

    Raises StoreError when the file is missing, truncated or corrupt; the checksums in the file
    are compared for every value.
    """
    path = Path(path)
    cure = "run the same command again to make it"
    if not path.is_file():
        raise StoreError(f"{path} does not exist: {cure}")
    try:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return dataset.load()
    except Exception as error:  # netCDF4 and xarray raise many kinds for a damaged file
        reason = " ".join(str(error).split())[:120]
        raise StoreError(
            f"{path} is truncated or corrupt ({reason}): delete it and {cure}"
        ) from error


def check_described(dataset: xr.Dataset) -> None:
    """Raise ValueError, naming the variable, unless each one has `long_name` and `units`."""
    for name, variable in dataset.variables.items():
        for attribute in ("long_name", "units"):
            if not variable.attrs.get(attribute):
                raise ValueError(f"variable {name!r} has no attribute {attribute!r}")


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    if variable.dtype.kind not in "biufc":
        return {}  # strings have variable length, to which no filter applies
    encoding: dict[str, Any] = {"_FillValue": np.nan if variable.dtype.kind == "f" else None}
    if variable.dtype.kind == "f" and str(variable.encoding.get("dtype")) == "float32":
        encoding["dtype"] = "float32"
    if variable.ndim:
        encoding.update(zlib=True, complevel=4, shuffle=True, fletcher32=True)
    return encoding
