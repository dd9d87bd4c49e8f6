"""The names of the variables of all engines, and the page that lists them."""

import pytest

from regimes.engines.common.engine import PLAIN
from regimes.engines.document import PAGE, engines, with_tables


def test_the_page_lists_what_the_engines_declare() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run python -m regimes.engines.document"


@pytest.mark.parametrize("engine", engines())
def test_what_is_recorded_along_a_run_is_called_so(engine: str) -> None:
    for name, one in engines()[engine].VARIABLES.items():
        along = bool({"step", "checkpoint"} & set(one.dims)) and not one.coordinate
        # A model beside the network has losses of its own.
        assert along == (name.endswith("_history") or name.removeprefix("linearised_") in PLAIN)


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="variables, as declared"):
        with_tables("# What a run holds\n")
