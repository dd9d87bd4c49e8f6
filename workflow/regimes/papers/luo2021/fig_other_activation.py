"""The phase diagram of Luo et al. (2021) for another activation than ReLU; beyond the paper."""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from regimes.papers.luo2021.diagram import draw_diagram
from regimes.papers.luo2021.paper import FOUR_POINTS, WIDTHS

# The paper's boundary rests on act(c z) = c act(z).
THEORY = "theory for ReLU"
WRITTEN = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "gelu": "GELU"}


def draw(measures: Mapping[str, xr.Dataset], scale: str) -> Figure:
    """The phase diagram of one experiment, with ReLU's boundary for comparison."""
    ((name, diagram),) = measures.items()
    figure = draw_diagram(diagram, scale, WIDTHS[FOUR_POINTS], theory_label=THEORY)
    settings = json.loads(diagram.attrs["config"])["experiments"][name]
    figure.suptitle(f"activation: {_described(settings)}", fontsize="medium")
    return figure


def _described(settings: Mapping[str, Any]) -> str:
    """The name of an activation, with its expression if it has one."""
    expression = settings.get("activation_expression")
    name = WRITTEN.get(settings["activation"], settings["activation"])
    return f"{name}, {expression}" if expression else name
