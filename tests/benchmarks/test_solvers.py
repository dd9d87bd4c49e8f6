"""The solver beside adaptive Runge-Kutta methods and gradient descent, to the same loss.

Run with `pytest tests/benchmarks --benchmark-enable`. An evaluation is one pass through the
network, forward and backward; a move of the solver counts as one (it costs about two). Seconds are
those of one run on one core; for a batch, its time over the number of runs, since batches are what
the solver is for. The error of RD_w is against small explicit steps.

torchode and diffrax (`pip install -e '.[benchmark]'`) integrate a batch in which every run has
steps of its own. torchode cannot stop at a loss: it is given the times at which the solver of this
package got there. diffrax stops by an event, in a batch at these times at the latest, since at this
tolerance many runs never get there. Compiling is not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.integrate
import torch
from by_diffrax import compiled_flow
from gathered import DIFFRAX, PACKAGE, PYTORCH, SCIPY, TORCHODE, Gathered, Measured, Seconds, timed
from problems import INPUTS, TARGETS, draw, four_points, relative_distances, stack
from roofline import flow_evaluation, flow_pass

from regimes.engines.gradient_flow.exponential import MOVES_PER_STEP
from regimes.engines.gradient_flow.integrator import Limits, integrate
from regimes.engines.gradient_flow.network import TwoLayerNetwork, Weights
from regimes.engines.gradient_flow.step_size import StepSizeControl

WIDTH = 1000
SETTINGS = {"linear": (0.0, 0.6), "critical": (0.0, 1.0), "condensed": (0.0, 1.75)}
RELATIVE_LOSS = 1e-6
TOLERANCE = 0.03
CONTROLLED = StepSizeControl(TOLERANCE), Limits(RELATIVE_LOSS, 5000, 1e30)
RUNGE_KUTTA_TOLERANCE = 1e-3
# As scipy has it by default
RUNGE_KUTTA_ABSOLUTE = 1e-6
# Of the Dormand-Prince pair, which reuses its last one
EVALUATIONS_PER_STEP = 6
# Runge-Kutta steps are cut down at every kink: without an end it would run for hours.
MOST_EVALUATIONS = 50_000
# Gradient descent has failed when it takes longer than this, or its loss rises this much.
MOST_DESCENT_STEPS = 50_000
RISE_OF_FAILURE = 10.0
# The largest stable step is found within this factor.
SEARCH_ACCURACY = 1.02
# Runs with other seeds beside the one that is compared
BATCH = 32
# Turns of each method; the fastest counts.
TURNS = 2
# The reference: steps this many times smaller than the largest stable one and half of that,
# extrapolated
REFERENCE_SHARE = 50


@dataclass
class Outcome:
    """What a method came to, for one run."""

    evaluations: float
    relative_loss: float
    distance: float
    note: str = ""
    runs: int = 1


class Problem:
    """One run as a flat vector theta, with dR/dtheta from the equations of the model."""

    def __init__(self, setting: tuple[float, float]) -> None:
        network, weights = draw([setting], WIDTH)
        self.initial = weights
        self.start = np.concatenate([weights.a[0].numpy(), weights.w[0].numpy().ravel()])
        self.inputs, self.targets = np.array(INPUTS), np.array(TARGETS)
        self.scale = network.output_scale.item()
        self.rates = (network.rate_a.item(), network.rate_w.item())
        self.evaluations = 0
        self.velocity(0.0, self.start)
        self.first_loss = self.loss

    def velocity(self, _: float, theta: np.ndarray) -> np.ndarray:
        """theta' of gradient flow; keeps the loss at theta."""
        self.evaluations += 1
        a, w = theta[:WIDTH], theta[WIDTH:].reshape(-1, WIDTH)
        z = self.inputs @ w
        active = z > 0
        z *= active
        e = self.scale * (z @ a) - self.targets
        self.loss = e @ e / (2 * len(e))
        force = (-self.scale / len(e)) * e
        out = np.empty_like(theta)
        np.multiply(self.rates[0], force @ z, out=out[:WIDTH])
        pull = (self.inputs.T * force) @ active
        out[WIDTH:] = (pull * (self.rates[1] * a)).ravel()
        return out

    @property
    def relative_loss(self) -> float:
        return self.loss / self.first_loss

    def restart(self) -> None:
        self.evaluations, self.loss = 0, self.first_loss

    def outcome(self, theta: np.ndarray, note: str = "") -> Outcome:
        end = Weights(torch.tensor(theta[:WIDTH])[None], torch.tensor(theta[WIDTH:]).view(1, 2, -1))
        distance = float(relative_distances(self.initial, end)["w"])
        return Outcome(self.evaluations, self.relative_loss, distance, note)


