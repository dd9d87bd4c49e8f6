"""Probes: what is done with trained networks, in stages of their own."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from regimes.config.axes import LARGEST_WIDTH, CountAxis, Name
from regimes.config.base import Integer, Model, Number, finite
from regimes.datasets.size import DataSize

Importance = Literal["node_scale_and_weights", "node_scale"]
IMPORTANCE: Any = Field(
    default="node_scale_and_weights",
    description="Importance of a node j: lambda_j |w_j|^2 (text), or lambda_j alone (authors' "
    "code). Ties are broken at random.",
)


def _shares(values: Any) -> tuple[float, ...]:
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError("must be a list of shares")
    return tuple(sorted({finite(value) for value in values}))


def _positive(values: tuple[float, ...]) -> tuple[float, ...]:
    for value in values:
        if not 0 < value <= 1:
            raise ValueError(f"{value:g} is not a share: greater than 0 and at most 1")
    return values


class PruningProbe(Model):
    """Risks of the network when only its most important nodes are kept."""

    kept: Annotated[tuple[Number, ...], BeforeValidator(_shares), AfterValidator(_positive)] = (
        Field(description="Shares of the nodes that are kept; 1: all.")
    )
    importance: Importance = IMPORTANCE

    def memory(self, width: int, data: DataSize) -> float:
        """Bytes that it takes of networks of a width, one by one, beside their file and the data.

        data: the points that the networks are evaluated on.
        """
        # The hidden values of so many points are there at once.
        weights, values = width * (data.n_features + 20), width * min(data.n_points, 1000)
        points = data.n_points * (data.n_features + len(self.kept) * 10)
        return 8 * (3 * weights + 3 * values + 3 * points)


class TransferProbe(Model):
    """An external network, trained on the values of the most important hidden nodes.

    It has hidden layers of ReLU neurons, all layers trained by gradient descent on the mean square.
    Its data are points that the network was not trained on.
    """

    dataset: Name | None = Field(
        default=None,
        description="Data set whose training points train it, and whose test points test it; by "
        "default the validation points of the experiment's own do both.",
    )
    n_features: CountAxis = Field(description="Numbers of nodes whose values are its inputs.")
    hidden_layers: Literal[1, 2] = Field(
        default=1, description="Its hidden layers: 1 (text) or 2 (authors' code)."
    )
    hidden_width: Annotated[Integer, Field(ge=1, le=LARGEST_WIDTH)] = Field(
        default=64, description="Neurons of a hidden layer."
    )
    parameterisation: Literal["standard", "ntk"] = Field(
        default="standard",
        description="standard: with biases, these and the weights uniform within one over the root "
        "of the number of inputs of their layer (PyTorch's, authors' code); ntk: without biases, "
        "weights standard normal, each layer over that root.",
    )
    learning_rate: Number = Field(default=0.1, gt=0, description="Its learning rate.")
    max_steps: Integer = Field(
        default=5000, ge=1, le=1_000_000_000, description="Its number of steps."
    )
    train_share: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.5,
        description="Share of its points that train it, where none are test points; the others "
        "test it.",
    )
    feature_scale: Literal["none", "root_node_scale"] = Field(
        default="none",
        description="Its inputs are the values of the nodes (text), or lambda_j^(1/2) times these "
        "(authors' code).",
    )
    importance: Importance = IMPORTANCE

    def memory(self, width: int, data: DataSize) -> float:
        """Bytes that it takes of networks of a width, one by one, beside their file and the data.

        data: the points that the external network is trained and tested on.
        """
        n_nodes, n_points = min(width, max(self.n_features)), data.n_points
        points = n_points * (3 * data.n_features + 6 * n_nodes)
        layers = n_nodes + (self.hidden_layers - 1) * self.hidden_width + data.n_outputs
        external = self.hidden_width * (6 * layers + 6 * self.hidden_layers * n_points)
        return 8 * (3 * width * data.n_features + points + external)


class Probes(Model):
    """What is done with the trained networks; a change here trains none of them again."""

    pruning: PruningProbe | None = Field(default=None, description="Prune nodes.")
    transfer: TransferProbe | None = Field(default=None, description="Transfer features.")
