"""How far networks of Luo et al. (2021) get from their starts, with the constants of its proofs."""

import math

import numpy as np
import xarray as xr

from regimes.errors import DataError
from regimes.kernels.limiting_kernels import gram_a, gram_w, smallest_eigenvalue

# The functions are compared at so many inputs between the training points.
GRID_POINTS = 31
# Share of the starts that may break a bound which holds with probability 1 - delta.
DELTA = 0.05
AXES = ("gamma_prime", "gamma", "width", "seed")
KEPT = ("initial_loss", "final_loss", "converged", "stationary", "capped", "diverged")
# What is measured of each run: at each snapshot, ...
ALONG = {
    "relative_distance_w": "relative distance |w - w(0)| / |w(0)| of the first-layer weights",
    "linearisation_error": "root mean square difference between the function's change and that of "
    "the linearised network (15), over that of the targets",
    "first_layer_ratio": "|theta_w|^2 over its bound in the proof of Theorem 8, where that holds",
}
# ... and once.
ONCE = {
    "movement_ratio_a": "largest movement of an output weight over its bound in (57) or (66)",
    "movement_ratio_w": "largest movement of a first-layer weight over its bound in (58) or (67)",
    "start_largest_ratio": "largest weight at the start over its bound (45)",
    "start_norm": "|theta(0)|^2 over its mean",
    "start_norm_w": "|theta_w(0)|^2 over its mean",
    "start_norm_a": "|theta_a(0)|^2 over its mean",
    "start_gram_error": "relative distance of the Gram matrices at the start from their limit (36)",
    "start_eigenvalue_ratio": "smallest eigenvalue of the Gram matrix at the start over "
    "kappa^2 (lambda_a / kappa' + kappa' lambda_w)",
    "start_eigenvalue_ratio_a": "the same of the output weights' part, over kappa^2 lambda_a / "
    "kappa'",
    "start_loss_ratio": "loss at the start over its bound (46)",
}


