"""Data sets that are drawn: distributions, and which draw a seed selects."""

from itertools import combinations
from typing import get_args

import numpy as np
import pytest
import xarray as xr
from data_settings import build

from regimes.datasets import quadratic_teacher, single_index, sparse_parity
from regimes.datasets.settings import SingleIndexDataset, SparseParityDataset
from regimes.storage import layout

DRAWN = {
    "random_labels_on_sphere": {"label_variance": 200.0},
    "random_labels_on_gaussian": {},
    "quadratic_teacher": {},
    "xor_with_noise": {},
    "sines_on_sphere": {"n_test": 20},
    "single_index": {"link": "hermite_2", "noise": 0.5},
    "sparse_parity": {"order": 2, "inputs": "gaussian"},
}
LINKS = get_args(SingleIndexDataset.model_fields["link"].annotation)
every_drawn_kind = pytest.mark.parametrize("kind", DRAWN)


def part(dataset: xr.Dataset, name: str) -> xr.Dataset:
    chosen = np.flatnonzero(dataset["split"].values == layout.PARTS.index(name))
    return dataset.isel(point=chosen).drop_vars("point")


@every_drawn_kind
def test_seed_selects_the_draw(kind: str) -> None:
    one, other = (build(kind=kind, n_train=40, seed=seed, **DRAWN[kind]) for seed in (1, 2))
    assert (one["targets"].values[:40] != other["targets"].values[:40]).any()
    assert not np.isin(one["inputs"][:, -1], other["inputs"][:, -1]).any()
    assert "seed 1" in one.attrs["preprocessing"]


@every_drawn_kind
def test_more_training_points_keep_the_others(kind: str) -> None:
    fewer, more = (build(kind=kind, n_train=n_train, **DRAWN[kind]) for n_train in (25, 60))
    assert part(fewer, "train").sizes["point"] == 25
    assert part(more, "train").isel(point=slice(25)).equals(part(fewer, "train"))
    assert part(more, "test").equals(part(fewer, "test"))


@every_drawn_kind
def test_training_and_test_points_differ(kind: str) -> None:
    dataset = build(kind=kind, n_train=40, **DRAWN[kind])
    expected = 0 if kind == "random_labels_on_sphere" else DRAWN[kind].get("n_test", 500)
    assert part(dataset, "test").sizes["point"] == expected
    assert dataset["split"].values.tolist() == [0] * 40 + [1] * expected
    last = dataset["inputs"].values[:, -1]
    assert len(np.unique(last)) == len(last)


def test_kinds_do_not_share_streams() -> None:
    gaussian = build(kind="random_labels_on_gaussian", n_train=5, n_features=30)
    quadratic = build(kind="quadratic_teacher", n_train=5, n_features=30)
    assert (gaussian["inputs"].values != quadratic["inputs"].values).all()


@pytest.mark.parametrize("kind", ["random_labels_on_sphere", "sines_on_sphere"])
def test_inputs_are_uniform_on_the_sphere(kind: str) -> None:
    dataset = build(kind=kind, n_train=4000, n_features=10, **DRAWN[kind])
    inputs = part(dataset, "train")["inputs"].values
    np.testing.assert_allclose(np.linalg.norm(inputs, axis=1), 1, rtol=1e-14)
    # Mean 0 and covariance 1/d, each within five standard errors.
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=5 * (0.1 / 4000) ** 0.5)
    np.testing.assert_allclose(inputs.T @ inputs / 4000, np.eye(10) / 10, atol=5 * 0.15 / 63)


def test_labels_on_the_sphere_are_normal() -> None:
    dataset = build(kind="random_labels_on_sphere", n_train=20_000, label_variance=500.0)
    labels = dataset["targets"].values
    assert dataset.sizes["feature"] == 100
    assert labels.mean() == pytest.approx(0, abs=5 * (500 / 20_000) ** 0.5)
    assert labels.var() == pytest.approx(500, rel=5 * (2 / 20_000) ** 0.5)
    assert np.mean(np.abs(labels) < 500**0.5) == pytest.approx(0.6827, abs=0.017)
    # The variance scales the same draw.
    unit = build(kind="random_labels_on_sphere", n_train=20_000, label_variance=1.0)
    np.testing.assert_allclose(labels, unit["targets"] * 500**0.5, rtol=1e-14)


