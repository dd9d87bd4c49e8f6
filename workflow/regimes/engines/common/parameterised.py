"""Settings of experiments on two-layer networks of any parameterisation, for all their engines."""

import itertools
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import Field

from regimes.config.activations import ActivationName
from regimes.config.axes import LARGEST_EXPONENT, ExponentAxis, Name
from regimes.config.base import Model, Number
from regimes.config.experiment import AxesSettings
from regimes.engines.common.draws import is_antisymmetric, parameters
from regimes.engines.common.settings import EngineSettings, NodeScaling, check_first_node
from regimes.errors import ConfigError
from regimes.parameterisations.scales import Scales

PARAMETERISATIONS = "regimes.parameterisations"
Parameterisation = Literal[
    "normalised",
    "alpha_beta",
    "abc",
    "unscaled",
    "lecun",
    "he",
    "xavier",
    "ntk",
    "mean_field",
    "chen_ours",
    "chen_ntk",
    "chen_mean_field",
    "node_scaled",
]
# The module of each; a module has several schemes.
MODULES = {
    **dict.fromkeys(("unscaled", "lecun", "he", "xavier", "ntk", "mean_field"), "schemes"),
    **dict.fromkeys(("chen_ours", "chen_ntk", "chen_mean_field"), "feature_scalings"),
    "node_scaled": "node_scaling",
}
# Keys that only some parameterisations read, and the axes that each needs.
READS = {
    **{f"exponents.{name}": ("alpha_beta",) for name in ("alpha", "beta1", "beta2")},
    **{f"exponents.{name}": ("abc",) for name in ("a1", "a2", "b1", "b2", "c")},
    "axes.node_scaling": ("node_scaled",),
    "skip_first": ("node_scaled",),
    "node_scalings": ("node_scaled",),
    "axes.gamma": ("normalised", "alpha_beta"),
    "axes.gamma_prime": ("normalised", "alpha_beta"),
}
NEEDS = {
    "normalised": ("axes.gamma", "axes.gamma_prime"),
    "node_scaled": ("node_scalings",),
}
Layers = Literal["first", "second", "both"]
RateUnit = Literal["one", "stability_limit"]
RATE_UNITS = (
    "Unit of the learning rates; stability_limit: 2 over the largest eigenvalue of the Hessian of "
    "a squared loss in the linearised network at the start, beyond which the first steps grow."
)
# Losses that are a factor times the sum of the squared residuals.
SquaredLoss = Literal["half_sum", "half_mean", "mean_square"]
LOSSES = (
    "half_sum: 1/2 sum e^2; half_mean: the same over n points, 1/(2n) sum e^2; mean_square: the "
    "mean of e^2 over points and outputs"
)


class ParameterAxes(AxesSettings):
    """The axes of parameterisations."""

    gamma_prime: ExponentAxis | None = Field(
        default=None, description="Exponents gamma' of the ratio of the layers' learning rates."
    )
    gamma: ExponentAxis | None = Field(
        default=None, description="Exponents gamma of the output scale."
    )
    node_scaling: tuple[Name, ...] | None = Field(
        default=None,
        min_length=1,
        description="Node scalings, keys of `node_scalings`; all by default.",
    )


Exponent = Annotated[Number, Field(ge=-LARGEST_EXPONENT, le=LARGEST_EXPONENT)]


class Exponents(Model):
    """Scalings as powers of the width m."""

    alpha: Exponent | None = Field(
        default=None, description="alpha = m^(this number), of alpha_beta."
    )
    beta1: Exponent | None = Field(
        default=None, description="beta1 = m^(this number), of alpha_beta."
    )
    beta2: Exponent | None = Field(
        default=None, description="beta2 = m^(this number), of alpha_beta."
    )
    a1: Exponent | None = Field(default=None, description="First layer's scale m^-a1, of abc.")
    a2: Exponent | None = Field(default=None, description="Second layer's scale m^-a2, of abc.")
    b1: Exponent | None = Field(
        default=None, description="First layer's initial standard deviation m^-b1, of abc."
    )
    b2: Exponent | None = Field(
        default=None, description="Second layer's initial standard deviation m^-b2, of abc."
    )
    c: Exponent | None = Field(default=None, description="Learning rate's scale m^-c, of abc.")


When = Literal["never", "ends", "steps"]


class Record(Model):
    """What is recorded of a run beside losses, accuracies and distances, and when."""

    kernel: When = Field(
        default="never",
        description="Tangent kernel on the training points: its relative change, alignment with "
        "the targets, largest and smallest eigenvalue: never, at both ends of the run, or at the "
        "recorded steps too.",
    )
    sharpness: When = Field(
        default="never",
        description="Largest eigenvalue of the loss's Hessian in the weights, scaled by the roots "
        "of their layers' rates, which descent can follow up to 2 over the learning rate.",
    )
    invariant: bool = Field(
        default=False,
        description="Drift of eta_a |w_j|^2 - eta_w |a_j|^2, which gradient flow conserves.",
    )

    def when(self, name: str) -> When:
        """When a quantity is measured."""
        if name == "invariant_drift":
            return "steps" if self.invariant else "never"
        if name == "sharpness":
            return self.sharpness
        return self.kernel if name in OF_KERNEL else "steps"


# Of the tangent kernel.
OF_KERNEL = ("kernel_change", "kernel_alignment", "smallest_eigenvalue", "largest_eigenvalue")