def batch(setting: tuple[float, float], n_runs: int) -> tuple[TwoLayerNetwork, Weights]:
    """Runs with different seeds; the first is the one compared."""
    drawn = [draw([setting], WIDTH, seed) for seed in range(n_runs)]
    network = drawn[0][0][torch.zeros(n_runs, dtype=torch.int64)]
    return network, stack([weights[0] for _, weights in drawn])


def solver(setting: tuple[float, float], n_runs: int) -> Callable[[], Outcome]:
    """This package's solver at its default tolerance."""
    network, initial = batch(setting, n_runs)
    _, targets = four_points()

    def run() -> Outcome:
        result = integrate(network, initial, targets, *CONTROLLED, history_points=64)
        steps = float((result.accepted_steps + result.rejected_steps).mean())
        distance = float(relative_distances(initial, stack(result.weights))["w"][0])
        relative_loss = float(result.final_loss[0] / result.initial_loss[0])
        evaluations = MOVES_PER_STEP * steps + 1
        return Outcome(evaluations, relative_loss, distance, f"{steps:.0f} steps", n_runs)

    return run


def by_solver(problem: "Problem", setting: tuple[float, float]) -> Callable[[], Outcome]:
    """The solver on one run."""
    return solver(setting, 1)


def by_batch(problem: "Problem", setting: tuple[float, float]) -> Callable[[], Outcome]:
    """The solver on a batch of runs."""
    return solver(setting, BATCH)


def by_runge_kutta(problem: Problem, setting: tuple[float, float]) -> Callable[[], Outcome]:
    """scipy's RK45, with at most MOST_EVALUATIONS."""

    def run() -> Outcome:
        problem.restart()
        method = scipy.integrate.RK45(
            problem.velocity, 0.0, problem.start, t_bound=1e30, rtol=RUNGE_KUTTA_TOLERANCE
        )
        # The last evaluation of an accepted step is at its end, so that the loss there is known.
        while problem.relative_loss >= RELATIVE_LOSS and problem.evaluations < MOST_EVALUATIONS:
            method.step()
        done = problem.relative_loss < RELATIVE_LOSS
        return problem.outcome(method.y, "" if done else "stopped at the cap")

    return run


def descend(problem: Problem, step: float, max_steps: int = MOST_DESCENT_STEPS) -> np.ndarray:
    """Gradient descent until it reaches the loss, or fails."""
    problem.restart()
    theta = problem.start.copy()
    for _ in range(max_steps):
        velocity = problem.velocity(0.0, theta)
        if problem.relative_loss < RELATIVE_LOSS or not problem.relative_loss < RISE_OF_FAILURE:
            break
        theta += step * velocity
    return theta


def largest_stable_step(problem: Problem, setting: tuple[float, float]) -> float:
    """The largest step with which gradient descent reaches the loss, by bisection."""

    def reaches(step: float) -> bool:
        descend(problem, step)
        return problem.relative_loss < RELATIVE_LOSS

    network, initial = draw([setting], WIDTH)
    _, kernel = network.tangent(initial)
    stable = 1 / float(torch.linalg.eigvalsh(kernel)[0, -1])
    # Where the kernel grows on the way, what is stable at the start is not stable later.
    while not reaches(stable):
        stable /= 2
    unstable = 2 * stable
    while reaches(unstable):
        stable, unstable = unstable, 2 * unstable
    while unstable / stable > SEARCH_ACCURACY:
        middle = (stable * unstable) ** 0.5
        if reaches(middle):
            stable = middle
        else:
            unstable = middle
    return stable


def by_descent(problem: Problem, setting: tuple[float, float]) -> Callable[[], Outcome]:
    """Gradient descent at the largest stable step; the search for it is not counted."""
    step = largest_stable_step(problem, setting)
    return lambda: problem.outcome(descend(problem, step), f"step {step:.3g}")


