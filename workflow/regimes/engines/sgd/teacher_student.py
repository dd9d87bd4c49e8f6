"""Minibatch descent of students: `regimes.engines.sgd.models.teacher_student`."""

from typing import ClassVar

from regimes.engines.sgd.models import teacher_student
from regimes.engines.sgd.runs import MinibatchRuns


class Runs(MinibatchRuns):
    """Students of Song et al. (2021)."""

    model: ClassVar = teacher_student