def reduce(run: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """Reduce the runs of a job, of a one-dimensional problem, to what they measure.

    run: output_weights (..., snapshot, neuron) and input_weights (..., snapshot, feature, neuron)
    in the normalised parameterisation, the first snapshot at the start. Returns ALONG over the
    axes of the runs and `snapshot`, ONCE over the axes; NaN where a run diverged, and where a bound
    is not stated: that of Theorem 8 needs m kappa <= 1 / (3 sqrt d), gamma > 1, gamma' < gamma - 1,
    a target of 1/2 and R <= 1 / (32 n), those of a movement gamma < 1 or gamma' > gamma - 1.
    """
    inputs, targets = data["inputs"].values, data["targets"].values
    if inputs.shape[1] != 2:
        raise DataError(
            f"luo2021.along_the_flow needs one input and a bias, the data have {inputs.shape[1]} "
            "features"
        )
    run = run.transpose(*AXES, "snapshot", "feature", "neuron", ...)
    levels = run["snapshot_relative_loss"].transpose(*AXES, "snapshot").values
    shape = levels.shape
    along = {name: np.full(shape, np.nan) for name in ALONG}
    once = {name: np.full(shape[:-1], np.nan) for name in ONCE}
    for index in np.ndindex(*shape[:-1]):
        if not run["final_loss"].transpose(*AXES).values[index] < np.inf:
            continue  # the run diverged
        setting = {name: run[name].values[i].item() for name, i in zip(AXES, index, strict=True)}
        a, w = (
            run[name].values[index].astype(float) for name in ("output_weights", "input_weights")
        )
        loss = float(run["initial_loss"].transpose(*AXES).values[index])
        proof = _Proof(inputs, targets, **setting)
        for name, values in proof.along(a, w, levels[index] * loss).items():
            along[name][index] = values
        for name, value in proof.once(a, w, loss).items():
            once[name][index] = value
    result = run[list(KEPT)].transpose(*AXES)
    for name, values in along.items():
        result[name] = ((*AXES, "snapshot"), values, {"long_name": ALONG[name], "units": "1"})
    for name, values in once.items():
        result[name] = (AXES, values, {"long_name": ONCE[name], "units": "1"})
    return result


def measure(runs: xr.Dataset, data: xr.Dataset) -> xr.Dataset:
    """The reduced runs as they are; `reduce` has done the work."""
    return runs.drop_attrs(deep=False)


class _Proof:
    """The quantities of the proofs for the runs of a setting."""

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        gamma_prime: float,
        gamma: float,
        width: int,
        seed: int,
    ):
        self.inputs, self.targets = inputs, targets
        self.gamma_prime, self.gamma, self.width = gamma_prime, gamma, width
        self.kappa, self.kappa_prime = width**-gamma, width**-gamma_prime
        self.grams = gram_a(inputs), gram_w(inputs)
        self.eigenvalues = smallest_eigenvalue(self.grams[0]), smallest_eigenvalue(self.grams[1])

    def along(self, a: np.ndarray, w: np.ndarray, losses: np.ndarray) -> dict[str, np.ndarray]:
        """ALONG for weights a (snapshot, neuron), w (snapshot, feature, neuron)."""
        moved = np.linalg.norm(w - w[0], axis=(1, 2)) / np.linalg.norm(w[0])
        low, high = self.inputs[:, 0].min(), self.inputs[:, 0].max()
        grid = np.stack([np.linspace(low, high, GRID_POINTS), np.full(GRID_POINTS, 1.0)])
        grid[1] *= self.inputs[0, 1]
        values = np.stack(
            [self._outputs(one, other, grid) for one, other in zip(a, w, strict=True)]
        )
        before = grid.T @ w[0]
        active, rising = before.clip(min=0), (before > 0) * a[0]
        linear = [
            self.kappa * (active @ (one - a[0]) + (rising * (grid.T @ (other - w[0]))).sum(1))
            for one, other in zip(a, w, strict=True)
        ]
        size = np.sqrt(np.mean(self.targets**2))
        error = np.sqrt(np.mean((values - values[0] - np.stack(linear)) ** 2, axis=1)) / size
        n_points, n_features = self.inputs.shape
        bound = min(1, self.kappa_prime) / (16 * math.sqrt(n_features) * self.kappa)
        ratio = np.square(w).sum(axis=(1, 2)) / bound
        condensed = self.gamma > 1 and self.gamma_prime < self.gamma - 1
        small = self.width * self.kappa <= 1 / (3 * math.sqrt(n_features))
        starts = np.square(a[0]).sum() <= 1.5 * self.width
        holds = condensed and small and starts and self.targets.max() >= 0.5
        return {
            "relative_distance_w": moved,
            "linearisation_error": error,
            "first_layer_ratio": np.where(holds & (losses <= 1 / (32 * n_points)), ratio, np.nan),
        }

    def _outputs(self, a: np.ndarray, w: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        return self.kappa * ((inputs.T @ w).clip(min=0) @ a)

    def once(self, a: np.ndarray, w: np.ndarray, loss: float) -> dict[str, float]:
        """ONCE for the same weights and the initial loss."""
        m, d = self.width, self.inputs.shape[1]
        products = self.inputs @ w[0]
        part_a = products.clip(min=0)
        part_w = (products > 0) * a[0]
        finite_a = part_a @ part_a.T / m
        finite_w = part_w @ part_w.T / m * (self.inputs @ self.inputs.T)
        errors = [
            np.linalg.norm(one - other) / np.linalg.norm(other)
            for one, other in zip((finite_a, finite_w), self.grams, strict=True)
        ]
        of_a, of_w = self.eigenvalues
        together = finite_a / self.kappa_prime + self.kappa_prime * finite_w
        limit = of_a / self.kappa_prime + self.kappa_prime * of_w
        largest = max(np.abs(a[0]).max(), np.abs(w[0]).max())
        logarithm = math.log(4 * m * (d + 1) / DELTA)
        spread = 2 * d * logarithm * (2 + 3 * math.sqrt(2 * math.log(8 / DELTA)))
        found = {
            "start_largest_ratio": largest / math.sqrt(2 * math.log(2 * m * (d + 1) / DELTA)),
            "start_norm": (np.square(a[0]).sum() + np.square(w[0]).sum()) / (m * (d + 1)),
            "start_norm_w": np.square(w[0]).sum() / (m * d),
            "start_norm_a": np.square(a[0]).sum() / m,
            "start_gram_error": max(errors),
            "start_eigenvalue_ratio": smallest_eigenvalue(together) / limit,
            "start_eigenvalue_ratio_a": smallest_eigenvalue(finite_a) / of_a,
            "start_loss_ratio": loss / (0.5 * (1 + spread * self.kappa * math.sqrt(m)) ** 2),
        }
        return found | self._movements(a, w, loss, math.sqrt(2 * logarithm))

    def _movements(
        self, a: np.ndarray, w: np.ndarray, loss: float, deviation: float
    ) -> dict[str, float]:
        """Largest movements over the bounds of Propositions 19 (gamma < 1) and 22."""
        m, (n, d) = self.width, self.inputs.shape
        of_a, of_w = self.eigenvalues
        if self.gamma < 1:
            share = 2 * math.sqrt(2) * d * n * math.sqrt(loss)
            share /= m * self.kappa * (of_a / self.kappa_prime + self.kappa_prime * of_w)
            scales = max(1 / self.kappa_prime, 1), max(self.kappa_prime, 1)
        elif self.gamma_prime > self.gamma - 1:
            share = 2 * math.sqrt(2) * d * n * math.sqrt(loss)
            share /= m * self.kappa * of_a / self.kappa_prime
            scales = 1 / self.kappa_prime, 1
        else:
            return {}
        moved = np.abs(a - a[0]).max(), np.abs(w - w[0]).max()
        return {
            f"movement_ratio_{layer}": movement / (2 * scale * deviation * share)
            for layer, movement, scale in zip("aw", moved, scales, strict=True)
        }