@pytest.fixture(scope="module")
def references() -> dict[str, float]:
    """RD_w by regime, from gradient descent at two small steps."""
    distances = {}
    for regime, setting in SETTINGS.items():
        problem = Problem(setting)
        step = largest_stable_step(problem, setting) / REFERENCE_SHARE
        coarse, fine = (problem.outcome(descend(problem, size, 10**7)) for size in (step, step / 2))
        assert max(coarse.relative_loss, fine.relative_loss) < RELATIVE_LOSS
        distances[regime] = 2 * fine.distance - coarse.distance
    return distances


def by_autograd(problem: Problem, setting: tuple[float, float]) -> Callable[[], Outcome]:
    """The same steps of gradient descent as one writes them: autograd and torch.optim.SGD."""
    step = largest_stable_step(problem, setting)
    inputs, targets = four_points()
    stop = RELATIVE_LOSS * problem.first_loss

    def run() -> Outcome:
        a = problem.initial.a[0].clone().requires_grad_()
        w = problem.initial.w[0].clone().requires_grad_()
        groups = [
            {"params": [weights], "lr": step * rate}
            for weights, rate in zip((a, w), problem.rates, strict=True)
        ]
        optimiser = torch.optim.SGD(groups)
        evaluations = 0
        while evaluations < MOST_DESCENT_STEPS:
            optimiser.zero_grad()
            loss = (problem.scale * a @ torch.relu(w.T @ inputs.T) - targets).square().mean() / 2
            evaluations += 1
            value = loss.item()
            if value < stop:
                break
            loss.backward()
            optimiser.step()
        theta = torch.cat([a.detach(), w.detach().flatten()]).numpy()
        problem.evaluations, problem.loss = evaluations, value
        return problem.outcome(theta, f"step {step:.3g}")

    return run


