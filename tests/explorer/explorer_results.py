"""Made-up results of all papers, written as the workflow writes them, and the page made of them."""

from dataclasses import dataclass
from pathlib import Path

import caron_runs
import chen_runs
import luo_runs
import numpy as np
import song_runs
import xarray as xr
from PIL import Image

from regimes.claims.core import Claim, Finding, evaluate, within
from regimes.explorer.page import render
from regimes.papers.luo2021 import condensation
from regimes.papers.razborov2022.convergence import KEPT
from regimes.storage import store

TITLES = {
    "luo2021": "Phase diagram (Luo et al., 2021)",
    "razborov2022": "Guarantees (Razborov, 2022)",
    "chen2022": "Feature learning (Chen et al., 2022)",
    "caron2023": "Node scaling (Caron et al., 2023)",
    "song2021": "Subquadratic (Song et al., 2021)",
}
FORMULA = "|W_T - W_0| <= 1e-3 at gamma_prime = -0.5, log_view aside"
# Of these the first two are there.
FIGURES = {
    "phase_diagram": ["phase_diagram"],
    "condensation": ["luo2021/fig"],
    "song2021_mnist": ["song2021/gone"],
}
FOUR_POINTS = {"kind": "points", "inputs": [-1.0, -0.3, 0.3, 1.0]}
MNIST = {"kind": "mnist", "n_train": 45}
# Scatters exist on the four points with relu, at these settings alone.
CONDENSATION_GAMMA = [0.5, 1.0]
NEURONS = [100, 300]
UNITS = {"units": "1"}


@dataclass(frozen=True)
class Results:
    """Files by name (claims as `claims/<paper>`), and the page made of them."""

    files: dict[str, Path]
    page: Path

    def read(self, name: str) -> xr.Dataset:
        """The content of a file."""
        return store.read(self.files[name])


def write_results(directory: Path) -> Results:
    """Write the files of all papers and the page."""
    files = {}
    for name, (measure, module, settings) in made_up_measures().items():
        files[name] = directory / f"results/measures/{name}.nc"
        store.write(
            measure,
            files[name],
            title=name,
            source=f"regimes.papers.{module}",
            references="made up",
            config=settings,
        )
    for paper, verdicts in made_up_claims().items():
        files[f"claims/{paper}"] = directory / f"results/claims/{paper}.nc"
        store.write(
            verdicts,
            files[f"claims/{paper}"],
            title=paper,
            source="made up",
            references="made up",
            config={"scale": "smoke"},
        )
    for name in ("phase_diagram", "luo2021/fig"):
        figure = directory / f"figures/{name}.png"
        figure.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(figure)
    results = Results(files, directory / "results/explorer.html")
    results.page.write_text(rendered(results, tuple(files)), encoding="utf-8")
    return results


def rendered(results: Results, names: tuple[str, ...]) -> str:
    """The page made of some of the files."""
    measures = {name: results.read(name) for name in names if not name.startswith("claims/")}
    claims = {
        name.removeprefix("claims/"): results.read(name)
        for name in names
        if name.startswith("claims/")
    }
    paths = {name: f"results/{name}.nc" for name in names}
    return render(measures, claims, TITLES, paths, FIGURES)


def made_up_measures() -> dict[str, tuple[xr.Dataset, str, dict]]:
    """Measures, the module that they are of, and the settings behind them, by experiment."""
    noisy = luo_runs.measured(luo_runs.made_up_runs(noise=0.02, seeds=3))
    other = luo_runs.measured(luo_runs.made_up_runs(offset=0.1, widths=[100, 1000]))
    diagram = "luo2021.phase_diagram"
    return {
        "phase_diagram": (noisy, diagram, _settings("phase_diagram", FOUR_POINTS, "relu")),
        "phase_diagram_tanh": (
            other,
            diagram,
            _settings("phase_diagram_tanh", FOUR_POINTS, "tanh"),
        ),
        "phase_diagram_mnist": (other, diagram, _settings("phase_diagram_mnist", MNIST, "relu")),
        "condensation": (
            _condensation(),
            "luo2021.condensation",
            _settings("condensation", FOUR_POINTS, "relu"),
        ),
        "razborov2022": (_razborov(), "razborov2022.convergence", {"scale": "smoke"}),
        "chen2022_random_labels": (
            chen_runs.made_up_measures(chen_runs.RANDOM_LABELS, seeds=2),
            "chen2022.curves",
            {"scale": "smoke"},
        ),
        "caron2023_concrete": (
            caron_runs.made_up_measures("caron2023_concrete"),
            "caron2023.training",
            {"scale": "smoke"},
        ),
        "song2021_mnist": (
            song_runs.measured(song_runs.made_up_runs()),
            "song2021.mnist",
            {"scale": "smoke"},
        ),
    }


def _settings(name: str, dataset: dict, activation: str) -> dict:
    return {
        "scale": "smoke",
        "experiments": {name: {"dataset": "training_data", "activation": activation}},
        "datasets": {"training_data": dataset},
    }


def _condensation() -> xr.Dataset:
    """Neurons in all directions, fewer at larger amplitudes."""
    blocks = []
    for width in NEURONS:
        axes = {"gamma_prime": [0.0], "gamma": CONDENSATION_GAMMA, "width": [width], "seed": [0]}
        shape = tuple(len(values) for values in axes.values())
        run = xr.Dataset(
            {
                name: (condensation.AXES, np.ones(shape), {"long_name": name} | UNITS)
                for name in condensation.KEPT
            },
            {name: (name, values, {"long_name": name} | UNITS) for name, values in axes.items()},
        )
        random = np.random.default_rng(width)
        sizes = random.exponential(size=(*shape, width))
        bins = random.integers(0, condensation.ANGULAR_BINS, (*shape, width))
        centres = (np.arange(condensation.ANGULAR_BINS) + 0.5) * np.pi / 180 - np.pi
        axis = xr.Variable("orientation", centres, {"long_name": "angle", "units": "radian"})
        blocks.append(condensation.reduced(run, sizes, bins, axis))
    return xr.concat(blocks, "width")


def _razborov() -> xr.Dataset:
    """Runs of two widths, one of which has no runs of the fewest points."""
    axes = {"width": [100, 200], "n_train": [100, 200, 300], "seed": [0, 1, 2]}
    coordinates = xr.Dataset(
        coords={name: (name, values, {"long_name": name} | UNITS) for name, values in axes.items()}
    )
    base = coordinates["n_train"] * 100 / coordinates["width"] + coordinates["seed"]
    base = base.where((coordinates["width"] == 100) | (coordinates["n_train"] > 100))
    names = (*KEPT.values(), "kappa_h")
    return coordinates.assign(
        {
            name: ((index + 1) * base).assign_attrs(long_name=name, units="1")
            for index, name in enumerate(names)
        }
    )


def made_up_claims() -> dict[str, xr.Dataset]:
    """Verdicts on three claims of two papers."""

    def claim(key: str, value: float, text: str) -> Claim:
        return Claim(
            id=key,
            says=text,
            statistic="",
            wanted=within(0.9, 1.1),
            source="Section 4",
            needs=(),
            check=lambda measures: Finding(value, "by </script> & hand"),
            figure="luo2021/fig",
        )

    return {
        "luo2021": evaluate(
            [claim("L1", 1.05, "the boundary is <b>there</b>"), claim("L2", 3.25, "slopes vanish")],
            {},
            "smoke",
        ),
        "razborov2022": evaluate(
            [claim("R1", 1.0, FORMULA)],
            {},
            "smoke",
        ),
    }
