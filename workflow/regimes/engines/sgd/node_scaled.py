"""Minibatch descent of networks with scaled nodes: `regimes.engines.sgd.models.node_scaled`."""

from typing import ClassVar

from regimes.engines.sgd.models import node_scaled
from regimes.engines.sgd.runs import MinibatchRuns


class Runs(MinibatchRuns):
    """Networks of the model `node_scaled`."""

    model: ClassVar = node_scaled
