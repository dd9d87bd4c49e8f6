"""The measures of Figures 2, 3 and 6 and of the conservation law, on known answers.

The measures of several blocks come from the workflow's own script, which combines them.
"""

import runpy
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from regimes.errors import DataError
from regimes.kernels.limiting_kernels import gram_a, gram_w, smallest_eigenvalue
from regimes.papers.luo2021 import (
    along_the_flow,
    condensation,
    condensation_projected,
    conservation,
    growth,
    neurons,
    typical_cases,
)
from regimes.papers.luo2021.neurons import amplitude, orientation
from regimes.plan.provenance import fingerprint
from regimes.storage import store
from regimes.storage.store import check_described

SCRIPT = Path(__file__).resolve().parents[3] / "workflow/scripts/measure.py"
IDENTITY = "i"
POINTS = [(-1.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
RUN_DIMENSIONS = {
    "output_weights": ("snapshot", "neuron"),
    "input_weights": ("snapshot", "feature", "neuron"),
    "snapshot_relative_loss": ("snapshot",),
    "snapshot_time": ("snapshot",),
}
SCALARS = (
    "final_relative_distance_w",
    "final_relative_distance_a",
    "final_loss",
    "converged",
    "stationary",
    "capped",
    "diverged",
    "flow_time",
    "solver_steps",
)


def data_of(points: list[tuple[float, float]] = POINTS, bias: float = 1.0) -> xr.Dataset:
    """Points on the line with their targets."""
    x, y = np.array(points).T
    inputs = np.stack([x, np.full_like(x, bias)], axis=1)
    return described(
        xr.Dataset({"inputs": (("point", "feature"), inputs), "targets": ("point", y)})
    )


def described(dataset: xr.Dataset) -> xr.Dataset:
    for name in dataset.variables:
        dataset[name].attrs = {"long_name": str(name), "units": "1"}
    return dataset.assign_attrs(device="cpu")


def run_of(
    weights: list[tuple[np.ndarray, np.ndarray]],
    gamma: float = 1.0,
    gamma_prime: float = 0.0,
    seed: int = 0,
    **axes: float,
) -> xr.Dataset:
    """One run with given weights a (m,) and w (2, m) at its snapshots, as training returns it."""
    a, w = (np.stack(layer) for layer in zip(*weights, strict=True))
    levels = np.linspace(1, 0, len(weights)) if len(weights) > 1 else np.zeros(1)
    place = {"gamma_prime": gamma_prime, "gamma": gamma, **axes, "width": a.shape[-1], "seed": seed}
    dims = tuple(place)
    values = {
        "output_weights": a,
        "input_weights": w,
        "snapshot_relative_loss": levels,
        "snapshot_time": np.arange(len(weights), dtype=float),
        **dict.fromkeys(SCALARS, np.float64(0.5)),
        "converged": np.int8(1),
        **dict.fromkeys(("stationary", "capped", "diverged"), np.int8(0)),
    }
    new = (None,) * len(dims)
    run = described(
        xr.Dataset(
            {
                name: ((*dims, *RUN_DIMENSIONS.get(name, ())), np.asarray(value)[new])
                for name, value in values.items()
            },
            coords={
                **{name: [value] for name, value in place.items()},
                "snapshot": levels,
                "neuron": np.arange(a.shape[-1]),
                "feature": [0, 1],
            },
        )
    )
    for name in ("output_weights", "input_weights"):
        run[name].encoding["dtype"] = "float32"
    return run


def random_weights(width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.standard_normal(width), random.standard_normal((2, width))


def measured(module: str, blocks: list[xr.Dataset], data: xr.Dataset, folder: Path) -> xr.Dataset:
    """What the workflow's script makes of blocks in files of their own."""

    def write(dataset: xr.Dataset, name: str) -> str:
        path = folder / name
        described = {"source": "s", "references": "r", "config": {}, "identity": IDENTITY}
        store.write(dataset, path, title=name, **described)
        return str(path)

    runs = [write(block, f"run{index}.nc") for index, block in enumerate(blocks)]
    stage = {
        "rule": "measure",
        "name": module,
        "paper": "p",
        "module": f"regimes.papers.luo2021.{module}",
        "settings": {},
        "roots": [],
        "code": "c",
        "hash": "h",
        "inputs": {
            "probes": {},
            "runs": dict.fromkeys(runs, IDENTITY),
            "data": {"data": IDENTITY},
        },
        "grids": [len(blocks)],
    }
    snakemake = SimpleNamespace(
        log=[str(folder / "log")],
        params=SimpleNamespace(stage=stage),
        input=SimpleNamespace(probes=[], runs=runs, data=[write(data, "data.nc")]),
        output=[str(folder / "measures.nc")],
        config={"papers": {"p": {"citation": "c"}}, "fingerprint": fingerprint(), "prefix": ""},
    )
    runpy.run_path(str(SCRIPT), init_globals={"snakemake": snakemake})
    return store.read(folder / "measures.nc")


# Neurons


@pytest.mark.parametrize(
    ("a", "w", "size", "angle"),
    [
        (-2.0, (3.0, 4.0), 10.0, np.arctan2(4, 3)),
        (0.5, (2.0, 0.0), 1.0, 0.0),
        (1.0, (-1.0, 0.0), 1.0, np.pi),
        (-1.0, (0.0, -3.0), 3.0, -np.pi / 2),
        (0.0, (-1.0, -1.0), 0.0, -3 * np.pi / 4),
    ],
)
def test_amplitude_and_orientation_of_a_neuron(
    a: float, w: tuple[float, float], size: float, angle: float
) -> None:
    output = xr.DataArray([a], dims="neuron")
    hidden = xr.DataArray(np.array([w]), dims=("neuron", "feature"))
    assert amplitude(output, hidden).item() == pytest.approx(size)
    assert orientation(hidden).item() == pytest.approx(angle)


# Growth


def runs_that_grow(seed: int) -> xr.Dataset:
    """RD_w = 0.3 m^(gamma - 1 + noise), with the noise 0.01 (seed - 1)."""
    axes = {"gamma_prime": [0.0], "gamma": [0.5, 1.0, 1.75], "width": [10, 100, 1000, 5000]}
    place = xr.Dataset(coords=axes | {"seed": [seed]})
    exponent = place["gamma"] - 1 + 0.01 * (place["seed"] - 1)
    distance = 0.3 * place["width"].astype(float) ** exponent
    runs = xr.Dataset({name: xr.ones_like(distance) for name in (*growth.KEPT, "not_kept")})
    runs["final_relative_distance_w"] = distance
    runs["final_relative_distance_w"] = runs["final_relative_distance_w"].expand_dims(
        gamma_prime=[0.0]
    )
    return described(runs)


def test_growth_is_the_slope_of_the_power_law(tmp_path: Path) -> None:
    blocks = [runs_that_grow(seed) for seed in (0, 1, 2)]
    result = measured("growth", blocks, data_of(), tmp_path).isel(gamma_prime=0)
    np.testing.assert_allclose(result["slope_w"], [-0.5, 0, 0.75], atol=1e-12)
    np.testing.assert_allclose(result["slope_w_stderr"], 0.01 / np.sqrt(3), rtol=1e-9)
    by_seed = result["slope_w_by_seed"].transpose("gamma", "seed")
    expected = np.array([[-0.5], [0], [0.75]]) + np.array([-0.01, 0, 0.01])
    np.testing.assert_allclose(by_seed, expected, atol=1e-12)
    np.testing.assert_array_equal(
        result["relative_distance_w"].sel(seed=2).transpose("gamma", "width"),
        blocks[2]["final_relative_distance_w"]
        .isel(gamma_prime=0, seed=0)
        .transpose("gamma", "width"),
    )
    assert set(result.data_vars) == {
        *growth.KEPT.values(),
        *("slope_w", "slope_w_stderr", "slope_w_n_seeds", "slope_w_by_seed"),
    }
    check_described(result)


def test_growth_leaves_out_a_diverged_run() -> None:
    runs = xr.concat([runs_that_grow(seed) for seed in (0, 1, 2)], "seed")
    runs["final_relative_distance_w"].loc[{"gamma": 0.5, "width": 100, "seed": 0}] = np.nan
    runs["final_relative_distance_w"].loc[{"gamma": 1.75, "seed": 2}] = np.nan
    result = growth.measure(runs, data_of()).isel(gamma_prime=0)
    # With one width less the slope is the same, without all of them the seed has none.
    np.testing.assert_allclose(result["slope_w"], [-0.5, 0, 0.745], atol=1e-12)
    assert int(result["slope_w_by_seed"].isnull().sum()) == 1
    assert result["slope_w_n_seeds"].values.tolist() == [3, 3, 2]


def test_a_missing_value_ends_the_measures_unless_its_run_diverged(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    blocks = [runs_that_grow(seed) for seed in (0, 1)]
    lost = {"gamma": 1.75, "width": [10, 100, 1000]}
    blocks[1]["diverged"][:] = 0
    blocks[1]["final_relative_distance_w"].loc[lost] = np.nan
    with pytest.raises(SystemExit):
        measured("growth", blocks, data_of(), tmp_path)
    (line,) = capsys.readouterr().err.splitlines()
    place = "gamma_prime 0.0, width 10, gamma 1.75, seed 1"
    assert f"experiments.growth: final_relative_distance_w is missing at {place}, where" in line
    assert f"training left it out of {tmp_path / 'run1.nc'};" in line
    assert not (tmp_path / "measures.nc").exists()
    blocks[1]["diverged"].loc[lost] = 1
    result = measured("growth", blocks, data_of(), tmp_path).isel(gamma_prime=0)
    assert result["slope_w_n_seeds"].values.tolist() == [2, 2, 1]


def test_growth_of_one_seed_has_the_error_of_the_fit() -> None:
    runs = runs_that_grow(1)
    assert np.abs(growth.measure(runs, data_of())["slope_w_stderr"]).max() < 1e-9
    ripple = xr.DataArray([1.1, 0.9, 1.1, 0.9], {"width": runs["width"]}, ["width"])
    runs["final_relative_distance_w"] = runs["final_relative_distance_w"] * ripple
    assert (growth.measure(runs, data_of())["slope_w_stderr"] > 0.01).all()


# Typical cases


def spline_network(
    points: list[tuple[float, float]], kappa: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the network that is the linear spline, from its first point to its last.

    points: with rising x. A constant, then a kink at each point where the slope changes.
    """
    x, y = np.array(points).T
    slopes = np.diff(y) / np.diff(x)
    a = np.concatenate([[y[0]], np.diff(slopes, prepend=0)]) / kappa
    w = np.stack([np.concatenate([[0], np.ones(len(slopes))]), np.concatenate([[1], -x[:-1]])])
    return a, w


@pytest.mark.slow
def test_function_is_that_of_the_network(tmp_path: Path) -> None:
    bias, gamma = 0.5, 0.7
    data = data_of([(0.4, 1.0), (-1.0, 0.2), (2.0, -0.3)], bias)
    weights = {seed: [random_weights(6, seed), random_weights(6, seed + 10)] for seed in (0, 1)}
    blocks = [run_of(weights[seed], gamma=gamma, seed=seed) for seed in weights]
    result = measured("typical_cases", blocks, data, tmp_path)
    x = result["x"].values
    # The points' interval, widened, evenly
    assert (x[0], x[-1]) == (-1.2, 2.2) and len(x) == typical_cases.GRID_POINTS
    np.testing.assert_allclose(np.diff(x), 3.4 / 480)
    for seed, states in weights.items():
        for snapshot, (a, w) in enumerate(states):
            found = result["function"].isel(snapshot=snapshot).sel(seed=seed, gamma=gamma)
            for index in (0, 17, 240, 480):
                # Weights are stored in single precision.
                direct = 6**-gamma * sum(
                    a[k] * max(w[0, k] * x[index] + w[1, k] * bias, 0.0) for k in range(6)
                )
                assert float(found.isel(x=index).item()) == pytest.approx(direct, abs=1e-6)
            neurons = result.isel(snapshot=snapshot).sel(seed=seed, gamma=gamma).squeeze()
            np.testing.assert_allclose(
                neurons["amplitude"], np.abs(a) * np.hypot(w[0], w[1]), rtol=1e-6
            )
            np.testing.assert_allclose(neurons["orientation"], np.angle(w[0] + 1j * w[1]), 1e-6)
    assert result["training_input"].values.tolist() == [0.4, -1.0, 2.0]
    assert result["training_target"].values.tolist() == [1.0, 0.2, -0.3]
    check_described(result)


@pytest.mark.slow
def test_the_network_that_is_the_linear_spline_has_no_distance_to_it() -> None:
    points = [(-1.0, 0.3), (-0.2, -0.6), (0.4, 0.7), (1.0, 0.2)]
    kappa = 5**-1.5  # a constant, three slopes, and a neuron that does nothing
    a, w = spline_network(points, kappa)
    a, w = np.append(a, 0.0), np.hstack([w, [[1.0], [1.0]]])
    start = (np.zeros(5), w)
    # The points need not be in order.
    data = data_of([points[index] for index in (2, 0, 3, 1)])
    result = typical_cases.measure(run_of([start, (a, w)], gamma=1.5), data).squeeze()
    end = result.isel(snapshot=-1)
    assert float(end["distance_to_linear_spline"]) < 1e-12
    assert float(end["distance_to_cubic_spline"]) > 0.1
    inside = (result["x"] >= -1) & (result["x"] <= 1)
    np.testing.assert_allclose(
        end["function"][inside], np.interp(result["x"][inside], *zip(*points, strict=True))
    )
    # Before, f = 0: as far as the spline is from 0, over the targets.
    spline = result["linear_spline"][inside]
    size = np.sqrt(np.mean([y**2 for _, y in points]))
    expected = np.sqrt(float((spline**2).mean())) / size
    assert float(result.isel(snapshot=0)["distance_to_linear_spline"]) == pytest.approx(expected)


@pytest.mark.slow
def test_the_cubic_spline_is_the_natural_one() -> None:
    run = run_of([spline_network(POINTS, kappa=3**-1.0)] * 2)
    result = typical_cases.measure(run, data_of()).squeeze()
    x = result["x"].where(abs(result["x"]) <= 1)
    # Of the points (-1, 0), (0, 1), (1, 0): second derivative -3 at 0, and 0 at the ends.
    height = 1 - abs(x)
    cubic = 1.5 * height - 0.5 * height**3
    np.testing.assert_allclose(result["cubic_spline"].where(x.notnull()), cubic, atol=1e-12)
    np.testing.assert_allclose(result["linear_spline"].where(x.notnull()), height, atol=1e-12)
    # The network is the linear one. The integral of (h/2 - h^3/2)^2 is 2/105; targets: 1/3.
    assert float(result["distance_to_linear_spline"][-1]) < 1e-12
    expected = np.sqrt(2 / 105 * 3)
    assert float(result["distance_to_cubic_spline"][-1]) == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_the_variation_of_the_slope_and_the_movement_of_the_scatter() -> None:
    points = [(-1.0, 0.3), (-0.2, -0.6), (0.4, 0.7), (1.0, 0.2)]
    a, w = spline_network(points, 4**-1.0)
    runs = xr.concat(
        [run_of([random_weights(4, seed), (a, w)], seed=seed) for seed in range(3)], "seed"
    )
    result = typical_cases.measure(runs, data_of(points)).squeeze(drop=True)
    slopes = np.diff([y for _, y in points]) / np.diff([x for x, _ in points])
    expected = np.abs(np.diff(slopes)).sum()
    np.testing.assert_allclose(result["slope_variation"].isel(snapshot=-1), expected, rtol=1e-6)
    shares = []
    for one, other in [*(random_weights(4, seed) for seed in range(3)), (a, w)]:
        sizes = np.abs(one) * np.hypot(*other)
        bins = neurons.angular_bins(np.arctan2(other[1], other[0]))
        shares.append(np.bincount(bins, sizes, 360) / sizes.sum())
    moved = [np.abs(shares[seed] - shares[3]).sum() / 2 for seed in range(3)]
    np.testing.assert_allclose(result["scatter_distance"].isel(snapshot=-1), moved)
    assert (result["scatter_distance"].isel(snapshot=0) == 0).all()
    pairs = [np.abs(shares[i] - shares[j]).sum() / 2 for i, j in ((0, 1), (0, 2), (1, 2))]
    assert float(result["scatter_distance_of_starts"]) == pytest.approx(np.quantile(pairs, 0.95))


@pytest.mark.slow
def test_a_diverged_run_has_no_function() -> None:
    lost = (np.full(4, np.nan), np.full((2, 4), np.nan))
    run = run_of([lost, lost])
    result = typical_cases.measure(run, data_of())
    for name in ("function", "distance_to_linear_spline", "distance_to_cubic_spline"):
        assert result[name].isnull().all()


def test_typical_cases_need_one_input_and_a_bias() -> None:
    data = data_of()
    wide = xr.concat([data["inputs"], data["inputs"]], "feature").to_dataset(name="inputs")
    wide["targets"] = data["targets"]
    with pytest.raises(DataError, match=r"one input and a bias.*4 features"):
        typical_cases.measure(run_of([random_weights(4, 0)] * 2), wide)


# Condensation


def at_angles(
    angles: np.ndarray, sizes: np.ndarray | float = 1.0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights of neurons with given orientations and amplitudes, at a single snapshot."""
    # The amplitude is shared between the layers, and a has either sign.
    sizes = np.broadcast_to(sizes, angles.shape)
    sign = np.where(np.arange(len(angles)) % 2, -1.0, 1.0)
    w = np.stack([np.cos(angles), np.sin(angles)])
    return [(sign * np.sqrt(sizes), np.sqrt(sizes) * w)]


def bin_centres(count: int = neurons.ANGULAR_BINS) -> np.ndarray:
    return (np.arange(count) + 0.5) * 2 * np.pi / neurons.ANGULAR_BINS - np.pi


def reduced(weights: list[tuple[np.ndarray, np.ndarray]], **place: float) -> xr.Dataset:
    return condensation.reduce(run_of(weights, **place), data_of()).squeeze()


def heaviest_share_by_chance(neurons: int, trials: int) -> np.ndarray:
    """Shares of the ten fullest of 360 bins with neurons thrown at random, (trials,)."""
    random = np.random.default_rng(1)
    shares = []
    for _ in range(trials):
        counts: Mapping[int, int] = {}
        for place in random.integers(0, 360, neurons).tolist():
            counts[place] = counts.get(place, 0) + 1
        shares.append(sum(sorted(counts.values())[-10:]) / neurons)
    return np.array(shares)


@pytest.mark.parametrize("width", [1000, 5000])
def test_neurons_at_ten_directions_are_all_in_the_heaviest_bins(width: int) -> None:
    random = np.random.default_rng(0)
    angles = np.linspace(-3, 3, 10)[random.integers(0, 10, width)]
    result = reduced(at_angles(angles, random.uniform(0.1, 5, width)))
    assert float(result["heaviest_bins_share"]) == pytest.approx(1, abs=1e-12)
    assert float(result["heaviest_bins_share_of_all"]) == pytest.approx(1, abs=1e-12)
    assert float(result["heaviest_bins_share_spread"]) == pytest.approx(0, abs=1e-12)


def test_the_share_is_one_of_the_amplitude() -> None:
    # 360 neurons, one in each bin: ten of 30 (also the eleventh heaviest counts as the rest).
    sizes = np.ones(360)
    sizes[100:110] = 35.0
    result = reduced(at_angles(bin_centres(), sizes))
    assert float(result["heaviest_bins_share"]) == pytest.approx(0.5)
    assert float(result["heaviest_bins_share_of_all"]) == pytest.approx(0.5)
    assert float(result["largest_amplitude"]) == pytest.approx(35)
    # The same twice as heavy, and with all of the amplitude in a or in w, is the same share.
    ((a, w),) = at_angles(bin_centres(), 2 * sizes)
    for factor in (0.01, 100.0):
        other = reduced([(a * factor, w / factor)])
        assert float(other["heaviest_bins_share"]) == pytest.approx(0.5)
        assert float(other["largest_amplitude"]) == pytest.approx(70)


def test_eleven_equal_directions_are_one_too_many() -> None:
    result = reduced(at_angles(np.repeat(bin_centres()[5:16], 100)))
    assert float(result["heaviest_bins_share_of_all"]) == pytest.approx(10 / 11)


def test_the_share_of_random_directions_does_not_depend_on_the_width() -> None:
    random = np.random.default_rng(3)
    by_chance = heaviest_share_by_chance(1000, trials=400)
    expected, spread = by_chance.mean(), by_chance.std()
    small, large = (
        reduced(at_angles(random.uniform(-np.pi, np.pi, width))) for width in (1000, 20_000)
    )
    # One sample of 1000, and the mean over many of a fixed 20 000
    assert float(small["heaviest_bins_share"]) == pytest.approx(expected, abs=4 * spread)
    assert float(large["heaviest_bins_share"]) == pytest.approx(expected, abs=1.5 * spread)
    assert float(small["heaviest_bins_share_spread"]) == pytest.approx(0, abs=1e-12)
    assert 0.75 < float(large["heaviest_bins_share_spread"]) / spread < 1.33
    # The share of all neurons falls by sampling alone.
    of_all = heaviest_share_by_chance(20_000, trials=20)
    assert float(large["heaviest_bins_share_of_all"]) == pytest.approx(
        of_all.mean(), abs=5 * of_all.std()
    )
    assert float(small["heaviest_bins_share_of_all"]) == pytest.approx(
        float(small["heaviest_bins_share"]), rel=1e-12
    )
    assert of_all.mean() < 0.6 * expected


def test_the_scatter_counts_every_neuron_in_its_cell() -> None:
    angles = np.array([-np.pi, np.pi, 0.0, 0.01, 0.01, -np.pi / 2 - 1e-9])
    sizes = np.array([8.0, 4.1, 2.1, 1.05, 1.05, 0.5])
    result = reduced(at_angles(angles, sizes))
    counts = result["neuron_count"].transpose("orientation", "relative_amplitude")
    found = {tuple(cell): int(counts.values[tuple(cell)]) for cell in np.argwhere(counts.values)}
    # Bins of 1 degree and of 1/120 of the largest amplitude; the ends belong to the last bins.
    assert found == {(0, 119): 1, (359, 61): 1, (180, 31): 1, (180, 15): 2, (89, 7): 1}
    centres = result["orientation"].values
    np.testing.assert_allclose(np.degrees(centres[[0, 180, 359]]), [-179.5, 0.5, 179.5])
    amplitudes = result["relative_amplitude"].values
    np.testing.assert_allclose(amplitudes[[0, -1]], [0.5 / 120, 119.5 / 120])


def test_the_end_of_training_is_looked_at() -> None:
    start, end = at_angles(bin_centres())[0], at_angles(np.full(360, 0.5))[0]
    assert float(reduced([start, end])["heaviest_bins_share"]) == pytest.approx(1)
    assert float(reduced([end, start])["heaviest_bins_share"]) == pytest.approx(10 / 360)


def test_a_diverged_run_has_no_share() -> None:
    lost = [(np.full(4, np.nan), np.full((2, 4), np.nan))]
    result = reduced(lost)
    assert np.isnan(result["heaviest_bins_share"]) and np.isnan(result["largest_amplitude"])
    assert int(result["neuron_count"].sum()) == 0


def test_condensation_of_two_widths_in_blocks_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    weights = {
        1000: at_angles(random.uniform(-np.pi, np.pi, 1000)),
        3000: at_angles(np.full(3000, 1.0), random.uniform(0.5, 1, 3000)),
    }
    blocks = [
        run_of(weights[width], gamma=1.5, seed=seed) for width in (3000, 1000) for seed in (0, 1)
    ]
    result = measured("condensation", blocks, data_of(), tmp_path).squeeze()
    assert result["width"].values.tolist() == [1000, 3000]
    assert result["seed"].values.tolist() == [0, 1]
    counts = result["neuron_count"]
    assert counts.dtype == np.int32
    totals = counts.sum(("orientation", "relative_amplitude")).transpose("width", "seed")
    assert totals.values.tolist() == [[1000, 1000], [3000, 3000]]
    shares = result["heaviest_bins_share"].transpose("width", "seed")
    np.testing.assert_allclose(shares.sel(width=3000), 1, rtol=1e-6)
    assert (shares.sel(width=1000) < 0.1).all()
    assert not {"output_weights", "input_weights", "neuron"} & set(result.variables)
    check_described(result)
    # The same blocks give the same bits.
    again = measured("condensation", blocks[::-1], data_of(), tmp_path).squeeze()
    xr.testing.assert_identical(again.drop_attrs(), result.drop_attrs())


def test_the_draws_do_not_depend_on_the_block() -> None:
    random = np.random.default_rng(5)
    # Amplitudes of all sizes: each run is measured by its own
    weights = [
        at_angles(random.uniform(-np.pi, np.pi, 3000), 10.0**power * random.uniform(0, 1, 3000))
        for power in range(4)
    ]
    runs = [
        run_of(one, gamma=gamma, seed=seed)
        for one, (gamma, seed) in zip(weights, [(1, 0), (1, 1), (2, 0), (2, 1)], strict=True)
    ]
    # In one block, and with the axes in another order
    block = xr.combine_by_coords(runs, combine_attrs="drop_conflicts")
    turned = block.transpose("neuron", "seed", ..., "gamma")
    together = condensation.reduce(turned, data_of())
    for run in runs:
        alone = condensation.reduce(run, data_of())
        place = {name: alone[name].values for name in ("gamma", "seed")}
        xr.testing.assert_equal(together.sel(place), alone)


def test_the_bins_that_hold_most_of_the_amplitude_are_counted() -> None:
    sizes = np.ones(360)
    sizes[100:104] = 1e4
    assert int(reduced(at_angles(bin_centres(), sizes))["bins_holding"]) == 4
    sizes[100:104] = 1.0
    assert int(reduced(at_angles(bin_centres(), sizes))["bins_holding"]) == 342


def test_condensation_along_a_direction_is_compared_with_the_start() -> None:
    run = run_of([random_weights(400, 0), random_weights(400, 1)])
    norm = np.hypot(run["input_weights"].isel(feature=0), run["input_weights"].isel(feature=1))
    first = xr.where(run["snapshot"] == run["snapshot"][0], 1.0, 0.1)
    run = run.assign(input_norm=norm, input_projection=norm * first)
    # Half of the neurons point along the direction at the start; at the end none does.
    half = run["neuron"] < 200
    run["input_projection"] = xr.where(half, run["input_projection"], 0.0)
    run["input_projection"] = run["input_projection"].transpose(*norm.dims)
    result = condensation_projected.reduce(run, data_of()).squeeze()
    assert float(result["initial_heaviest_bins_share_of_all"]) == pytest.approx(1.0)
    assert float(result["heaviest_bins_share_of_all"]) == pytest.approx(1.0)
    spread = run.assign(
        input_projection=xr.where(
            run["snapshot"] == run["snapshot"][0], norm * np.linspace(-1, 1, 400), norm
        ).transpose(*norm.dims)
    )
    result = condensation_projected.reduce(spread, data_of()).squeeze()
    assert float(result["initial_heaviest_bins_share_of_all"]) < 0.2
    assert float(result["heaviest_bins_share_of_all"]) == pytest.approx(1.0)
    one = condensation_projected.reduce(run.isel(snapshot=[-1]), data_of())
    assert "initial_heaviest_bins_share_of_all" not in one


# Along the flow


def flow_run(gamma: float, gamma_prime: float = 0.0, width: int = 400) -> tuple[Any, ...]:
    a, w = random_weights(width, 0)
    random = np.random.default_rng(5)
    end = a + 0.1 * random.standard_normal(width), w + 0.1 * random.standard_normal((2, width))
    run = run_of([(a, w), end], gamma=gamma, gamma_prime=gamma_prime)
    run["initial_loss"] = run["final_loss"] * 0 + 0.5
    points = [(-1.0, 0.3), (-0.2, -0.6), (0.4, 0.7), (1.0, 0.2)]
    return along_the_flow.reduce(run, data_of(points)).squeeze(), a, w, *end, points


def test_the_linearisation_is_that_of_the_network_at_the_start() -> None:
    result, a, w, end_a, end_w, points = flow_run(0.8)
    kappa = 400**-0.8

    def function(a: np.ndarray, w: np.ndarray, x: np.ndarray) -> np.ndarray:
        return kappa * np.maximum(np.outer(x, w[0]) + w[1], 0) @ a

    x = np.linspace(-1, 1, along_the_flow.GRID_POINTS)
    # The derivative along the way, by differences.
    step = 1e-7
    ahead = function(a + step * (end_a - a), w + step * (end_w - w), x)
    linear = (ahead - function(a, w, x)) / step
    change = function(end_a, end_w, x) - function(a, w, x)
    size = np.sqrt(np.mean([y**2 for _, y in points]))
    expected = np.sqrt(np.mean((change - linear) ** 2)) / size
    assert float(result["linearisation_error"][-1]) == pytest.approx(expected, rel=1e-4)
    assert float(result["linearisation_error"][0]) == 0
    distance = np.linalg.norm(end_w - w) / np.linalg.norm(w)
    assert float(result["relative_distance_w"][-1]) == pytest.approx(distance)
    # Neither the conditions of Theorem 8 nor those of Proposition 22 are met.
    assert result["first_layer_ratio"].isnull().all()
    assert np.isfinite(float(result["movement_ratio_a"]))


@pytest.mark.parametrize(("gamma", "gamma_prime"), [(1.75, 0.0), (2.0, 0.5), (1.5, -0.5)])
def test_the_bound_of_theorem_8_has_its_constants(gamma: float, gamma_prime: float) -> None:
    result, _, _, _, end_w, _ = flow_run(gamma, gamma_prime)
    bound = min(1, 400**-gamma_prime) / (16 * np.sqrt(2) * 400**-gamma)
    # At the start the loss, 0.5, is above 1 / (32 n); at the end it is 0.
    assert np.isnan(float(result["first_layer_ratio"][0]))
    assert float(result["first_layer_ratio"][-1]) == pytest.approx((end_w**2).sum() / bound)
    assert np.isnan(float(result["movement_ratio_w"]))


def test_what_starts_are_compared_with() -> None:
    result, a, w, end_a, end_w, points = flow_run(0.6, 0.5)
    largest = max(abs(a).max(), abs(w).max())
    bound = np.sqrt(2 * np.log(2 * 400 * 3 / along_the_flow.DELTA))
    assert float(result["start_largest_ratio"]) == pytest.approx(largest / bound)
    assert float(result["start_norm_w"]) == pytest.approx((w**2).sum() / 800)
    assert float(result["start_norm_a"]) == pytest.approx((a**2).sum() / 400)
    # Proposition 19 at gamma < 1, kappa' < 1
    inputs = data_of(points)["inputs"].values
    of_a, of_w = (smallest_eigenvalue(gram(inputs)) for gram in (gram_a, gram_w))
    kappa, kappa_prime = 400**-0.6, 400**-0.5
    share = 2 * np.sqrt(2) * 2 * 4 * np.sqrt(0.5)
    share /= 400 * kappa * (of_a / kappa_prime + kappa_prime * of_w)
    deviation = np.sqrt(2 * np.log(4 * 400 * 3 / along_the_flow.DELTA))
    expected = abs(end_a - a).max() / (2 / kappa_prime * deviation * share)
    assert float(result["movement_ratio_a"]) == pytest.approx(expected)
    expected = abs(end_w - w).max() / (2 * deviation * share)
    assert float(result["movement_ratio_w"]) == pytest.approx(expected)
    errors = {
        width: float(flow_run(0.6, width=width)[0]["start_gram_error"]) for width in (50, 50_000)
    }
    assert errors[50_000] < 0.1 * errors[50]
    many = flow_run(0.6, width=50_000)[0]
    for name in ("start_eigenvalue_ratio", "start_eigenvalue_ratio_a"):
        assert float(many[name]) == pytest.approx(1, abs=0.2)


def test_along_the_flow_a_diverged_run_has_no_values() -> None:
    lost = (np.full(4, np.nan), np.full((2, 4), np.nan))
    run = run_of([lost, lost])
    run["final_loss"] *= np.nan
    run["initial_loss"] = run["final_loss"]
    result = along_the_flow.reduce(run, data_of())
    for name in (*along_the_flow.ALONG, *along_the_flow.ONCE):
        assert result[name].isnull().all()


# Conservation


def conserving(
    width: int, gamma_prime: float, factor: float, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Weights before and after w has grown by a factor, with kappa' a^2 - |w|^2 / kappa' kept."""
    kappa_prime = width**-gamma_prime
    a, w = random_weights(width, seed)
    conserved = kappa_prime * a**2 - (w**2).sum(0) / kappa_prime
    grown = factor * w
    moved = np.sign(a) * np.sqrt((conserved + (grown**2).sum(0) / kappa_prime) / kappa_prime)
    return (a, w), (moved, grown)


@pytest.mark.parametrize("gamma_prime", [-0.5, 0.0, 0.7])
def test_a_path_that_conserves_has_no_drift(gamma_prime: float) -> None:
    path = conserving(50, gamma_prime, 3.0, seed=1)
    run = run_of(list(path), gamma_prime=gamma_prime, solver_tolerance=0.03)
    result = conservation.measure(run, data_of()).squeeze()
    assert (result["conservation_drift"] < 1e-12).all()
    # The bound of (75) follows from what is conserved.
    assert (result["largest_output_weight_ratio"] <= 1).all()
    assert float(result["largest_output_weight_ratio"][1]) > 0.5


def test_drift_of_two_neurons_by_hand() -> None:
    # m = 2 and gamma' = -1: kappa' = 2. Neuron 1: a from 1 to 2 at |w| = 5; neuron 2 stays.
    w = np.array([[3.0, 0.0], [4.0, 2.0]])
    run = run_of([(np.array([1.0, -3.0]), w), (np.array([-2.0, -3.0]), w)], gamma_prime=-1.0)
    result = conservation.measure(run, data_of()).squeeze()
    # kappa' a^2 + |w|^2 / kappa' is 8 + 12.5 and 18 + 2; the first moved from 2 to 8.
    expected = 6 / np.hypot(20.5, 20)
    np.testing.assert_allclose(result["conservation_drift"], [0, expected], rtol=1e-12)
    # |a(t)| over |w| / kappa' + |a(0)|: 2 / (2.5 + 1) and 3 / (1 + 3); at the start 1 / 3.5
    np.testing.assert_allclose(result["largest_output_weight_ratio"], [0.75, 0.75], rtol=1e-12)


def test_one_output_weight_beyond_its_bound_is_found() -> None:
    a, w = np.full(10, 0.5), np.full((2, 10), 0.5)
    high = a.copy()
    high[7] = -1.3  # over |w| + |a(0)| = 1.207...
    run = run_of([(a, w), (high, w), (a, w)])
    ratio = conservation.measure(run, data_of())["largest_output_weight_ratio"].squeeze()
    expected = 1.3 / (np.sqrt(0.5) + 0.5)
    assert expected > 1
    np.testing.assert_allclose(ratio, [0.5 / (np.sqrt(0.5) + 0.5), expected, ratio[0]], rtol=1e-12)


def test_conservation_of_blocks_and_tolerances(tmp_path: Path) -> None:
    blocks = []
    for gamma_prime in (0.0, 0.5):
        for seed in (0, 1):
            start, end = conserving(40, gamma_prime, 2.0, seed)
            # Off by more at the larger tolerance
            runs = [
                run_of(
                    [start, (end[0] * (1 + off), end[1])],
                    gamma_prime=gamma_prime,
                    seed=seed,
                    solver_tolerance=tolerance,
                )
                for tolerance, off in ((0.01, 0.0), (0.1, 0.05))
            ]
            blocks.append(xr.concat(runs, "solver_tolerance", combine_attrs="drop_conflicts"))
    result = measured("conservation", blocks, data_of(), tmp_path)
    drift = result["conservation_drift"]
    assert drift.dims == ("gamma_prime", "gamma", "solver_tolerance", "width", "seed", "snapshot")
    assert drift.shape == (2, 1, 2, 1, 2, 2)
    assert (drift.isel(snapshot=0) == 0).all()
    strict, loose = (
        drift.isel(snapshot=1).sel({"solver_tolerance": value}) for value in (0.01, 0.1)
    )
    assert (strict < 1e-6).all()  # single precision
    # kappa' a^2 is off by 10.25 %, and is at most all of the sum of the two terms.
    assert (loose > 0.01).all() and (loose < 0.1025).all()
    assert {*conservation.KEPT.values()} <= set(result.data_vars)
    assert "neuron" not in result.variables
    check_described(result)


def test_a_diverged_run_has_no_drift() -> None:
    lost = (np.full(4, np.nan), np.full((2, 4), np.nan))
    result: Any = conservation.measure(run_of([lost, lost]), data_of())
    assert result["conservation_drift"].isnull().all()
    assert result["largest_output_weight_ratio"].isnull().all()
