"""Activation functions: those that the package has, and the user's own."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, WithJsonSchema

from regimes.config.axes import Name
from regimes.config.own_code import check_function
from regimes.errors import ConfigError

BUILT_IN = ("relu", "leaky_relu", "tanh", "gelu", "softplus")


@dataclass(frozen=True)
class Extensible:
    """Mark a key that takes these names and the names of the user's own `activations`."""

    names: tuple[str, ...] = BUILT_IN


ActivationName = Annotated[
    str,
    Extensible(),
    WithJsonSchema(
        {"anyOf": [{"enum": list(BUILT_IN)}, {"type": "string", "pattern": "^[a-z_][a-z0-9_]*$"}]}
    ),
]


def _canonical(text: str) -> str:
    if ".py" in text:
        return check_function(text)
    # SymPy takes a second to load: only a config with activations of its own waits for it.
    from regimes.expressions.activations import canonical

    try:
        return canonical(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None


# An expression, or the name of a function.
OwnActivation = Annotated[str, AfterValidator(_canonical)]


def _not_built_in(name: str) -> str:
    if name in BUILT_IN:
        raise ValueError(f"{name} is built in; use another name")
    return name


OwnName = Annotated[Name, AfterValidator(_not_built_in)]


def check_activation(key: str, experiment: BaseModel, own: dict[str, Any]) -> None:
    """Raise ValueError unless the activation that an experiment names exists."""
    field = type(experiment).model_fields.get("activation")
    marks = [mark for mark in getattr(field, "metadata", ()) if isinstance(mark, Extensible)]
    name = getattr(experiment, "activation", None)
    for mark in marks:
        if name not in {*mark.names, *own}:
            raise ValueError(
                f"{key}.activation = {name!r}; allowed: "
                f"{', '.join((*mark.names, *own))}, or a name of your own under activations"
            )
