"""The settings that all experiments share, whatever engine trains them."""

from typing import Annotated, Literal

from pydantic import Field

from regimes.config.axes import ModuleName, Name, check_disjoint, check_split
from regimes.config.base import Model

# Axes of names: the key that defines the names, and the word for one of them.
NAMED_BY = {"model": ("models", "model"), "node_scaling": ("node_scalings", "node scaling")}

Device = Literal["auto", "cpu", "cuda"]

SplitBy = Annotated[
    tuple[Name, ...],
    Field(
        description="Axes that separate jobs; the others are trained as one batch. Jobs start in "
        "the order of the grids, then of these axes, low values first: put first the axis whose "
        "low values are slow."
    ),
]


class AxesSettings(Model):
    """A grid; each axis of numbers is a list or {start, stop, step}."""

    def given(self) -> dict[str, tuple]:
        """The axes that have values, in the order of the files."""
        return {name: values for name, values in dict(self).items() if values is not None}


class ExperimentSettings(Model):
    """Base of the settings of an experiment, which add `engine`, their axes and perhaps `grids`."""

    paper: Name = Field(description="Paper that the experiment belongs to, a key of `papers`.")
    dataset: Name = Field(description="Data, a key of `datasets`.")
    axes: AxesSettings = Field(description="The grid of settings.")
    split_by: SplitBy
    measure: ModuleName = Field(
        description="Module that measures the runs, of the experiment's paper or `paper.module`, "
        "or a function of your own, `FILE.py:FUNCTION`."
    )
    on_request: bool = Field(
        default=False, description="Made only when it is asked for by name, not by `all`."
    )
    device: Device | None = Field(
        default=None,
        description="Where it is trained and probed, in place of the top-level `device`; does not "
        "change results' names.",
    )
    keep_states: bool = Field(
        default=True,
        description="Whether the top-level `keep_states` holds for it: false where states are "
        "large and no cap is to be raised. Changes no result's name.",
    )

    def all_grids(self) -> list[dict[str, tuple]]:
        """Return the complete grids, their axes in the order of the files.

        By default an axis of names has all names that are defined.
        """
        named = {
            axis: tuple(getattr(self, key))
            for axis, (key, _) in NAMED_BY.items()
            if getattr(self, key, None)
        }
        parts = [grid.given() for grid in getattr(self, "grids", ())] or [{}]
        merged = [named | self.axes.given() | part for part in parts]
        return [
            {name: grid[name] for name in type(self.axes).model_fields if name in grid}
            for grid in merged
        ]

    def check_grids(self, *needed: str) -> list[dict[str, tuple]]:
        """The grids; ValueError unless they have the needed axes and fit each other."""
        grids = self.all_grids()
        for grid in grids:
            for axis in needed:
                if axis not in grid:
                    raise ValueError(f"axes.{axis} is missing")
            for axis in NAMED_BY.keys() & grid.keys():
                self._check_names(axis, grid[axis])
        if len({tuple(grid) for grid in grids}) > 1:
            raise ValueError("grids must have the same axes, their own or those of `axes`")
        check_split(self.split_by, list(grids[0]))
        check_disjoint(grids)
        return grids

    def _check_names(self, axis: str, names: tuple[str, ...]) -> None:
        key, what = NAMED_BY[axis]
        known = getattr(self, key)
        for name in names:
            if name not in known:
                raise ValueError(f"axes.{axis}: {name!r} is no {what}; allowed: {', '.join(known)}")
            if names.count(name) > 1:
                raise ValueError(f"axes.{axis}: {name!r} is there twice")
