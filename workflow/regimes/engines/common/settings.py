"""Settings that several engines share."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args

from pydantic import Field, model_validator

from regimes.config.axes import Name, SeedAxis, WidthAxis
from regimes.config.base import Model, Number
from regimes.config.experiment import AxesSettings, ExperimentSettings
from regimes.datasets.size import DataSize
from regimes.engines.common.memory import Axes, largest, n_runs

# Products of float64 that a core makes in a second, and of float32.
PRODUCTS_PER_SECOND = {"float64": 5e9, "float32": 2e10}


class EngineSettings(ExperimentSettings):
    """Base of the settings of an experiment, which also describe their engine.

    The engine is the one that the field `engine` names: its module, see
    `regimes.engines.registry`, is found by this name.

    limit: key, from the outside in, of the number that only says how long runs go on, if a job
    with a larger one can go on from where another ended. takes_draws: whether data may have a draw
    of its own for each seed.
    takes_outputs: whether targets may have several components.
    uses_gpu: whether it computes on the GPU where `device` says so; else on the CPU in any case.
    gpu_gain: seconds of a core over those of a GPU, a guess (docs/gpu.md).
    against_divergence: what helps where runs diverge, in words.
    takes_numbers: whether it needs an activation's value and derivatives at single numbers, too.
    """

    if TYPE_CHECKING:
        engine: str

    limit: ClassVar[tuple[str, ...] | None] = None
    takes_draws: ClassVar[bool] = False
    takes_outputs: ClassVar[bool] = True
    uses_gpu: ClassVar[bool] = True
    gpu_gain: ClassVar[float] = 20
    against_divergence: ClassVar[str] = "a smaller learning_rate"
    takes_numbers: ClassVar[bool] = False

    @classmethod
    def name(cls) -> str:
        """The engine, as experiments name it."""
        (name,) = get_args(cls.model_fields["engine"].annotation)
        return name

    @classmethod
    def modules(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """Modules that the engine loads by name, by the key of the plain settings that says so."""
        if "activation_function" in settings:
            return {
                "activation": settings["activation_function"],
                "activation_form": "regimes.activations.own",
            }
        if "activation_expression" in settings:
            return {"activation": "regimes.activations.expression"}
        if "activation" in settings:
            return {"activation": f"regimes.activations.{settings['activation']}"}
        return {}

    @classmethod
    def without_limit(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Plain settings without the limit: equal for jobs of which one continues another."""
        return _without(settings, cls.limit or ())

    def limit_value(self) -> int | None:
        """The limit, None for an engine without one."""
        value: Any = self
        for key in self.limit or ():
            value = getattr(value, key)
        return value if self.limit else None

    def memory(self, axes: Axes, data: DataSize) -> float:
        """Bytes that training takes at most, beside the data and what is kept of the runs.

        axes: the values of each axis of a job. The default is that of networks in float64 that are
        trained one by one, with their weights, arrays of neurons x points, and a tangent kernel.
        """
        width, n_train = largest(axes, "width", 1), largest(axes, "n_train", data.n_train)
        weights = width * (data.n_features + data.n_outputs)
        kernel = (n_train * data.n_outputs) ** 2
        return 8 * (6 * weights + 8 * width * n_train + 6 * kernel)

    def seconds(self, axes: Axes, data: DataSize) -> float | None:
        """Seconds of one core for a job, within a factor of ten; None where nothing is known."""
        passes = self.passes()
        if passes is None:
            return None
        sizes = axes.get("n_train") or [getattr(self, "n_train", None) or data.n_train]
        widths = axes.get("width", [1])
        runs = n_runs(axes) / (len(widths) * len(axes.get("n_train", [1])))
        products = sum(self.products(width, n_train, data) for width in widths for n_train in sizes)
        rate = PRODUCTS_PER_SECOND[getattr(self, "precision", "float64")]
        return runs * passes * products / rate

    def passes(self) -> float | None:
        """How often a run goes through its training points, about; None where it is not known."""
        return None

    def products(self, width: int, n_train: int, data: DataSize) -> float:
        """Products of numbers in a pass: inputs, and outputs, with weights, forth and back."""
        return 3 * width * n_train * (min(n_train, data.n_features) + data.n_outputs)

    def kept(self, axes: Axes, data: DataSize) -> float:
        """Number of numbers that a job's file keeps of its runs, about."""
        return n_runs(axes) * 10_000

    def check(self) -> None:
        """Raise ConfigError for errors that only the engine's own modules can find."""


def _without(settings: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    if len(keys) < 2:
        return {key: value for key, value in settings.items() if key not in keys}
    first, *rest = keys
    return {**settings, first: _without(settings[first], tuple(rest))}


class NodeScaling(Model):
    """Asymmetrical node scaling, (1) and (4) of the paper."""

    gamma: Number = Field(
        ge=0, le=1, description="Share of the scales that is the same for all nodes."
    )
    alpha: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Exponent of the Zipf law, j^(-1/alpha), of the other share; needed unless "
        "gamma is 1.",
    )

    @model_validator(mode="after")
    def _complete(self) -> "NodeScaling":
        if self.gamma < 1 and self.alpha is None:
            raise ValueError(f"alpha is missing: it is needed for gamma = {self.gamma:g}")
        return self


class NodeAxes(AxesSettings):
    """The grid of experiments with scaled nodes."""

    node_scaling: tuple[Name, ...] | None = Field(
        default=None,
        min_length=1,
        description="Node scalings, keys of `node_scalings`; all by default.",
    )
    width: WidthAxis = Field(description="Numbers of hidden nodes m.")
    seed: SeedAxis = Field(
        description="Random initialisations, of a seed the same for all settings."
    )


def check_first_node(
    skip_first: bool, widths: Sequence[int], scalings: Mapping[str, NodeScaling]
) -> None:
    """Raise ValueError where a network of one node would have no node with a scale."""
    if skip_first and 1 in widths and any(one.gamma < 1 for one in scalings.values()):
        raise ValueError("axes.width: 1 node is none with skip_first")
