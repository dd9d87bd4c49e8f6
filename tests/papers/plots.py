"""Figures as the papers' files of experiments name them, and what stands in a drawn one."""

from functools import cache, partial
from importlib import import_module
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from regimes.config.load import load

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"


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


def texts(figure: Figure, layout: bool = False) -> list[str]:
    """All texts of a figure that is drawn, the lines of each put together.

    layout: find places for the axes too, which takes most of the time.
    """
    if not layout:
        figure.set_layout_engine("none")
    figure.canvas.draw()
    return [" ".join(text.get_text().split()) for text in figure.findobj(Text)]


@cache
def _figures():
    return load(CONFIG).figures
