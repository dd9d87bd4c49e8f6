"""Average the first update of gradient flow over random initialisations (Caron et al., 2023)."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr

from regimes.activations.derivatives import ACTIVATIONS
from regimes.engines.at_initialisation.first_update_network import FirstUpdate
from regimes.engines.common.engine import (
    Batch,
    Coordinate,
    Engine,
    Job,
    Session,
    Variable,
    one_run,
)
from regimes.engines.common.points import Points
from regimes.errors import DataError
from regimes.kernels.mean_tangent_gram import mean_tangent_gram
from regimes.parameterisations.node_scaling import node_scales, recorded

if TYPE_CHECKING:
    from regimes.engines.at_initialisation.settings import FirstUpdateExperiment

# The covariance of all pairs of points is kept, and Theta* may need quadrature for each.
MOST_POINTS = 12
# Number of pre-activations that are in memory at once: few enough for the cache.
VALUES_AT_ONCE = 2**17

# The quantities that are averaged: dimensions and long name.
MEANS = {
    "weight_rate": (("node", "feature"), "dw_jk/dt at t = 0 of single nodes"),
    "scaled_weight_rate": (("feature",), "sum over all nodes of lambda_j dw_jk/dt at t = 0"),
    "kernel_rate": (("pair",), "dTheta_m(x_k, x_l)/dt at t = 0"),
    "gram": (("pair",), "Theta_m(x_k, x_l) at t = 0"),
    "gram_deviation": ((), "|Theta_m(X; W_0) - Theta*(X)|_F^2 at t = 0"),
    "small_eigenvalue": (
        (),
        "the indicator that the smallest eigenvalue of the part gamma / m of Theta_m(X; W_0) is at "
        "most half its mean's, gamma kappa_n / 2",
    ),
}
WITH_COVARIANCE = ("weight_rate", "scaled_weight_rate", "kernel_rate", "gram")


class Moments:
    """Mean of vectors (size,) that are drawn independently, and its covariance."""

    def __init__(self, size: int):
        self.count = 0
        self.total = np.zeros(size)
        self.products = np.zeros((size, size))

    def add(self, values: np.ndarray) -> None:
        """Add more draws (b, size)."""
        self.count += len(values)
        self.total += values.sum(axis=0)
        self.products += values.T @ values

    def mean(self) -> np.ndarray:
        """Mean over the draws, (size,)."""
        return self.total / self.count

    def covariance_of_mean(self) -> np.ndarray:
        """Unbiased covariance of the mean, (size, size): of the draws, over their number."""
        mean = self.mean()
        scatter = self.products / self.count - np.outer(mean, mean)
        return scatter / (self.count - 1)


def _variables() -> dict[str, Variable]:
    constants = {
        "gamma": Variable("gamma of the node scaling, the share that is the same for all nodes"),
        "alpha": Variable(
            "exponent alpha of the Zipf weights of the node scaling; NaN if there are none"
        ),
        "sum_of_squared_scales": Variable("sum over all nodes of lambda_mj^2"),
        "node_index": Variable("index j of a single node", ("node",), np.int64),
        "node_scale": Variable("lambda_mj of single nodes", ("node",)),
        "draws": Variable("number of random initialisations"),
    }
    means = {}
    for name, (dims, text) in MEANS.items():
        others = tuple(f"other_{dim}" for dim in dims)
        means[f"{name}_mean"] = Variable(f"mean of {text}", dims)
        means[f"{name}_standard_error"] = Variable(f"standard error of the mean of {text}", dims)
        means[f"{name}_covariance"] = Variable(
            f"covariance of the means of {text}", (*dims, *others)
        )
    return constants | means


def shown_nodes(width: int, count: int) -> np.ndarray:
    """Indices of so many different nodes, the first and the last with others spread evenly in log.

    Such as 0, 9, 99 and 999 of a width of 1000.
    """
    places = np.arange(count)
    spread = np.rint(np.geomspace(1, width, count)).astype(np.int64) - 1
    return np.maximum.accumulate(spread - places) + places


class Runs(Engine["FirstUpdateExperiment"]):
    """Networks of a job, drawn at random, and means of what happens when their training starts.

    Data have one target and no draws; training points are used. Means of MEANS are *_mean, with
    their standard errors, *_standard_error; of WITH_COVARIANCE also *_covariance. `kernel_rate` is
    there for activations with a second derivative; its pairs k <= l of points are those of
    `numpy.triu_indices`. Each setting, width and seed has random streams of its own, so that the
    errors of different settings are independent. This is NumPy on one core, on any device. Raises
    DataError when the data have not what is needed.
    """

    AXES: ClassVar = {
        "node_scaling": "node scaling, by its name in the config",
        "width": "number of hidden nodes m",
        "seed": "independent repetition",
    }
    VARIABLES: ClassVar = _variables()

    def __init__(self, job: Job["FirstUpdateExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        if "draw" in data.dims:
            raise DataError(
                f"the data set {job.dataset} has draws, which the first update does not use"
            )
        points = Points(data, job.dataset)
        points.require_one_output()
        inputs, targets = points.of()
        if not 0 < len(inputs) <= MOST_POINTS:
            raise DataError(
                f"the data set {job.dataset} has {len(inputs)} training points; the first update "
                f"is averaged for 1 to {MOST_POINTS}"
            )
        self.inputs = inputs.astype(np.float64)
        self.targets = targets[:, 0].astype(np.float64)

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Average over the draws of one setting."""
        (setting,) = batch.settings
        scaling = self.settings.node_scalings[setting["node_scaling"]]
        scales = node_scales(setting["width"], scaling.gamma, scaling.alpha)
        nodes = shown_nodes(setting["width"], self.settings.shown_nodes)
        variables = {
            **recorded(scaling.gamma, scaling.alpha, scales[nodes]),
            "node_index": nodes,
            "sum_of_squared_scales": np.sum(scales**2),
            "draws": self.settings.draws,
        }
        shapes = {
            "gram_deviation": (),
            "small_eigenvalue": (),
            "weight_rate": (len(nodes), self.inputs.shape[1]),
        }
        for name, moment in self._averaged(setting, scales, nodes, session).items():
            shape, covariance = shapes.get(name, (-1,)), moment.covariance_of_mean()
            mean = variables[f"{name}_mean"] = moment.mean().reshape(shape)
            variables[f"{name}_standard_error"] = np.sqrt(np.diag(covariance)).reshape(shape)
            if name in WITH_COVARIANCE:
                variables[f"{name}_covariance"] = covariance.reshape(2 * mean.shape)
        return one_run(variables)

    def _averaged(
        self, setting: dict[str, Any], scales: np.ndarray, nodes: np.ndarray, session: Session
    ) -> dict[str, "Moments"]:
        """Moments of everything in MEANS, flattened, over the draws of one setting."""
        inputs, targets, n_draws = self.inputs, self.targets, self.settings.draws
        width, (n_points, dimension) = len(scales), inputs.shape
        activation = ACTIVATIONS[self.settings.activation]
        expected = mean_tangent_gram(inputs, self.settings.activation)
        key = tuple(setting.values())
        weights, signs = self.job.stream(*key, "weights"), self.job.stream(*key, "signs")
        pairs = np.triu_indices(n_points)
        half = np.linalg.eigvalsh(expected)[0] / 2
        moments = {
            "weight_rate": Moments(len(nodes) * dimension),
            "scaled_weight_rate": Moments(dimension),
            "gram": Moments(len(pairs[0])),
            "gram_deviation": Moments(1),
            "small_eigenvalue": Moments(1),
        }
        if activation.curvature is not None:
            moments["kernel_rate"] = Moments(len(pairs[0]))
        at_once = max(1, VALUES_AT_ONCE // (width * max(n_points, dimension)))
        for first in range(0, n_draws, at_once):
            count = min(at_once, n_draws - first)
            drawn = weights.standard_normal((count, width, dimension))
            batch = FirstUpdate(
                activation,
                inputs,
                targets,
                scales,
                drawn @ (inputs.T / np.sqrt(dimension)),
                2.0 * signs.integers(0, 2, (count, width)) - 1,
                self.settings.antithetic,
            )
            moments["weight_rate"].add(batch.weight_rates(nodes).reshape(count, -1))
            moments["scaled_weight_rate"].add(batch.scaled_weight_rate())
            gram = batch.tangent_gram(scales)
            moments["gram"].add(gram[:, *pairs])
            moments["gram_deviation"].add(((gram - expected) ** 2).sum(axis=(1, 2))[:, None])
            # Without gamma: on both sides of the inequality, it says nothing where it is 0.
            even = batch.tangent_gram(np.full(width, 1 / width))
            moments["small_eigenvalue"].add(1.0 * (np.linalg.eigvalsh(even)[:, :1] <= half))
            if "kernel_rate" in moments:
                moments["kernel_rate"].add(batch.kernel_rates()[:, *pairs])
            session.report(partial("{} of {} draws".format, first + count, n_draws))
        return moments

    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates of the nodes, features and pairs of points."""
        n_points, dimension = self.inputs.shape
        first, second = np.triu_indices(n_points)
        return {
            "node": Coordinate(np.arange(self.settings.shown_nodes), "number of the shown node"),
            "feature": Coordinate(np.arange(dimension), "index k of the input feature"),
            "pair": Coordinate(np.arange(len(first)), "index of the pair of training points"),
            "pair_first": Coordinate(first, "training point k of the pair", "pair"),
            "pair_second": Coordinate(second, "training point l of the pair", "pair"),
        }

    def attributes(self) -> dict[str, Any]:
        """The name of the activation."""
        return {"activation": self.settings.activation}
