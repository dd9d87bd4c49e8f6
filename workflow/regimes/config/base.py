"""The base of all models of the configuration, and its types of numbers."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Model(BaseModel):
    """Base of all models: unknown keys are errors, and a validated config does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def no_boolean(value: Any) -> Any:
    """The value, unless it is true or false."""
    # YAML's `yes` and `true` would otherwise pass as the number 1.
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _within_int64(value: Any) -> Any:
    """The value, unless it is true or false, or a number that int64 does not hold."""
    no_boolean(value)
    try:
        too_large = abs(float(value)) >= 2**63
    except OverflowError:
        too_large = True
    except (TypeError, ValueError):
        too_large = False  # no number at all, which is refused by its type
    if too_large:
        raise ValueError("must be between -2^63 and 2^63")
    return value


def finite(value: Any) -> float:
    """Return the value as a number; ValueError when it is no finite number."""
    try:
        number = float(no_boolean(value))
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
    except OverflowError:
        raise ValueError("the number is too large") from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


Number = Annotated[float, BeforeValidator(no_boolean)]
Integer = Annotated[int, BeforeValidator(_within_int64)]