def test_random_labels_on_gaussian() -> None:
    dataset = build(kind="random_labels_on_gaussian", n_train=10_000)
    inputs, labels = part(dataset, "train")["inputs"], part(dataset, "train")["targets"]
    assert dataset.sizes["feature"] == 20
    np.testing.assert_allclose(inputs.mean("point"), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(inputs.values.T), np.eye(20), atol=0.08)
    assert -0.5 <= labels.min() < -0.49 and 0.49 < labels.max() <= 0.5
    assert float(labels.var()) == pytest.approx(1 / 12, rel=0.05)
    shifted = build(kind="random_labels_on_gaussian", n_train=100, label_range=[2, 4])
    assert 2 <= shifted["targets"].min() < shifted["targets"].max() <= 4


def test_quadratic_teacher_is_the_shallow_network() -> None:
    random = np.random.default_rng(0)
    inputs = random.standard_normal((7, 4))
    weights = random.standard_normal((5, 4, 4))
    signs = np.array([1.0, -1.0, -1.0, 1.0, 1.0])
    # (2)-(3) of the paper: f = 1/m sum c relu(h), h = D^(-1/2) W . Phi(x), Phi(x) = vec(x x^T).
    embedding = np.stack([np.outer(point, point).ravel() for point in inputs])
    hidden = embedding @ weights.reshape(5, 16).T / 16**0.5
    expected = np.maximum(hidden, 0) @ signs / 5
    found = quadratic_teacher.teacher(inputs, weights, signs)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_quadratic_teacher_targets_have_their_size() -> None:
    dataset = build(kind="quadratic_teacher", n_train=1000)
    assert dataset.sizes["feature"] == 30
    assert float(dataset["inputs"].std()) == pytest.approx(1, rel=0.02)
    # h = <W, x x^T>/d has variance |x|^4/d^2 = 1 to leading order: the targets are of order one.
    assert 0.05 < float(dataset["targets"].std()) < 1
    one = build(kind="quadratic_teacher", n_train=1000, n_teacher_neurons=1)
    assert len(np.unique(np.sign(one["targets"]))) == 2  # relu: one sign and 0


def test_xor_with_noise_is_the_papers_distribution() -> None:
    dataset = build(kind="xor_with_noise", n_train=8000)
    inputs, labels = part(dataset, "train")["inputs"].values, part(dataset, "train")["targets"]
    assert dataset.sizes["feature"] == 50
    rows = np.column_stack([inputs[:, :2], labels])
    values, counts = np.unique(rows, axis=0, return_counts=True)
    assert values.tolist() == [[-1, 0, 1], [0, -1, -1], [0, 1, -1], [1, 0, 1]]
    np.testing.assert_allclose(counts / 8000, 0.25, atol=5 * (0.1875 / 8000) ** 0.5)
    noise = inputs[:, 2:]
    assert noise.min() >= -1 and noise.max() <= 1
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=5 * (1 / 3 / 8000) ** 0.5)
    np.testing.assert_allclose(noise.var(axis=0), 1 / 3, rtol=0.06)
    assert np.abs(np.corrcoef(noise.T) - np.eye(48)).max() < 0.06


def test_xor_without_noise() -> None:
    assert build(kind="xor_with_noise", n_train=5, n_features=2).sizes["feature"] == 2


def test_sines_with_and_without_noise() -> None:
    keys = {"kind": "sines_on_sphere", "n_train": 4000}
    exact, noisy, less = (build(noise=noise, **keys) for noise in (0, 1, 0.1))
    inputs = exact["inputs"].values
    assert exact.sizes["feature"] == 50
    assert exact.sizes["point"] == 4000
    np.testing.assert_allclose(
        exact["targets"], 5 / 50 * np.sin(np.pi * inputs).sum(axis=1), rtol=1e-12
    )
    np.testing.assert_array_equal(inputs, noisy["inputs"])
    noise = (noisy["targets"] - exact["targets"]).values
    assert noise.mean() == pytest.approx(0, abs=5 / 4000**0.5)
    assert noise.var() == pytest.approx(1, rel=5 * (2 / 4000) ** 0.5)
    np.testing.assert_allclose(less["targets"] - exact["targets"], 0.1 * noise, atol=1e-14)


