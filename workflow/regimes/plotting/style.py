"""The common look of all figures."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

PAPER_SCALE = "paper"


@contextmanager
def publication() -> Iterator[None]:
    """Draw and save with the project's style, then restore matplotlib's settings."""
    with mpl.rc_context():
        sns.set_theme(
            context="paper",
            style="ticks",
            font_scale=1.1,
            palette="colorblind",
            rc={
                "figure.dpi": 100,
                "savefig.dpi": 300,
                "savefig.bbox": "tight",
                # Text stays text in the PDF, and its fonts can be edited.
                "pdf.fonttype": 42,
                "axes.linewidth": 0.8,
                "legend.frameon": False,
                "mathtext.fontset": "dejavusans",
            },
        )
        yield


def mark_scale(figure: Figure, scale: str) -> None:
    """Write the scale below the right corner, for a figure that is below the paper's size.

    Nothing is written at scale `paper`. Whether another scale is below the paper's size only
    the figure knows, so that it calls this function itself.
    """
    if scale != PAPER_SCALE:
        # Outside of what is laid out, where no label can be; saving makes room for it.
        figure.text(0.995, -0.005, f"scale: {scale}", ha="right", va="top", fontsize=7, alpha=0.7)
