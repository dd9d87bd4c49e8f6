"""`regimes.locate`: schemes, laws, numbers at several widths, and torch modules."""

import itertools
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy
import torch
from torch import nn

import regimes
from regimes.errors import ConfigError, DataError
from regimes.papers.luo2021 import initialisations as table
from regimes.papers.luo2021.regime_map import regime
from regimes.tools.cli import main

WIDTHS = [500, 2000, 8000]
N_FEATURES = 10
# b of the family of E et al.
BETA = {"E et al.": 0.25}


def law(text: str, name: str) -> str:
    return text.replace("(-b)", f"({-BETA[name]})") if name in BETA else text


def module(width: int, seed: int = 0, bias: bool = True, outputs: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    layers = nn.Linear(N_FEATURES, width, bias=bias), nn.ReLU(), nn.Linear(width, outputs)
    return nn.Sequential(*layers)


def with_complex_weights(network: nn.Module) -> nn.Module:
    network[0].weight = nn.Parameter(network[0].weight.detach().to(torch.complex64))
    return network


def zeroed(network: nn.Module) -> nn.Module:
    nn.init.zeros_(network[0].weight)
    return network


@pytest.mark.parametrize("row", table.INITIALISATIONS, ids=lambda row: row.name)
def test_rows_of_table_1_lie_where_the_paper_puts_them(row: table.Initialisation) -> None:
    laws = {
        "std_w": law(row.beta2, row.name),
        "std_a": law(row.beta1, row.name),
        "factor": f"1/({law(row.alpha, row.name)})",
    }
    b = {table.BETA_EXPONENT: sympy.Rational(str(BETA.get(row.name, 1)))}
    gamma, gamma_prime = (float(of(row).subs(b)) for of in (table.gamma, table.gamma_prime))
    place = regimes.locate(**laws)
    assert (place.gamma, place.gamma_prime) == pytest.approx((gamma, gamma_prime), abs=1e-12)
    assert place.regime == regime(gamma, gamma_prime)
    # The same from numbers at three widths; Xavier's sqrt(2 / (m + d)) is no power at any.
    m, d = (np.array(WIDTHS, dtype=float), N_FEATURES)
    names = {"m": m, "d": d, "sqrt": np.sqrt}
    numbers = {key: list(np.broadcast_to(eval(text, names), 3)) for key, text in laws.items()}
    measured = regimes.locate(width=WIDTHS, n_features=d, **numbers)
    assert measured.gamma == pytest.approx(gamma, abs=0.01)
    assert measured.gamma_prime == pytest.approx(gamma_prime, abs=0.01)


@pytest.mark.parametrize(
    ("scheme", "gamma", "gamma_prime", "regime"),
    [
        ("lecun", 0.5, 0.5, "linear"),
        ("he", 0.5, 0.5, "linear"),
        ("xavier", 1.0, 0.0, "critical"),
        ("ntk", 0.5, 0.0, "linear"),
        ("mean_field", 1.0, 0.0, "critical"),
        ("unscaled", 0.0, 0.0, "linear"),
        ("pytorch", 0.5, 0.5, "linear"),
    ],
)
def test_schemes_by_name(scheme: str, gamma: float, gamma_prime: float, regime: str) -> None:
    place = regimes.locate(scheme=scheme)
    assert (place.gamma, place.gamma_prime, place.regime) == (gamma, gamma_prime, regime)
    assert place.distance == gamma - place.boundary_gamma
    assert place.alpha is None


def test_modules_of_three_widths_are_measured() -> None:
    place = regimes.locate(*(module(width) for width in WIDTHS))
    assert abs(place.gamma - 0.5) < 3 * place.gamma_stderr < 0.1
    assert abs(place.gamma_prime - 0.5) < 3 * place.gamma_prime_stderr
    assert place.regime == "linear"
    assert place.width == 8000
    assert place.beta2 == pytest.approx((3 * N_FEATURES) ** -0.5, rel=0.01)
    assert any("2000" in one for one in place.assumptions)


def test_standard_errors_are_the_spread_over_seeds() -> None:
    def normal(width: int, seed: int) -> nn.Module:
        made = module(width, seed)
        for layer in (made[0], made[2]):
            nn.init.normal_(layer.weight, std=0.5)
        return made

    widths = [60, 600]
    places = [
        regimes.locate(*(normal(width, seed) for width in widths), factor="1/m")
        for seed in range(200)
    ]
    found = np.array([(place.gamma, place.gamma_prime) for place in places])
    expected = places[0].gamma_stderr
    np.testing.assert_allclose(found.std(axis=0), expected, rtol=0.2)
    np.testing.assert_allclose(found.mean(axis=0), [1.0, 0.0], atol=4 * expected / 200**0.5)


def test_a_single_module_is_compared_with_the_schemes() -> None:
    place = regimes.locate(module(2000))
    assert (place.gamma, place.gamma_prime) == (0.5, 0.5)
    assert any("pytorch" in one for one in place.assumptions)
    scaled = module(2000)
    for layer, fan_in in ((scaled[0], N_FEATURES), (scaled[2], 2000)):
        nn.init.kaiming_normal_(layer.weight)
        assert float(layer.weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
    assert any("he" in one for one in regimes.locate(scaled).assumptions)
    # Mean-field written by hand: standard normal weights, 1/m in front.
    for layer in (scaled[0], scaled[2]):
        nn.init.normal_(layer.weight)
    assert regimes.locate(scaled, factor=1 / 2000).regime == "critical"
    with pytest.raises(ConfigError, match=r"a single network fixes no power.* no scheme has them"):
        regimes.locate(scaled, factor=0.3)


def test_laws_hold_at_any_width() -> None:
    # Xavier's is no power of so small a width, and a law has no need of one.
    place = regimes.locate(scheme="xavier", width=[10, 20], n_features=784)
    assert (place.gamma, place.gamma_prime, place.width) == (1.0, 0.0, 20)


def test_a_factor_as_a_law_decides_between_schemes_of_equal_weights() -> None:
    network = module(2000)
    for layer in (network[0], network[2]):
        nn.init.normal_(layer.weight)
    assert regimes.locate(network, factor="1/m").regime == "critical"
    assert regimes.locate(network, factor="1/sqrt(m)").gamma == 0.5


def test_learning_rates_move_a_network_as_the_theory_says() -> None:
    # muP: N(0, 1/d) and N(0, 1/m^2) at rates m and 1/m is mean-field.
    place = regimes.locate(
        std_w="sqrt(1/d)", std_a="1/m", rate_w="m", rate_a="1/m", width=100, n_features=4
    )
    assert (place.gamma, place.gamma_prime, place.regime) == (1.0, 0.0, "critical")
    assert place.alpha == pytest.approx(1.0)
    assert place.beta1 == pytest.approx(0.01 / 0.1)
    assert place.beta2 == pytest.approx(0.5 / 10)
    assert place.alpha is not None and place.beta1 is not None and place.beta2 is not None
    kappa = place.beta1 * place.beta2 / place.alpha
    assert kappa == pytest.approx(0.5 * 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(3))
def test_rates_are_those_of_gradient_flow(case: int) -> None:
    """A step of descent moves both layers as the network of equal rates that locate gives."""
    rate_w, rate_a, factor = [(1.0, 1.0, 0.1), (4.0, 0.25, 0.1), (0.01, 9.0, 1.0)][case]
    place = regimes.locate(
        std_w=[0.5, 0.5], std_a=[0.2, 0.1], factor=[factor] * 2, width=[20, 40],
        rate_w=rate_w, rate_a=rate_a,
    )  # fmt: skip
    rng = np.random.default_rng(case)
    a, w, x, y = rng.normal(size=40), rng.normal(size=(40, 3)), rng.normal(size=3), 0.7

    def step(
        a: np.ndarray, w: np.ndarray, factor: float, rates: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.maximum(w @ x, 0)
        error = factor * a @ hidden - y
        moved_a = -rates[0] * error * factor * hidden
        moved_w = -rates[1] * error * factor * (a * (hidden > 0))[:, None] * x
        return moved_a / np.linalg.norm(a), moved_w / np.linalg.norm(w)

    assert place.alpha is not None and place.beta1 is not None and place.beta2 is not None
    own = step(0.1 * a, 0.5 * w, factor, (rate_a, rate_w))
    equal = step(place.beta1 * a, place.beta2 * w, 1 / place.alpha, (1.0, 1.0))
    for one, other in zip(own, equal, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "std_w and std_a missing"),
        ({"scheme": "hee"}, "did you mean 'he'?"),
        ({"scheme": "he", "std_a": 1.0}, "std_a: scheme he says it already"),
        ({"std_w": 1.0, "std_a": 1.0}, "width and n_features are needed"),
        ({"scheme": ["he"]}, r"scheme = \['he'\]"),
        ({"scheme": "he", "rate_w": -1.0}, "rate_w = -1.0; must be a positive number"),
        ({"std_w": True, "std_a": "1"}, "std_w = True; must be a positive number"),
        ({"std_w": "-1/m", "std_a": "1"}, "std_w = '-1/m' is .*; must be positive"),
        ({"std_w": "10-m/100", "std_a": "1", "width": 10}, "must be positive"),
        ({"std_w": "1", "std_a": "1", "width": True}, "width = True"),
        ({"std_w": "1", "std_a": "1", "width": 10**400}, "width = 1000"),
        ({"std_w": "1", "std_a": "1", "n_features": 2.5}, "n_features = 2.5"),
        ({"std_w": 0.0, "std_a": "1"}, "std_w = 0.0; must be a positive number"),
        ({"std_w": "nothing", "std_a": "1"}, "std_w: 'nothing'"),
        ({"std_w": "__import__('os')", "std_a": "1"}, "std_w: "),
        ({"std_w": "exp(m)", "std_a": "1"}, "is no power of the width"),
        ({"std_w": [1, 2], "std_a": 1, "width": [1, 2, 3]}, "std_w has 2 values; needed are 3"),
        ({"std_w": "1", "std_a": "1", "width": [5, 5]}, r"width = \[5, 5\]; several widths"),
        ({"std_w": "1", "std_a": "1", "width": "5"}, "width = '5'"),
        ({"std_w": "1", "std_a": "1", "n_features": 0}, "n_features = 0"),
        ({"std_w": "sqrt(1/d)", "std_a": [1, 2], "width": [5, 6]}, "n_features is missing"),
        ({"std_w": "1-m", "std_a": [1, 2], "width": [5, 6]}, "must be positive"),
        ({"std_w": "1", "std_a": {}}, "std_a = {}; must be a positive number"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        regimes.locate(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ([nn.Linear(3, 4)], "this one has 1"),
        ([nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 1))], "two linear layers"),
        (["he"], "name a scheme as scheme="),
        ([module(10), module(10, seed=1)], "of different widths"),
        ([nn.Sequential(nn.Conv1d(1, 1, 1), module(10))], "no other parameters"),
        ([module(10).to("meta")], "real numbers, in memory"),
        ([with_complex_weights(module(10))], "real numbers, in memory"),
        ([zeroed(module(10))], "all 0, or not finite"),
    ],
)
def test_networks_that_cannot_be_located(networks: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        regimes.locate(*networks)


def test_near_the_boundary_the_error_is_said() -> None:
    networks = []
    for width in (20, 40):
        made = module(width)
        for layer in (made[0], made[2]):
            nn.init.normal_(layer.weight)
        networks.append(made)
    place = regimes.locate(*networks, factor="1/m")
    assert any("two standard errors" in one for one in place.assumptions)


def test_plot_shows_the_place_on_theory_and_on_measures() -> None:
    place = regimes.locate(scheme="ntk")
    axes = place.plot()
    marks = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [tuple(one.get_xydata()[0]) for one in marks] == [(0.0, 0.5)]
    other = plt.subplots()[1]
    with pytest.raises(DataError, match="lacks gamma, gamma_prime, slope_w"):
        place.plot(diagram="phase_diagram")  # type: ignore[arg-type]
    far = regimes.locate(std_w="1", std_a="1", factor="m**-4")
    assert far.plot(other) is other
    assert other.get_ylim()[1] > 4
    plt.close("all")


def test_the_command_says_and_draws_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "place.png"
    assert main(["locate", "--scheme", "mean_field", "--plot", str(picture)]) == 0
    assert "gamma = 1, gamma' = 0: critical" in capsys.readouterr().out
    assert picture.stat().st_size > 1000
    words = "locate --width 100 400 --std-w 0.3 --std-a 0.1 0.05 --rate-a 1/m"
    assert main(words.split()) == 0
    assert "gamma = 0.5, gamma' = 0: linear" in capsys.readouterr().out
    assert main(["locate", "--scheme", "mean_field", "--plot", str(tmp_path / "no/x.png")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["locate", "--std-w", "1"]) == 1
    assert capsys.readouterr().err.startswith("error: std_a missing")


def test_all_ways_to_say_it_agree() -> None:
    laws = {"std_w": "sqrt(2/d)", "std_a": "sqrt(2/m)"}
    numbers = {"std_w": (2 / 7) ** 0.5, "std_a": (2 / 400) ** 0.5}
    places = [
        regimes.locate(scheme="he", width=400, n_features=7),
        regimes.locate(width=400, n_features=7, **laws),
        regimes.locate(width=400, n_features=7, **numbers),
    ]
    for one, other in itertools.pairwise(places):
        assert (one.gamma, one.gamma_prime, one.regime) == (
            other.gamma, other.gamma_prime, other.regime,
        )  # fmt: skip
        assert one.beta1 == pytest.approx(other.beta1)
        assert one.beta2 == pytest.approx(other.beta2)