@pytest.mark.parametrize(
    "kind",
    [
        "random_labels_on_gaussian",
        "quadratic_teacher",
        "xor_with_noise",
        "single_index",
        "sparse_parity",
    ],
)
def test_draws_are_the_data_sets_of_following_seeds(kind: str) -> None:
    settings = {"n_train": 6, "n_test": 4, "n_features": 5, **DRAWN[kind]}
    stacked = build(kind=kind, seed=3, draws=3, **settings)
    assert stacked["inputs"].dims == ("draw", "point", "feature")
    assert stacked["split"].dims == ("point",)
    for draw in range(3):
        single = build(kind=kind, seed=3 + draw, **settings)
        np.testing.assert_array_equal(stacked["inputs"][draw], single["inputs"])
        np.testing.assert_array_equal(stacked["targets"][draw], single["targets"])
        assert "draw" not in single.dims


def test_links_and_inputs_are_those_of_the_settings() -> None:
    assert tuple(single_index.LINKS) == LINKS
    field = SparseParityDataset.model_fields["inputs"]
    assert tuple(sparse_parity.MEANING) == get_args(field.annotation)


@pytest.mark.parametrize(
    ("link", "coefficients"),
    [
        # E g(z) h_j(z) of the normalised Hermite polynomials h_0, ..., h_3; E g^2 = 1 for all.
        ("hermite_2", [0, 0, 1, 0]),
        ("hermite_3", [0, 0, 0, 1]),
        ("relu", [np.pi**-0.5, 0.5**0.5, (2 * np.pi) ** -0.5, 0]),
        ("absolute_value", [(2 / np.pi) ** 0.5, 0, np.pi**-0.5, 0]),
    ],
)
def test_links_have_mean_square_one_and_their_hermite_coefficients(
    link: str, coefficients: list[float]
) -> None:
    # The trapezoidal rule for the density, with a point on the kink.
    z = np.linspace(-12, 12, 240_001)
    weights = np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5 * (z[1] - z[0])
    values = single_index.LINKS[link](z)
    assert weights @ values**2 == pytest.approx(1, rel=1e-8)
    hermite = [np.ones_like(z), z, (z**2 - 1) / 2**0.5, (z**3 - 3 * z) / 6**0.5]
    found = [weights @ (values * polynomial) for polynomial in hermite]
    np.testing.assert_allclose(found, coefficients, atol=1e-8)


@pytest.mark.parametrize("link", LINKS)
def test_single_index_targets_depend_on_one_direction(link: str) -> None:
    dataset = build(kind="single_index", link=link, n_train=7, n_test=5, seed=4, normalise=False)
    assert dataset.sizes["feature"] == 50
    direction = single_index.direction(4, 50)
    assert np.linalg.norm(direction) == pytest.approx(1, rel=1e-14)
    index = dataset["inputs"].values @ direction
    expected = single_index.LINKS[link](index)
    np.testing.assert_allclose(dataset["targets"], expected, rtol=1e-12, atol=1e-14)


def test_directions_are_uniform_on_the_sphere() -> None:
    directions = np.array([single_index.direction(seed, 10) for seed in range(2000)])
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=5 * (0.1 / 2000) ** 0.5)
    np.testing.assert_allclose(directions.T @ directions / 2000, np.eye(10) / 10, atol=0.017)


@pytest.mark.parametrize(("link", "degree"), [("hermite_2", 2), ("hermite_3", 3)])
def test_single_index_samples_are_orthogonal_to_lower_degrees(link: str, degree: int) -> None:
    n = 20_000
    dataset = build(kind="single_index", link=link, n_train=n, n_features=10, normalise=False)
    train = part(dataset, "train")
    inputs, targets = train["inputs"].values, train["targets"].values
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=5 / n**0.5)
    np.testing.assert_allclose(np.cov(inputs.T), np.eye(10), atol=5 * (2 / n) ** 0.5)

    def vanishes(products: np.ndarray) -> bool:
        error = products.std(axis=0) / n**0.5
        return bool((np.abs(products.mean(axis=0)) < 5 * error).all())

    assert vanishes(targets[:, None]) and vanishes(targets[:, None] * inputs)
    assert vanishes((targets**2 - 1)[:, None])
    # x_i x_j - delta_ij: of degree 2, which the Hermite polynomial of degree 2 alone has a part in.
    pairs = (inputs[:, :, None] * inputs[:, None] - np.eye(10)).reshape(n, 100)
    assert vanishes(targets[:, None] * pairs) == (degree == 3)


