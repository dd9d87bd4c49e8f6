"""Gather the claims of all papers in one dataset."""

from collections.abc import Mapping

import xarray as xr


def gather(verdicts: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The verdicts on the claims of all papers, one after the other.

    verdicts: by paper, as made by `claims.core.evaluate`; ids of claims must differ.
    Returns their variables over `claim`, and `paper` and `scale` of each claim. Raises ValueError
    when two papers have claims of the same id.
    """
    parts = []
    for paper, dataset in verdicts.items():
        columns = {
            "paper": (paper, "paper that makes the claim, a key of `papers` in the config"),
            "scale": (dataset.attrs["scale"], "scale that the claim was measured at"),
        }
        parts.append(
            dataset.assign(
                {
                    name: (
                        "claim",
                        [value] * dataset.sizes["claim"],
                        {"long_name": long_name, "units": "1"},
                    )
                    for name, (value, long_name) in columns.items()
                }
            )
        )
    result = xr.concat(parts, "claim", combine_attrs="override").drop_attrs(deep=False)
    ids = result["claim"].values.tolist()
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise ValueError(f"claims of two papers have the same id: {', '.join(twice)}")
    return result