def by_torchode(problem: Problem, setting: tuple[float, float]) -> Callable[[], Outcome]:
    """torchode's Dopri5, the pair of RK45, on a batch, to the times at which the solver ended."""
    torchode = pytest.importorskip("torchode")
    network, initial = batch(setting, BATCH)
    inputs, targets = four_points()
    times = integrate(network, initial, targets, *CONTROLLED, history_points=2).flow_time
    rates = problem.rates
    losses = torch.empty(BATCH, dtype=inputs.dtype)

    def velocity(_: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """theta' (E, 3 m)."""
        a, w = theta[:, None, :WIDTH], theta[:, WIDTH:].view(BATCH, -1, WIDTH)
        z = inputs @ w
        active = (z > 0).to(z.dtype)
        z *= active
        errors = problem.scale * (z @ a.mT)[..., 0] - targets
        torch.div(errors.square().sum(1), 2 * len(targets), out=losses)
        force = errors[:, None] * (-problem.scale / len(targets))
        pull = (inputs.T * force) @ active
        pull *= rates[1] * a
        return torch.cat([rates[0] * (force @ z)[:, 0], pull.flatten(1)], dim=1)

    start = torch.cat([initial.a, initial.w.flatten(1)], dim=1)
    velocity(torch.zeros(BATCH), start)
    first_losses = losses.clone()
    ends = torch.tensor(times)
    term = torchode.ODETerm(velocity)
    tolerances = {"atol": RUNGE_KUTTA_ABSOLUTE, "rtol": RUNGE_KUTTA_TOLERANCE}
    solver = torchode.AutoDiffAdjoint(
        torchode.Dopri5(term=term),
        torchode.IntegralController(**tolerances, term=term),
        max_steps=MOST_EVALUATIONS // EVALUATIONS_PER_STEP,
    )

    def run() -> Outcome:
        with torch.no_grad():
            solution = solver.solve(
                torchode.InitialValueProblem(start, torch.zeros_like(ends), ends)
            )
            end = solution.ys[:, -1]
            velocity(ends, end)
        weights = Weights(end[:, :WIDTH], end[:, WIDTH:].view(BATCH, -1, WIDTH))
        distance = float(relative_distances(initial, weights)["w"][0])
        evaluations = float(solution.stats["n_steps"].double().mean()) * EVALUATIONS_PER_STEP
        done = bool((solution.status == 0).all())
        relative_loss = float((losses / first_losses).max())
        note = f"R / R(0) up to {relative_loss:.0e}" if done else "stopped at the cap"
        return Outcome(evaluations, relative_loss, distance, note, BATCH)

    return run


def diffrax_of(n_runs: int) -> Callable[[Problem, tuple[float, float]], Callable[[], Outcome]]:
    """diffrax's Dopri5, the pair of RK45, on a batch, until each run has reached the loss."""

    def make(problem: Problem, setting: tuple[float, float]) -> Callable[[], Outcome]:
        network, initial = batch(setting, n_runs)
        ends = np.full(n_runs, 1e30)
        if n_runs > 1:
            _, targets = four_points()
            ends = integrate(network, initial, targets, *CONTROLLED, history_points=2).flow_time
        flow, compiling = compiled_flow(
            problem.inputs,
            problem.targets,
            (initial.a.numpy(), initial.w.numpy()),
            ends,
            scale=problem.scale,
            rates=problem.rates,
            relative_loss=RELATIVE_LOSS,
            rtol=RUNGE_KUTTA_TOLERANCE,
            atol=RUNGE_KUTTA_ABSOLUTE,
            max_steps=MOST_EVALUATIONS // EVALUATIONS_PER_STEP,
        )

        def run() -> Outcome:
            end, relative_losses, steps = flow()
            weights = Weights(*(torch.tensor(values) for values in end))
            distance = float(relative_distances(initial, weights)["w"][0])
            evaluations = float(steps.mean()) * EVALUATIONS_PER_STEP
            note = f"R / R(0) up to {relative_losses.max():.0e}, compiled in {compiling:.1f} s"
            return Outcome(evaluations, float(relative_losses.max()), distance, note, n_runs)

        return run

    return make


SINGLE = {
    f"this solver, tolerance {TOLERANCE}": (by_solver, PACKAGE),
    f"RK45 (scipy), rtol {RUNGE_KUTTA_TOLERANCE}": (by_runge_kutta, SCIPY),
    f"Dopri5 (diffrax), rtol {RUNGE_KUTTA_TOLERANCE}": (diffrax_of(1), DIFFRAX),
    "gradient descent, autograd, torch.optim.SGD": (by_autograd, PYTORCH),
    "gradient descent, NumPy": (by_descent, ""),
}
BATCHED = {
    f"this solver, tolerance {TOLERANCE}": (by_batch, PACKAGE),
    f"torchode, rtol {RUNGE_KUTTA_TOLERANCE}": (by_torchode, TORCHODE),
    f"Dopri5 (diffrax), rtol {RUNGE_KUTTA_TOLERANCE}": (diffrax_of(BATCH), DIFFRAX),
}
RUNS = {"one run": SINGLE, f"{BATCH} runs at once, per run": BATCHED}


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("regime", SETTINGS)
def test_to_the_same_loss(
    benchmark, gathered: Gathered, references: dict[str, float], regime: str, runs: str
) -> None:
    setting = SETTINGS[regime]
    methods = {name: make(Problem(setting), setting) for name, (make, _) in RUNS[runs].items()}
    outcomes: dict[str, Outcome] = {}
    seconds: dict[str, list[Seconds]] = {name: [] for name in methods}

    def turn() -> None:
        for name, run in methods.items():
            outcomes[name], spent = timed(run)
            seconds[name].append(spent * (1 / outcomes[name].runs))

    benchmark.pedantic(turn, rounds=TURNS)
    rows = []
    for name, outcome in outcomes.items():
        make, role = RUNS[runs][name]
        off = 100 * (outcome.distance / references[regime] - 1)
        notes = [f"RD_w {off:+.1f} %", f"{outcome.evaluations:.0f} evaluations", outcome.note]
        error = ", ".join(filter(None, notes))
        work = flow_pass if role == PACKAGE else flow_evaluation
        work_of_run = work(WIDTH, *np.shape(INPUTS)) * outcome.evaluations
        rows.append(Measured(name, Seconds.least(seconds[name]), role, error, work_of_run))
        # At a given time residuals are of the size of the tolerance.
        if role in (TORCHODE, DIFFRAX):
            assert outcome.relative_loss < RUNGE_KUTTA_TOLERANCE
        elif make is not by_runge_kutta:
            assert outcome.relative_loss < RELATIVE_LOSS
    gathered.compare("luo2021", f"{regime} (gamma = {setting[1]:g}), {runs}", rows)
