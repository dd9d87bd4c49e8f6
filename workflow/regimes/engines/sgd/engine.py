"""Minibatch descent of two-layer networks: `regimes.engines.sgd.models.two_layer`."""

from typing import ClassVar

from regimes.engines.sgd.models import two_layer
from regimes.engines.sgd.runs import MinibatchRuns


class Runs(MinibatchRuns):
    """Networks of any parameterisation."""

    model: ClassVar = two_layer
