"""Sizes below which a figure of Song et al. (2021) on the theory carries the mark of the scale.

The paper states none for them: these are what the claims S3 to S5 need.
"""

from collections.abc import Iterable

from matplotlib.figure import Figure

from regimes.claims.core import Claim, Measures
from regimes.papers.song2021.claims_theory import CLAIMS
from regimes.plotting.style import mark_scale


def mark(figure: Figure, measures: Measures, scale: str, names: Iterable[str]) -> None:
    """Mark the scale if the measures are too small for one of the claims of these ids."""
    chosen: list[Claim] = [claim for claim in CLAIMS if claim.id in names]
    for claim in chosen:
        if claim.too_small({name: measures[name] for name in claim.needs if name in measures}):
            mark_scale(figure, scale)
            return
