"""Probes: what is done with trained networks, in stages of their own."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from regimes.config.axes import LARGEST_WIDTH, CountAxis, Name
from regimes.config.base import Integer, Model, Number, finite

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


class TransferProbe(Model):
    """An external network, trained on the values of the most important hidden nodes.

    It has hidden layers of ReLU neurons with the NTK parameterisation, all layers trained by
    gradient descent on the mean square. Its data are points that the network was not trained on.
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
    learning_rate: Number = Field(default=1.0, gt=0, description="Its learning rate.")
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


class Probes(Model):
    """What is done with the trained networks; a change here trains none of them again."""

    pruning: PruningProbe | None = Field(default=None, description="Prune nodes.")
    transfer: TransferProbe | None = Field(default=None, description="Transfer features.")