class ParameterisedExperiment(EngineSettings):
    """Base of the settings of engines that train two-layer networks f(x) = s sum a_k act(w_k . x).

    The parameterisation gives s, the initial standard deviations and the ratio of the layers'
    rates, the same whatever the engine.
    """

    parameterisation: Parameterisation = Field(
        default="normalised",
        description="Form in which the scalings enter the network. normalised: kappa = m^-gamma "
        "and kappa' = m^-gamma' (Luo et al., 2021, (9)-(13)). alpha_beta: as powers of m in "
        "`exponents`, or the axes (their (1)-(6)). abc: exponents of Yang and Hu (2021). "
        "unscaled: f = sum a_k act(w_k . x), standard normal. lecun, he, xavier, ntk, mean_field: "
        "Table 1 of Luo et al. chen_ours, chen_ntk, chen_mean_field: Table 1 of Chen et al. "
        "(2022). node_scaled: Caron et al. (2023), (1). The last four train the first layer.",
    )
    exponents: Exponents = Field(
        default=Exponents(), description="Scalings of `parameterisation: alpha_beta` or `abc`."
    )
    node_scalings: dict[Name, NodeScaling] = Field(
        default={}, description="Scales of the nodes, by name, of `parameterisation: node_scaled`."
    )
    skip_first: bool = Field(
        default=False,
        description="Of node_scaled: the first node gets none of the Zipf law and the second the "
        "most, as in the authors' code.",
    )
    layers: Layers = Field(default="both", description="Layers that are trained.")
    activation: ActivationName = Field(default="relu", description="Activation function.")
    output_weights: Literal["auto", "gaussian", "rademacher"] = Field(
        default="auto",
        description="Distribution of the initial output weights: Gaussian, or -1 or 1 times their "
        "standard deviation; auto: -1 or 1 where the parameterisation fixes them, else Gaussian. "
        "Those of the first layer are Gaussian.",
    )
    antisymmetric_initialisation: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Start from f = 0; `auto` means where the initial output would not vanish for "
        "wide networks: gamma <= 1/2, lecun, he, ntk, chen_ntk.",
    )

    @classmethod
    def modules(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """See `EngineSettings`."""
        name = settings["parameterisation"]
        module = f"{PARAMETERISATIONS}.{MODULES.get(name, name)}"
        return {**super().modules(settings), "parameterisation": module}

    def check(self) -> None:
        """Raise ConfigError when the parameterisation leaves the scales of a setting open.

        And where it cannot do what the other keys ask for.
        """
        scales = import_module(self.modules(dict(self))["parameterisation"]).scales
        for grid in self.all_grids():
            names = [name for name in ParameterAxes.model_fields if name in grid]
            axes = {name: grid[name] for name in (*names, "width")}
            for values in itertools.product(*axes.values()):
                setting = dict(zip(axes, values, strict=True))
                self._check_scales(
                    scales(parameters(self, setting, n_features=1)), setting["width"]
                )

    def _check_scales(self, scales: Scales, width: int) -> None:
        if scales.rate_a is None and self.layers != "first":
            raise ConfigError(
                f"layers: {self.layers}: the output weights of parameterisation: "
                f"{self.parameterisation} are fixed; use layers: first"
            )
        if is_antisymmetric(self, scales) and scales.node is not None:
            raise ConfigError(
                "antisymmetric_initialisation: always: the nodes of parameterisation: node_scaled "
                "are no pairs; use auto or never"
            )
        if is_antisymmetric(self, scales) and width % 2:
            raise ConfigError(
                f"axes.width: {width} is odd; antisymmetric initialisation needs pairs of neurons "
                "(even widths, or antisymmetric_initialisation: never)"
            )

    def check_learning_rate(self) -> None:
        """Raise ValueError unless the learning rate is given as a key or as an axis."""
        rate: float | None = getattr(self, "learning_rate", None)
        if (rate is None) != ("learning_rate" in self.all_grids()[0]):
            raise ValueError("give learning_rate or axes.learning_rate, one of them")

    def check_parameterisation(self) -> None:
        """Raise ValueError unless the keys are those that the parameterisation reads."""
        grids = self.all_grids()
        grid = grids[0]
        given = {f"axes.{name}" for name in grid}
        given |= {f"exponents.{key}" for key in self.exponents.model_dump(exclude_none=True)}
        given |= {"skip_first"} if self.skip_first else set()
        given |= {"node_scalings"} if self.node_scalings else set()
        for key in NEEDS.get(self.parameterisation, ()):
            if key not in given:
                raise ValueError(f"{key} is missing: parameterisation is {self.parameterisation}")
        for key, names in READS.items():
            if key in given and self.parameterisation not in names:
                raise ValueError(
                    f"{key} is only for parameterisation {' or '.join(names)}, not "
                    f"{self.parameterisation}"
                )
        record: Record = getattr(self, "record", Record())
        if record.invariant and self.layers != "both":
            raise ValueError(f"record.invariant is of both layers; layers is {self.layers}")
        if record.invariant and self.activation not in ("relu", "leaky_relu"):
            raise ValueError(f"record.invariant is not conserved with activation {self.activation}")
        if self.node_scalings:
            for one in grids:
                check_first_node(self.skip_first, one["width"], self.node_scalings)