def test_single_index_noise_is_on_training_targets_alone() -> None:
    keys = {"kind": "single_index", "link": "relu", "n_train": 4000, "n_features": 5}
    exact, noisy, more = (build(noise=noise, **keys) for noise in (0, 1, 3))
    assert part(exact, "test").equals(part(noisy, "test"))
    np.testing.assert_array_equal(exact["inputs"], noisy["inputs"])
    noise = (noisy["targets"] - exact["targets"]).values[:4000]
    assert noise.mean() == pytest.approx(0, abs=5 / 4000**0.5)
    assert noise.var() == pytest.approx(1, rel=5 * (2 / 4000) ** 0.5)
    np.testing.assert_allclose(
        (more["targets"] - exact["targets"])[:4000], 3 * noise, rtol=1e-9, atol=1e-12
    )
    assert "noise of standard deviation 3" in more.attrs["preprocessing"]
    assert "noise" not in exact.attrs["preprocessing"]


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "single_index", "link": "hermite_3"},
        {"kind": "sparse_parity", "order": 3},
        {"kind": "sparse_parity", "order": 3, "inputs": "gaussian"},
    ],
)
def test_normalised_inputs_are_divided_by_the_root_of_the_dimension(keys: dict) -> None:
    default, plain = (build(n_train=2000, **keys, **more) for more in ({}, {"normalise": False}))
    np.testing.assert_array_equal(default["inputs"], plain["inputs"] / 50**0.5)
    np.testing.assert_array_equal(default["targets"], plain["targets"])
    assert "divided by sqrt(50)" in default.attrs["preprocessing"]
    assert "divided" not in plain.attrs["preprocessing"]
    # |x|^2 / d is the variance of the pre-activations of standard normal weights.
    assert float((default["inputs"] ** 2).sum("feature").mean()) == pytest.approx(1, rel=0.02)


def test_parity_is_the_product_of_the_first_signs() -> None:
    keys = {"kind": "sparse_parity", "order": 3, "n_train": 4000, "n_features": 6}
    dataset = build(normalise=False, **keys)
    inputs, labels = dataset["inputs"].values, dataset["targets"].values
    assert np.unique(inputs).tolist() == [-1, 1]
    np.testing.assert_array_equal(labels, inputs[:, 0] * inputs[:, 1] * inputs[:, 2])
    # Of all products of features only that of the first three predicts the label.
    for size in range(4):
        for chosen in combinations(range(6), size):
            mean = (labels * inputs[:, chosen].prod(axis=1)).mean()
            assert mean == 1 if chosen == (0, 1, 2) else abs(mean) < 5 / 4500**0.5
    gaussian = build(normalise=False, inputs="gaussian", **keys)
    np.testing.assert_array_equal(np.sign(gaussian["inputs"]), inputs)
    np.testing.assert_array_equal(gaussian["targets"], labels)
    np.testing.assert_allclose(np.cov(gaussian["inputs"].values.T), np.eye(6), atol=0.11)


def test_parity_of_one_and_of_all_features() -> None:
    keys = {"kind": "sparse_parity", "n_train": 50, "n_features": 4, "normalise": False}
    one, every = (build(order=order, **keys) for order in (1, 4))
    np.testing.assert_array_equal(one["targets"], one["inputs"][:, 0])
    np.testing.assert_array_equal(every["targets"], every["inputs"].prod("feature"))
    np.testing.assert_array_equal(sparse_parity.signs(np.array([-2.0, 0.0, 0.5])), [-1, 1, 1])


def test_training_and_test_signs_are_independent() -> None:
    dataset = build(kind="sparse_parity", order=2, n_train=3000, n_test=3000, normalise=False)
    train, test = (part(dataset, name)["inputs"].values for name in ("train", "test"))
    assert np.abs((train * test).mean(axis=0)).max() < 5 / 3000**0.5
    assert len(np.unique(dataset["inputs"], axis=0)) == 6000


@pytest.mark.parametrize("kind", ["single_index", "sparse_parity"])
def test_one_point_has_the_bits_of_many(kind: str) -> None:
    keys = {"kind": kind, "n_features": 37, **DRAWN[kind]}
    few, many = build(n_train=1, n_test=1, **keys), build(n_train=999, n_test=77, **keys)
    for name in ("train", "test"):
        assert part(few, name).equals(part(many, name).isel(point=slice(1)))
