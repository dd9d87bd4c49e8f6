"""Many steps of gradient descent at once.

While the tangent kernel Theta stays what it is, K steps take the residuals e to (1 - Theta)^K e,
and the parameters move as one step with the residuals sum_{k<K} (1 - Theta)^k e would move them.
That is an exponential integrator's step with powers in place of exponentials. Where the kernel
changes, this is a predictor, and what the way F(theta) of a step differs by at its end,

    r = F(theta_1) - F(theta) - A (theta_1 - theta),    A = dF/dtheta with the kernel kept,

grows from 0 to r over the K steps, to first order: the corrector adds (1/K) sum_k k (1 + A)^(K-1-k)
r. Its effect on the outputs is the estimate of the error. With Theta = Q diag(lambda) Q^T all
functions of A come down to functions of lambda, in n x n work.

At a kink of the activation a pre-activation may be driven back from both sides. Gradient descent
then makes it jump to and fro over the kink, active on the share of the steps at which what drives
it cancels, and this share is what the tangent kernel sees. Two things keep it under multisteps:

- The corrector leaves the slopes of such pre-activations at those of the start
  (`directions_at_end`). A
  multistep then does to them what one large step would do, so that their displacement from the kink
  stays bounded and what drives them must cancel over the multisteps as over the steps. With the
  mean of the slopes at both ends a pre-activation would instead stay on the side where it is pushed
  less.
- Their distances from the kink are proportional to the length of the multisteps. Just after another
  length the side with the longer way back is overrepresented until the distances have adapted.
  So lengths change little before a recorded step (`MultistepControl.next_length`).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from regimes.engines.common.shallow import LEAST_POINTS, MOST_FEATURES
from regimes.engines.function_space.network import FunctionSpaceNetwork, Place

# Below this, K lambda is so small that differences of powers would lose digits.
SERIES_BELOW = 1e-2
# Near h = 0, where many neurons of a ReLU network cross their kinks at once, the outputs alone do
# not tell: at m = 512, n = 200 and mean-field scaling the loss was 0.2 decades off without this.
MOVE_WEIGHT = 3.0
# Residuals below this many roundings of the targets are noise, which no multistep has to follow.
ROUNDING = 100.0
# Costs in units of a multiplication in a product of large matrices, each for a neuron and a point:
# passes over pre-activations and slopes in a step, a feature of a compiled one, and the kernel over
# n where a usual share of the slopes has changed. Those of n^2/m: a product of the kernel with a
# vector, and the eigenvalue problem over n. Measured in one run on a CPU core (n = 300 to 600).
ELEMENTWISE, COMPILED, CHANGED_SLOPES, VECTOR, EIGENVALUES = 70.0, 2.3, 0.25, 3.0, 5.0
# Where there are kinks, this many multisteps of the same length lead to a recorded step, unless
# they would be shorter than the multistep before: after so many the kernel does not show that
# earlier ones were shorter.
EQUAL_MULTISTEPS = 4
# The length of a multistep changes by factors between these, so that its error meets the tolerance.
SAFETY, LEAST_FACTOR, LARGEST_FACTOR = 0.8, 0.1, 3.0


@dataclass(frozen=True)
class PowerSums:
    """Functions of the eigenvalues lambda (n,) of Theta, for K steps.

    total: sum_{k<K} (1 - lambda)^k. growing_slope: (p(0) - p(lambda)) / lambda, where p(lambda) =
    (1/K) sum_{k<K} k (1 - lambda)^(K-1-k), so that p(0) = (K - 1)/2.
    """

    total: Tensor
    growing_slope: Tensor


def power_sums(eigenvalues: Tensor, n_steps: int) -> PowerSums:
    """The functions of `PowerSums`, of the number format of the eigenvalues.

    Computed in float64, in which they are accurate at all eigenvalues from 0 on.
    """
    x = eigenvalues.double()
    power = torch.pow(1 - x, n_steps)
    small = n_steps * x < SERIES_BELOW
    safe = torch.where(small, torch.ones_like(x), x)
    # 1 - (1 - x)^n_steps without cancellation, where the logarithm exists
    inside = safe < 0.5
    fallen = torch.where(
        inside, -torch.expm1(n_steps * torch.log1p(-torch.where(inside, safe, 0 * safe))), 1 - power
    )
    total = fallen / safe
    at_zero = (n_steps - 1) / 2
    slope = (at_zero - (1 - total / n_steps) / safe) / safe
    # Binomial series of both
    terms = [float((-1) ** j * math.comb(n_steps, j + 1)) for j in range(6)]
    series = sum(term * x**j for j, term in enumerate(terms))
    slope_series = sum(terms[j + 2] / n_steps * x**j for j in range(4))
    return PowerSums(
        torch.where(small, series, total).to(eigenvalues.dtype),
        torch.where(small, slope_series, slope).to(eigenvalues.dtype),
    )


class Powers:
    """Functions of Theta for K steps, by as many products of Theta with a vector.

    kernel: Theta (n, n). n_steps: K. What they are is in `PowerSums`.
    """

    def __init__(self, kernel: Tensor, n_steps: int):
        self.kernel, self.n_steps = kernel, n_steps

    def total(self, vector: Tensor) -> Tensor:
        """sum_{k<K} (1 - Theta)^k times a vector (n,)."""
        return self._sums(vector)[0]

    def growing_slope(self, vector: Tensor) -> Tensor:
        """(p(0) - p(Theta)) Theta^-1 times a vector (n,)."""
        return self._sums(vector)[1].div_(self.n_steps)

    def _sums(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """s_K and sum_{j<K} (K - 1 - j) s_j of s_j = sum_{k<j} (1 - Theta)^k vector."""
        total, weighted = torch.zeros_like(vector), torch.zeros_like(vector)
        for j in range(self.n_steps):
            weighted.add_(total, alpha=self.n_steps - 1 - j)
            total = torch.addmv(total + vector, self.kernel, total, alpha=-1)
        return total, weighted


class EigenPowers:
    """The same by the eigenvalues of Theta. Raises LinAlgError if they are not found."""

    def __init__(self, kernel: Tensor, n_steps: int):
        values, self._vectors = torch.linalg.eigh(kernel)
        self._sums = power_sums(values.clamp_(min=0), n_steps)

    def total(self, vector: Tensor) -> Tensor:
        """As of `Powers`."""
        return self._times(self._sums.total, vector)

    def growing_slope(self, vector: Tensor) -> Tensor:
        """As of `Powers`."""
        return self._times(self._sums.growing_slope, vector)

    def _times(self, values: Tensor, vector: Tensor) -> Tensor:
        return self._vectors @ (values * (self._vectors.mT @ vector))


def powers(kernel: Tensor, n_steps: int) -> Powers | EigenPowers:
    """Functions of Theta (n, n) for K steps, the way that takes less work."""
    on_cpu = kernel.device.type == "cpu"
    if on_cpu and 2 * VECTOR * n_steps < EIGENVALUES * len(kernel):
        return Powers(kernel, n_steps)
    return EigenPowers(kernel, n_steps)


@dataclass
class Multistep:
    """Where many steps lead, and the estimated error, relative."""

    end: Place
    error: float


def multistep(network: FunctionSpaceNetwork, n_steps: int) -> Multistep:
    """Where `n_steps` steps of gradient descent lead; the network stays where it is.

    The error is the larger of |f_2 - f_1| / |e_2|, between predictor and corrector, relative to the
    residuals at the end (of that order is the error of the square root of the loss), and of the
    same for the coefficients, |A_2 - A_1| / |A_2|, times MOVE_WEIGHT; A_2 here with all slopes at
    the end (`directions_at_end`).
    """
    errors, kernel = network.errors, network.tangent_kernel()
    try:
        of_kernel = powers(kernel, n_steps)
    except torch.linalg.LinAlgError:  # a kernel that is not finite: the run is about to diverge
        return Multistep(network.look(network.coefficients), math.inf)
    total = of_kernel.total(errors)
    predicted = network.look(network.coefficients + network.directions(total))
    # F(theta_1); F(theta) + A (theta_1 - theta) is the way with the residuals that were expected
    way, lacking = network.directions_at_end(predicted)
    expected = errors - kernel @ total
    change = network.output_change(way) + kernel @ expected
    growing = (n_steps - 1) / 2  # p(0)
    moved = network.directions(of_kernel.growing_slope(change) - growing * expected)
    moved.add_(way, alpha=growing)
    end = network.look(predicted.coefficients + moved)
    if lacking is not None:
        # What the corrector leaves out at kinks counts as error: some are crossed for good.
        moved.add_(lacking, alpha=growing)
    norm = torch.linalg.vector_norm
    rounding = ROUNDING * torch.finfo(errors.dtype).eps * norm(network.targets)
    of_outputs = float(norm(end.errors - predicted.errors) / (norm(end.errors) + rounding))
    of_way = MOVE_WEIGHT * float(norm(moved) / norm(end.coefficients))
    # max() would pass over a NaN.
    error = max(of_outputs, of_way) if math.isfinite(of_outputs + of_way) else math.inf
    return Multistep(end, error)


def break_even_steps(network: FunctionSpaceNetwork) -> int:
    """As many plain steps as the shortest multistep that takes less time replaces, about.

    By counts of operations, timed on a CPU core with compiled passes. Other devices, and those that
    lack Numba, have other costs, but make the same multisteps, so that their results agree.
    """
    n_points, product = network.n_points, len(network.basis)
    if network.in_weights:
        product *= 2
    step, passes = product + ELEMENTWISE, 3 * product + 5 * ELEMENTWISE
    few = len(network.basis) <= MOST_FEATURES and n_points >= LEAST_POINTS
    if network.kinked and network.in_weights and few:
        step = COMPILED * len(network.basis)
        passes = 4.3 * step
    kernel = n_points * (CHANGED_SLOPES if network.kinked else 1.0)
    relative = n_points / network.width
    by_eigenvalues = (passes + kernel + EIGENVALUES * n_points * relative) / step
    # Powers cost something for each step.
    left = step - 2 * VECTOR * relative
    by_powers = (passes + kernel) / left if left > 0 else math.inf
    return math.ceil(min(by_eigenvalues, by_powers))


@dataclass
class MultistepControl:
    """How long multisteps are, and where plain steps take less work.

    tolerance: of a multistep's error. break_even_steps: the shortest multistep, of as many plain
    steps as take the same work. equal: multisteps of about the same length that lead to a recorded
    step. length: the longest that the next multistep may be. pause: plain steps before the next
    multistep; each multistep that fails although it is short doubles `patience`, the next pause, up
    to MOST_PATIENCE. last: length of the last multistep, 1 after a plain step.
    """

    tolerance: float
    break_even_steps: int
    equal: int = EQUAL_MULTISTEPS
    length: float = 0.0
    pause: int = 0
    patience: int = 0
    last: int = 1

    MOST_PATIENCE = 2000

    def __post_init__(self) -> None:
        self.length = self.length or 2.0 * self.break_even_steps
        self.patience = self.patience or 10 * self.break_even_steps

    def next_length(self, most: int) -> int:
        """Length of the multistep to be tried now; 0: a plain step is to be made.

        most: steps up to the next recorded one. They are divided into multisteps of the same
        length: `equal` of them; or fewer, where these are no longer than the last multistep was or
        would otherwise not be worth it; or more, where multisteps of that length are not accurate
        enough.
        """
        if self.pause > 0 or most < self.break_even_steps:
            return 0
        longest = min(int(self.length), max(self.last, most / self.equal))
        count = min(math.ceil(most / longest), most // self.break_even_steps)
        return min(int(self.length), math.ceil(most / count))

    def plain_steps(self, most: int) -> int:
        """Number of plain steps before another multistep can be tried, where `next_length` is 0."""
        return most if most < self.break_even_steps else min(self.pause, most)

    def stepped(self, n_steps: int = 1) -> None:
        """Take note that plain steps were made."""
        self.pause = max(0, self.pause - n_steps)
        self.last = 1

    def judge(self, n_steps: int, error: float) -> bool:
        """Say whether a multistep is accurate enough, and set the length of the next one."""
        accepted = error <= self.tolerance
        factor = LARGEST_FACTOR if error == 0 else SAFETY * (self.tolerance / error) ** 0.5
        if not math.isfinite(error):
            factor = LEAST_FACTOR
        length = n_steps * min(max(factor, LEAST_FACTOR), LARGEST_FACTOR)
        # A multistep that was cut short says nothing against the longer one.
        cut_short = accepted and n_steps < int(self.length)
        self.length = max(length, self.length) if cut_short else length
        if accepted:
            self.patience, self.last = 10 * self.break_even_steps, n_steps
        if self.length < self.break_even_steps:
            self.pause, self.length = self.patience, 2.0 * self.break_even_steps
            self.patience = min(2 * self.patience, self.MOST_PATIENCE)
        return accepted

    def state(self) -> list[float]:
        """The numbers that `restore` needs."""
        return [self.length, self.pause, self.patience, self.last]

    def restore(self, state: list[float]) -> None:
        """Go on from a state."""
        self.length, self.pause = state[0], int(state[1])
        self.patience, self.last = int(state[2]), int(state[3])


def control_of(network: FunctionSpaceNetwork, tolerance: float) -> MultistepControl:
    """The control of the multisteps of a network, of errors up to a tolerance."""
    # Without kinks the kernel does not depend on how long multisteps are.
    equal = EQUAL_MULTISTEPS if network.kinked else 1
    return MultistepControl(tolerance, break_even_steps(network), equal)
