"""The names of the variables of all engines, and the page that lists them."""

import pytest

from regimes.engines.document import PAGE, engines, with_tables

# Dimensions along a run.
ALONG = {"step", "record", "checkpoint"}


def test_the_page_lists_what_the_engines_declare() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run python -m regimes.engines.document"


@pytest.mark.parametrize("engine", engines())
def test_names_say_when_a_value_is_from(engine: str) -> None:
    variables = engines()[engine].VARIABLES
    for name, one in variables.items():
        ends = name.startswith(("initial_", "final_"))
        along = bool(ALONG & set(one.dims))
        assert not (ends and along) and "history" not in name, name
        # A quantity of both ends has its plain name along the run alone.
        plain = name.removeprefix("initial_").removeprefix("final_")
        if ends and plain in variables:
            assert ALONG & set(variables[plain].dims), plain
        if one.long_name.endswith("at the end"):
            assert name.startswith("final_"), name
        if one.long_name.endswith("along the run"):
            assert along, name


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="variables, as declared"):
        with_tables("# What a run holds\n")
