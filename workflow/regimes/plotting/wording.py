"""How figures and claims put numbers into words."""

import numpy as np


def pluralise(number: int, noun: str) -> str:
    """A number with its noun, such as '1 run' and '5 runs'; noun: in the singular."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def fewer_seeds(counts: np.ndarray, seeds: int) -> str:
    """A note such as '; means of fewer seeds at 2 points', empty where all means are of all seeds.

    counts: numbers of the seeds behind each mean, 0 where there is none; seeds: of all seeds.
    """
    points = int(((counts > 0) & (counts < seeds)).sum())
    return f"; means of fewer seeds at {pluralise(points, 'point')}" if points else ""
