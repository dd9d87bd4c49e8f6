"""What differs between two nested settings, key by key."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

# Longer values are cut.
LONGEST = 80
_MISSING = object()


def differences(first: Any, second: Any, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted key and both values, as JSON (`-` for none), wherever two settings differ."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in dict.fromkeys([*first, *second]):
            below = f"{key}.{name}" if key else str(name)
            yield from differences(first.get(name, _MISSING), second.get(name, _MISSING), below)
    elif first != second:
        yield key, _shown(first), _shown(second)


def _shown(value: Any) -> str:
    text = "-" if value is _MISSING else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
