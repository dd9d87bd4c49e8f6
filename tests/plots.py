"""Figures as the papers' files of experiments name them: a module with its arguments."""

from functools import cache, partial
from importlib import import_module
from pathlib import Path

from regimes.config.load import load

CONFIG = Path(__file__).resolve().parents[1] / "config.yaml"


class Plot:
    """The functions `draw` and `table` of a figure, a key of `figures`, with its arguments."""

    def __init__(self, figure: str):
        settings = _figures()[figure]
        module = import_module(f"regimes.papers.{settings.plot}")
        self.figure = figure
        self.draw = partial(module.draw, **settings.arguments)
        if settings.table:
            self.table = partial(module.table, **settings.arguments)

    def __repr__(self) -> str:
        return self.figure


@cache
def _figures():
    return load(CONFIG).figures
