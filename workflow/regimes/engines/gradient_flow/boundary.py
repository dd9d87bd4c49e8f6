"""Search for the gamma at which the first layer's relative distance stops to vanish.

S_w(gamma) is the slope of log RD(theta_w) against log m, equation (19) of Luo et al. (2021), of
networks that gradient flow trains at several widths m. Its zero gamma* separates the linear from
the condensed regime. S_w rises smoothly through it, and networks of one seed at several gamma start
from the same draws, so that few runs suffice:

1. One seed at the smallest and the largest width: two gammas, shifted by twice their distance until
   S_w changes its sign between them, halved until they are near, then joined by a line, whose zero
   is gamma_0 and whose slope is D.
2. All widths and several seeds at gamma_0: each seed has a zero gamma_0 - S_w / D. Their mean is
   gamma*, and their spread its standard error, until which is small enough there are more seeds.
   Where the mean is too far away for the line to hold, it is the new gamma_0. The error of D, from
   one seed, is not in the standard error, since it only counts in proportion to gamma* - gamma_0.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import xarray as xr

from regimes.engines.common.engine import (
    Batch,
    Coordinate,
    Engine,
    Job,
    Session,
    Variable,
    one_run,
)
from regimes.engines.gradient_flow.engine import Runs as FlowRuns
from regimes.parameterisations.scales import AXES as PARAMETER_AXES

if TYPE_CHECKING:
    from regimes.engines.gradient_flow.settings import BoundaryExperiment

DISTANCE = "final_relative_distance_w"
# Two gammas with a zero between them are joined by a line when they are nearer than this.
NEAR = 0.15
# The line holds to a tenth: a zero that is farther from gamma_0 than so many standard errors, of
# which that would be half a one, becomes the new gamma_0, so many times at most.
FAR, MOST_MOVES = 5.0, 4
# Gammas are looked for between these, by so many shifts, and so many are tried at most, all in all.
LOWEST, HIGHEST, MOST_SHIFTS, MOST_GAMMAS = 0.0, 5.0, 12, 32
# A boundary counts where at least this share of the networks was trained to its end.
ENOUGH = 0.9


class Trials:
    """The relative distances of the networks that were trained, by gamma, seed and width."""

    def __init__(self, state: dict[str, Any] | None):
        self.distances: dict[tuple[float, int, int], float] = {}
        # Whether the flows got to their end, in the same order.
        self.ended: list[float] = []
        if state is not None:
            keys = zip(state["gamma"], state["seed"], state["width"], strict=True)
            self.distances = dict(zip(keys, state["distance"], strict=True))
            self.ended = list(state["ended"])

    def state(self) -> dict[str, Any]:
        """What the search needs to go on: it asks again for what is known."""
        gamma, seed, width = (list(one) for one in zip(*self.distances, strict=True))
        return {
            "gamma": gamma,
            "seed": seed,
            "width": width,
            "distance": list(self.distances.values()),
            "ended": self.ended,
        }

    def gammas(self) -> list[float]:
        """The gammas that were tried, sorted."""
        return sorted({gamma for gamma, _, _ in self.distances})

    def slopes(self, gamma: float, widths: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
        """S_w of each seed by least squares over the widths; NaN where a run has no distance."""
        distances = np.array(
            [[self.distances[gamma, seed, width] for width in widths] for seed in seeds]
        )
        x = np.log(widths) - np.mean(np.log(widths))
        with np.errstate(divide="ignore", invalid="ignore"):
            y = np.log(np.where(distances > 0, distances, np.nan))
        return (y @ x) / (x @ x)


class Runs(Engine["BoundaryExperiment"]):
    """A search for each gamma'. Raises DataError for targets of several outputs."""

    AXES: ClassVar = {
        "gamma_prime": PARAMETER_AXES["gamma_prime"],
        "width_low": "smaller number of hidden neurons of a pair",
    }
    VARIABLES: ClassVar = {
        "boundary_gamma": Variable("gamma at which S_w rises through 0, mean over seeds"),
        "boundary_gamma_stderr": Variable("standard error of boundary_gamma over seeds"),
        "boundary_gamma_n_seeds": Variable("number of seeds behind boundary_gamma", dtype=np.int32),
        "steepness": Variable("rise of S_w per unit of gamma, near the boundary"),
        "n_networks": Variable("number of networks that were trained", dtype=np.int32),
        "flows_converged": Variable("share of these that converged or were stationary"),
        "converged": Variable(
            "1 if the boundary was found with the wanted standard error, of trained networks",
            dtype=np.int8,
        ),
        "bracketed": Variable("1 if S_w changes its sign between two gammas", dtype=np.int8),
        "trial_gamma": Variable("gamma that was tried", ("trial",), coordinate=True),
        "trial_width": Variable(
            "number of hidden neurons m", ("width_rank",), dtype=np.int64, coordinate=True
        ),
        "final_relative_distance_w": Variable(
            "relative distance |w(T) - w(0)| / |w(0)| of the first-layer weights at the end",
            ("trial", "seed", "width_rank"),
        ),
    }
    INDICES: ClassVar = {
        "trial": "index of the gamma that was tried, from low to high",
        "seed": "index of the random initialisation",
        "width_rank": "index of the width, from low to high",
    }

    def __init__(self, job: Job["BoundaryExperiment"], data: xr.Dataset, device: str):
        super().__init__(job, data, device)
        # Test points would only be measured.
        self.data = data.isel(point=data["split"].values == 0)

    def train(self, batch: Batch, session: Session) -> dict[str, np.ndarray]:
        """Search the boundary at one gamma'."""
        (setting,) = batch.settings
        trials = Trials(session.state)
        wanted = self.settings
        widths = wanted.widths_at(setting)
        ends = [widths[0], widths[-1]]

        def require(gamma: float, widths: Sequence[int], seeds: Sequence[int]) -> np.ndarray:
            self._follow(setting["gamma_prime"], gamma, widths, seeds, trials, session)
            return trials.slopes(gamma, widths, seeds)

        bracket = _bracket(lambda gamma: float(require(gamma, ends, [0])[0]), wanted.start)
        found = {"boundary_gamma": np.nan, "boundary_gamma_stderr": np.nan, "steepness": np.nan}
        n_seeds, is_found = 0, False
        if bracket is not None:
            (low, high), (below, above) = bracket
            steepness = (above - below) / (high - low)
            gamma, moves, count = low - below / steepness, 0, wanted.min_seeds
            while True:
                zeros = gamma - require(gamma, widths, range(count)) / steepness
                zeros = zeros[np.isfinite(zeros)]
                n_seeds = len(zeros)
                zero = float(zeros.mean()) if n_seeds else np.nan
                error = float(zeros.std(ddof=1) / n_seeds**0.5) if n_seeds > 1 else np.nan
                is_far = abs(zero - gamma) > FAR * max(wanted.standard_error, error)
                if is_far and moves < MOST_MOVES:
                    gamma, moves = min(max(zero, LOWEST), HIGHEST), moves + 1
                elif error > wanted.standard_error and count < wanted.max_seeds:
                    # As many as their spread asks for, but no leap on the word of a few.
                    needed = int(np.ceil(count * (error / wanted.standard_error) ** 2))
                    count = min(max(needed, count + 1), 2 * count, wanted.max_seeds)
                else:
                    break
            is_found = not is_far and error <= wanted.standard_error
            is_found &= n_seeds >= wanted.min_seeds
            found = {
                "boundary_gamma": zero,
                "boundary_gamma_stderr": error,
                "steepness": steepness,
            }
        return one_run(
            found
            | self._ending(trials, widths)
            | {
                "boundary_gamma_n_seeds": n_seeds,
                "bracketed": bracket is not None,
                "converged": is_found and np.mean(trials.ended) >= ENOUGH,
            }
        )

    def _follow(
        self,
        gamma_prime: float,
        gamma: float,
        widths: Sequence[int],
        seeds: Sequence[int],
        trials: Trials,
        session: Session,
    ) -> None:
        """Train the networks that are missing at a gamma, of all asked for at once."""
        for width in widths:
            missing = [seed for seed in seeds if (gamma, seed, width) not in trials.distances]
            if not missing:
                continue
            axes: dict[str, Sequence[Any]] = {
                "gamma_prime": [gamma_prime],
                "gamma": [gamma],
                "width": [width],
                "seed": missing,
            }
            job = Job(
                self.job.experiment,
                self.job.dataset,
                self.job.root_seed,
                axes,
                self.settings.flow(axes),
                self.job.activation_expression,
            )
            runs = FlowRuns(job, self.data, self.device)
            text = f"gamma = {gamma:.4f}, width {width}, seed {missing[0]} to {missing[-1]}"
            for batch in runs.batches():
                values = runs.train(batch, _Inner(session, f"{text}, {{}}"))
                ended = values["converged"] + values["stationary"]
                for one, distance, is_ended in zip(
                    batch.settings, values[DISTANCE], ended, strict=True
                ):
                    trials.distances[gamma, one["seed"], width] = float(distance)
                    trials.ended.append(float(is_ended))
            session.note(f"{text}: done")
            session.offer(trials.state)

    def _ending(self, trials: Trials, widths: Sequence[int]) -> dict[str, Any]:
        """What was tried."""
        gammas = trials.gammas()
        distances = np.full((MOST_GAMMAS, self.settings.max_seeds, len(widths)), np.nan)
        for (gamma, seed, width), value in trials.distances.items():
            distances[gammas.index(gamma), seed, widths.index(width)] = value
        trial_gamma = np.full(MOST_GAMMAS, np.nan)
        trial_gamma[: len(gammas)] = gammas
        return {
            "n_networks": len(trials.distances),
            "flows_converged": np.mean(trials.ended),
            "trial_gamma": trial_gamma,
            "trial_width": widths,
            DISTANCE: distances,
        }

    def coordinates(self) -> dict[str, Coordinate]:
        """None beside the axes and indices."""
        return {}


