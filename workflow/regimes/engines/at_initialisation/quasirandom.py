"""Draw networks and points, and measure what Razborov (2022) shows of them at the start.

Section 3.1, Appendices B and C, and the renormalisation of Section 1.3. In the paper's letters: S
neurons (`width`), m points (`n_train`), n features.
"""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import xarray as xr

from regimes.engines.common.draws import initial_weights
from regimes.engines.common.engine import Batch, Engine, Job, Session, Variable, one_run
from regimes.engines.common.points import Points

if TYPE_CHECKING:
    from regimes.engines.at_initialisation.settings import QuasirandomExperiment

# Terms of the series of Appendix C, whose remainder is below 2e-5 / pi for correlations of 1.
TERMS = 400


class Runs(Engine["QuasirandomExperiment"]):
    """Networks of a job at their start, one by one, with points uniform on the unit sphere.

    Weights W are standard normal and z signs; data may have draws, one for each seed. This is NumPy
    on one core, on any device.
    """

    AXES: ClassVar = {
        "n_features": "dimension n of the inputs",
        "n_train": "number of points m",
        "width": "number of hidden neurons S",
        "seed": "index of the random initialisation and of the draw of the data",
    }
    VARIABLES: ClassVar = {
        "largest_product": Variable("largest |x . x'| of two points, (19)"),
        "input_norm": Variable("spectral norm |X|, (20) for all points"),
        "smallest_row_norm": Variable("smallest norm of a neuron's weights, (22)"),
        "largest_weight": Variable("largest |w| of all weights, (23)"),
        "largest_pre_activation": Variable("largest |w . x| of all neurons and points, (26)"),
        "largest_output": Variable("largest |f_0| of all points, (27)"),
        "largest_crowding": Variable(
            "largest number of neurons with |w . x| <= R over S R + 1, of all points and R, (28)"
        ),
        "smallest_eigenvalue_first": Variable("smallest eigenvalue of H_0, of the first layer"),
        "smallest_eigenvalue_second": Variable("smallest eigenvalue of G_0, of the second layer"),
        "first_kernel_deviation": Variable("mean of H_0 / S - f_w over pairs of points, f_w exact"),
        "second_kernel_deviation": Variable(
            "mean of G_0 / S - f_z over pairs of points, f_z exact"
        ),
        "printed_kernel_deviation": Variable(
            "mean of G_0 / S - f_z over pairs of points, f_z by the printed series"
        ),
        "mended_kernel_deviation": Variable(
            "mean of G_0 / S - f_z over pairs of points, f_z by the series mended"
        ),
        "lecun_rate_ratio": Variable(
            "ratio eta_z / eta_w of the step, in W and z, that LeCun's start takes at one rate"
        ),
    }

    def __init__(self, job: Job["QuasirandomExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        self.points = Points(data, job.dataset)

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Measure the start of one setting."""
        (setting,) = batch.settings
        n_features, width = setting["n_features"], setting["width"]
        self.points.require(seed=setting["seed"], n_train=setting["n_train"], n_features=n_features)
        inputs, targets = self.points.of(setting["seed"], setting["n_train"])
        # The first features of points uniform on a sphere are so, too, at length 1.
        inputs = inputs[:, :n_features].T.astype(np.float64)
        inputs = inputs / np.linalg.norm(inputs, axis=0)
        weights, output = initial_weights(
            self.job.stream(*(setting[name] for name in self.AXES)),
            width,
            n_features,
            1,
            "rademacher",
        )
        errors = output[0] @ np.maximum(weights @ inputs, 0) - width**0.5 * targets[:, 0]
        found = measured(inputs, weights, output[0])
        found["lecun_rate_ratio"] = lecun_rate_ratio(inputs, weights, output[0], errors)
        return one_run(found)


def measured(inputs: np.ndarray, weights: np.ndarray, output: np.ndarray) -> dict[str, float]:
    """All variables but the ratio of the rates, of X (n, m), W (S, n) and z (S,)."""
    width, n_points = len(weights), inputs.shape[1]
    values = weights @ inputs
    features, slopes = np.maximum(values, 0), (values > 0).astype(float)
    products = np.clip(inputs.T @ inputs, -1, 1)
    first = products * ((slopes * output[:, None] ** 2).T @ slopes)
    second = features.T @ features
    pairs = np.triu_indices(n_points, 1)
    cosines = products[pairs]
    distances = np.sort(abs(values), axis=0)
    counts = np.arange(1, width + 1)[:, None]

    def deviation(kernel: np.ndarray, expected: np.ndarray) -> float:
        return float(np.mean(kernel[pairs] / width - expected))

    return {
        "largest_product": float(abs(cosines).max()),
        "input_norm": float(np.linalg.norm(inputs, 2)),
        "smallest_row_norm": float(np.linalg.norm(weights, axis=1).min()),
        "largest_weight": float(abs(weights).max()),
        "largest_pre_activation": float(distances[-1].max()),
        "largest_output": float(abs(output @ features).max()),
        "largest_crowding": float((counts / (width * distances + 1)).max()),
        "smallest_eigenvalue_first": float(np.linalg.eigvalsh(first)[0]),
        "smallest_eigenvalue_second": float(np.linalg.eigvalsh(second)[0]),
        "first_kernel_deviation": deviation(first, first_kernel(cosines)),
        "second_kernel_deviation": deviation(second, second_kernel(cosines)),
        "printed_kernel_deviation": deviation(second, second_series(cosines, printed=True)),
        "mended_kernel_deviation": deviation(second, second_series(cosines)),
    }


def first_kernel(cosines: np.ndarray) -> np.ndarray:
    """f_w of Appendix C: the limit of H_0 / S for points at these cosines."""
    return cosines * (0.5 - np.arccos(cosines) / (2 * np.pi))


def second_kernel(cosines: np.ndarray) -> np.ndarray:
    """f_z of Appendix C: the limit of G_0 / S for points at these cosines."""
    turned = cosines * (np.pi - np.arccos(cosines))
    return (turned + np.sqrt(1 - cosines**2)) / (2 * np.pi)


def second_series(cosines: np.ndarray, *, printed: bool = False) -> np.ndarray:
    """The series of f_z of Appendix C.

    The coefficient of the power 2 r is c_r / (2 pi), c_r = (2r - 3)!! / ((2r)!! (2r - 1)), so that
    it is 1 / (4 pi) at r = 1; printed are 1 / (48 pi) at r = 1, and c_r without (2r - 1) beyond.
    """
    total = 1 + np.pi / 2 * cosines
    squares, power, ratio = cosines**2, np.ones_like(cosines), 1.0
    for r in range(1, TERMS + 1):
        power = power * squares
        # (2r - 3)!! / (2r)!!
        ratio *= max(2 * r - 3, 1) / (2 * r)
        coefficient = ratio / (2 * r - 1)
        if printed:
            coefficient = 1 / 24 if r == 1 else ratio
        total = total + coefficient * power
    return total / (2 * np.pi)


def lecun_rate_ratio(
    inputs: np.ndarray, weights: np.ndarray, output: np.ndarray, errors: np.ndarray
) -> float:
    """eta_z / eta_w of the step in W and z that descent takes from LeCun's start at one rate.

    LeCun's weights are W / n^(1/2) and z / S^(1/2), each scaled by its layer's number of inputs.
    With them the network is f / (n S)^(1/2), here with the targets scaled alike. inputs: X (n, m);
    errors: e (m,) of f.
    """
    width, n_features = weights.shape
    scales = n_features**-0.5, width**-0.5
    hidden, outer = scales[0] * weights, scales[1] * output
    values = hidden @ inputs
    scaled = scales[0] * scales[1] * errors
    of_hidden = ((outer[:, None] * (values > 0)) * scaled) @ inputs.T
    of_outer = np.maximum(values, 0) @ scaled
    # Of the loss |e|^2 / 2 in W and z
    by_weights = ((output[:, None] * (values > 0)) * errors) @ inputs.T
    by_output = np.maximum(weights @ inputs, 0) @ errors
    rate_w = np.linalg.norm(of_hidden / scales[0]) / np.linalg.norm(by_weights)
    rate_z = np.linalg.norm(of_outer / scales[1]) / np.linalg.norm(by_output)
    return float(rate_z / rate_w)
