"""Axes of grids and names: the types of keys that the models of experiments share."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from regimes.config.base import finite
from regimes.config.own_code import check_function, looks_own

RANGE_KEYS = ("start", "stop", "step")
LONGEST_AXIS = 10_000
# Of experiments, figures and so on, which are parts of the names of files.
LONGEST_NAME = 100
# Whole numbers below this are exact in float64, with which coordinates are compared.
LARGEST_INTEGER = 2**53
# Powers of the width beyond these overflow, and neurons beyond this number fit no memory.
LARGEST_EXPONENT = 10
LARGEST_WIDTH = 100_000_000
# Number of times at which a run is recorded.
MOST_RECORDS = 100_000


def _axis_values(value: Any) -> tuple[float, ...]:
    """Values of an axis, sorted and unique, from a list or from {start, stop, step}."""
    if isinstance(value, dict):
        numbers = _range_values(value)
    elif isinstance(value, (list, tuple)):
        if len(value) > LONGEST_AXIS:
            raise ValueError(f"an axis may have at most {LONGEST_AXIS} values, not {len(value)}")
        numbers = [_axis_number(item) for item in value]
    else:
        raise ValueError("must be a list of numbers or {start, stop, step}")
    if not numbers:
        raise ValueError("needs at least one value")
    # Adding 0 turns -0.0, which would be a coordinate of its own, into 0.0.
    return tuple(sorted({float(number) + 0.0 for number in numbers}))


def _range_values(value: dict[str, Any]) -> list[Decimal]:
    if sorted(value) != sorted(RANGE_KEYS):
        raise ValueError(
            f"a range has the keys start, stop and step, not {', '.join(map(str, value))}"
        )
    # Decimals, so that no value reads 0.30000000000000004 in a file name or a coordinate.
    start, stop, step = (_axis_number(value[key]) for key in RANGE_KEYS)
    if step <= 0 or stop < start:
        raise ValueError("a range needs step > 0 and stop >= start")
    if (stop - start) / step >= LONGEST_AXIS:
        raise ValueError(f"an axis may have at most {LONGEST_AXIS} values")
    count, remainder = divmod(stop - start, step)
    if remainder:
        raise ValueError("a range must reach its stop in whole steps")
    return [start + index * step for index in range(int(count) + 1)]


def _axis_number(value: Any) -> Decimal:
    return Decimal(repr(finite(value)))


def _whole_numbers(smallest: int) -> Any:
    def check(values: tuple[float, ...]) -> tuple[int, ...]:
        for value in values:
            if value != int(value) or value < smallest:
                raise ValueError(f"{value:g} is not a whole number of at least {smallest}")
            if value >= LARGEST_INTEGER:
                raise ValueError(f"{value:g} is too large: whole numbers must be below 2^53")
        return tuple(int(value) for value in values)

    return check


def _bounded(values: tuple[float, ...], largest: float) -> tuple[float, ...]:
    for value in values:
        if abs(value) > largest:
            raise ValueError(f"{value:g} is not between {-largest:g} and {largest:g}")
    return values


def _not_negative(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if value < 0:
            raise ValueError(f"{value:g} is negative")
    return values


def _axis_schema(kind: str) -> WithJsonSchema:
    item = {"type": kind}
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": item, "minItems": 1},
                {
                    "type": "object",
                    "properties": dict.fromkeys(RANGE_KEYS, item),
                    "required": list(RANGE_KEYS),
                    "additionalProperties": False,
                },
            ]
        }
    )


ExponentAxis = Annotated[
    tuple[float, ...],
    BeforeValidator(lambda value: _bounded(_axis_values(value), LARGEST_EXPONENT)),
    _axis_schema("number"),
]
WidthAxis = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda value: _whole_numbers(1)(_bounded(_axis_values(value), LARGEST_WIDTH))),
    _axis_schema("integer"),
]
CountAxis = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda value: _whole_numbers(1)(_axis_values(value))),
    _axis_schema("integer"),
]
SeedAxis = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda value: _whole_numbers(0)(_axis_values(value))),
    _axis_schema("integer"),
]


LARGEST_RATIO = 1e12
RatioAxis = Annotated[
    tuple[float, ...],
    BeforeValidator(lambda value: _not_negative(_bounded(_axis_values(value), LARGEST_RATIO))),
    _axis_schema("number"),
]


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if value <= 0:
            raise ValueError(f"{value:g} is not greater than 0")
    return values


PositiveAxis = Annotated[
    tuple[float, ...],
    BeforeValidator(lambda value: _positive(_bounded(_axis_values(value), LARGEST_RATIO))),
    _axis_schema("number"),
]


def _tolerances(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if not 0 < value < 1:
            raise ValueError(f"{value:g} is not between 0 and 1")
    return values


ToleranceAxis = Annotated[
    tuple[float, ...],
    BeforeValidator(lambda value: _tolerances(_axis_values(value))),
    _axis_schema("number"),
]


def _short(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a name may have at most {LONGEST_NAME} characters, not {len(name)}")
    return name


def _plain_name(name: str) -> str:
    if not name.isascii() or not name.isidentifier() or name != name.lower():
        raise ValueError(f"{name!r} is not a name: use lower-case letters, digits and _")
    return name


def _path_name(name: str) -> str:
    for part in name.split("/"):
        _plain_name(part)
    return name


def _module_name(name: str) -> str:
    if looks_own(name):
        return check_function(name)
    for part in _short(name).split("."):
        _plain_name(part)
    return name


Name = Annotated[str, AfterValidator(_short), AfterValidator(_plain_name)]
FigureName = Annotated[str, AfterValidator(_short), AfterValidator(_path_name)]
ModuleName = Annotated[str, AfterValidator(_module_name)]


def check_split(split_by: tuple[str, ...], axes: list[str]) -> None:
    """Raise ValueError unless the block axes are some of the axes, each once."""
    for name in split_by:
        if name not in axes:
            raise ValueError(f"split_by: {name!r} is no axis; allowed: {', '.join(axes)}")
    if len(set(split_by)) < len(split_by):
        raise ValueError("split_by names an axis twice")


def check_disjoint(grids: list[dict[str, tuple]]) -> None:
    """Raise ValueError when two grids of an experiment share a setting."""
    for index, grid in enumerate(grids):
        for position, other in enumerate(grids[:index]):
            if all(set(values) & set(other[name]) for name, values in grid.items()):
                raise ValueError(
                    f"grids.{index} and grids.{position} share settings; a setting may be in one "
                    "grid only"
                )