class _Inner(Session):
    """The session of a part of the search: it reports, and offers nothing of its own."""

    def __init__(self, outer: Session, text: str):
        self._outer, self._text = outer, text

    def report(self, make_progress: Callable[[], Any]) -> None:
        self._outer.report(lambda: self._text.format(make_progress()))


Pair = tuple[float, float]


def _bracket(slope: Callable[[float], float], start: Pair) -> tuple[Pair, Pair] | None:
    """Two near gammas between which S_w rises through 0, and its values there.

    None where there are none between the bounds, or where a run has no distance.
    """
    low, high = start
    below, above = slope(low), slope(high)
    for _ in range(MOST_SHIFTS):
        reach = 2 * (high - low)
        if below > 0:
            high, above, low = low, below, max(low - reach, LOWEST)
            below = slope(low)
        elif above <= 0:
            low, below, high = high, above, min(high + reach, HIGHEST)
            above = slope(high)
        else:
            break
        if high - low < NEAR / 100:
            return None
    if not (below <= 0 < above):
        return None
    while high - low > NEAR:
        middle = 0.5 * (low + high)
        value = slope(middle)
        if not np.isfinite(value):
            return None
        if value <= 0:
            low, below = middle, value
        else:
            high, above = middle, value
    return (low, high), (below, above)
