"""The tables of docs/runs.md: the variables of every engine, from what the engines declare.

`python -m regimes.engines.document` writes them.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from regimes.claims.document import DOCS, filled
from regimes.engines.common.engine import Engine, Variable
from regimes.engines.registry import engine_module, settings_classes

PAGE = DOCS / "runs.md"
BEGIN, END = "<!-- variables, as declared -->\n", "<!-- end of the variables -->\n"


def engines() -> dict[str, type[Engine]]:
    """The runs of every engine, by its name."""
    return {name: import_module(engine_module(name)).Runs for name in settings_classes()}


def with_tables(page: str) -> str:
    """The page with its tables made anew; raises ValueError for one without the two marks."""
    sections = (line for name, kind in engines().items() for line in _section(name, kind))
    return filled(page, BEGIN, "\n".join([*sections, "", ""]), END)


def _section(name: str, kind: type[Engine]) -> Iterator[str]:
    yield f"\n### {name}\n"
    yield f"Axes: {_listed(kind.AXES)}.\n"
    if kind.INDICES:
        yield f"Counted from 0: {_listed(kind.INDICES)}.\n"
    yield "| variable | dimensions | meaning | units |"
    yield "| --- | --- | --- | --- |"
    for key, one in kind.VARIABLES.items():
        role = " (coordinate)" if one.coordinate else ""
        meaning = one.long_name.replace("|", "\\|")
        yield f"| `{key}`{role} | {_dimensions(one)} | {meaning} | {one.units} |"


def _listed(described: Mapping[str, str]) -> str:
    return "; ".join(f"`{name}`, {long_name}" for name, long_name in described.items())


def _dimensions(one: Variable) -> str:
    axes = ["axes"] if one.axes is None else [f"`{name}`" for name in one.axes]
    return ", ".join([*axes, *(f"`{name}`" for name in one.dims)])


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
