"""The claims of all papers together, the scorecard and the atlas."""

import json
import math

import numpy as np
import pytest
import xarray as xr

from regimes.claims import core
from regimes.claims.core import Claim, Finding, within
from regimes.claims.files import CLAIMS
from regimes.claims.gathered import gather
from regimes.papers.caron2023 import phase_plane as caron
from regimes.papers.chen2022 import phase_plane as chen
from regimes.papers.luo2021 import phase_plane as luo
from regimes.papers.overview import atlas, scorecard
from regimes.papers.overview.placement import (
    growth_exponent,
    measured_regime,
    placements,
)
from regimes.papers.razborov2022 import phase_plane as razborov
from regimes.papers.song2021 import phase_plane as song


def _claim(name: str, holds: bool, needs: tuple[str, ...] = (), figure: str = "") -> Claim:
    return Claim(
        id=name,
        says=f"the statement of {name} costs $3 and goes on and on " * 4,
        statistic="",
        wanted=within(1.0 if holds else 2.0, 3.0),
        source="section 1",
        needs=needs,
        check=lambda measures: Finding(1.25),
        figure=figure,
    )


@pytest.fixture
def claims() -> xr.Dataset:
    first = core.evaluate([_claim("A1", True, figure="some/figure")], {}, "laptop")
    second = core.evaluate([_claim("B10", False), _claim("B2", True, ("gone",))], {}, "smoke")
    return gather({"first": first, "second": second})


def test_gathered_claims_keep_paper_and_scale(claims):
    assert claims["claim"].values.tolist() == ["A1", "B10", "B2"]
    assert claims["paper"].values.tolist() == ["first", "second", "second"]
    assert claims["scale"].values.tolist() == ["laptop", "smoke", "smoke"]
    assert claims["verdict"].values.tolist() == ["reproduced", "not reproduced", "not run"]
    assert all(claims[name].attrs["long_name"] for name in claims.variables)


def test_two_papers_cannot_have_the_same_claim():
    one = core.evaluate([_claim("A1", True)], {}, "smoke")
    with pytest.raises(ValueError, match="same id: A1"):
        gather({"first": one, "second": one})


def test_scorecard_shows_every_claim_with_a_link_to_its_figure(claims):
    figure = scorecard.draw({CLAIMS: claims}, "smoke")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "3 findings and theorems: 1 reproduced, 1 not reproduced, 1 not run" in texts
    for shown in ("A1", "B10", "B2", "+ reproduced", "o not run", "second (scale: smoke)"):
        assert shown in texts
    links = {text.get_text(): text.get_url() for text in figure.axes[0].texts if text.get_url()}
    assert links == {"some/figure": "some/figure.pdf"}


def test_scorecard_as_table(claims):
    table = scorecard.table({CLAIMS: claims})
    assert table["claim"].tolist() == ["A1", "B10", "B2"]
    assert table["value"].tolist()[:2] == [1.25, 1.25]
    assert math.isnan(table["value"][2])


def _distance(power: float, widths: list[int], **axes: list) -> xr.DataArray:
    """Relative distances m^power, the same for two seeds and all settings."""
    coords = {**axes, "width": widths, "seed": [0, 1]}
    shape = [len(values) for values in coords.values()]
    values = np.broadcast_to(np.array(widths, float)[:, None] ** power, shape)
    return xr.DataArray(values.copy(), coords, list(coords))


@pytest.mark.parametrize("power", [-0.5, 0.0, 0.3])
@pytest.mark.parametrize("widths", [[100], [100, 200, 700]])
def test_growth_exponent_of_a_power_law(power, widths):
    assert growth_exponent(_distance(power, widths)) == pytest.approx(power, abs=1e-12)


def test_measured_regimes():
    assert [measured_regime(one) for one in (-0.2, 0.05, 0.2)] == [
        "linear",
        "critical",
        "condensed",
    ]


def test_placements_of_each_setting_leave_out_what_did_not_run():
    distance = _distance(-0.5, [100, 400], n_train=[5, 6, 7])
    distance[1, 0] = np.nan
    distance[2] = np.nan
    distance[0, 0, 1] = 0.0  # as of a run that never moved
    place = xr.DataArray([[1.0, 2.0]] * 3, {"n_train": [5, 6, 7], "width": [100, 400]})
    found = list(
        placements(
            distance, paper="p", experiment="e", label="n = {n_train}", gamma=0.5, gamma_prime=place
        )
    )
    assert [one.setting for one in found] == ["n = 5", "n = 6"]
    assert [one.runs for one in found] == [3, 2]
    assert [one.widths for one in found] == [2, 1]
    assert [one.gamma_prime for one in found] == [1.5, 2.0]
    assert [one.exponent for one in found] == pytest.approx([-0.5, -0.5])


def test_luo_is_where_its_axes_say():
    runs = xr.Dataset(
        {"relative_distance_w": _distance(0.4, [10, 20], gamma_prime=[0.0, 1.0], gamma=[1.5])}
    )
    found = list(luo.place({"any": runs}))
    assert [(one.gamma, one.gamma_prime) for one in found] == [(1.5, 0.0), (1.5, 1.0)]
    assert [one.regime for one in found] == ["condensed", "condensed"]
    assert [atlas.theory_regime(one) for one in found] == ["condensed", "linear"]


def test_luo_takes_the_most_exact_of_the_same_runs():
    distance = xr.concat(
        [_distance(power, [10], gamma_prime=[0.0], gamma=[1.0]) for power in (0.5, -0.5)],
        xr.DataArray([0.1, 0.03], dims="solver_tolerance", name="solver_tolerance"),
    )
    (found,) = luo.place({"any": xr.Dataset({"relative_distance_w": distance})})
    assert found.exponent == pytest.approx(-0.5)


def test_razborov_with_both_layers():
    distance = _distance(-0.25, [16, 64], n_train=[5], rate_ratio=[0.25, 1.0])
    start = np.sqrt(distance["width"] * 9.0)
    runs = xr.Dataset(
        {"weight_distance": distance * start, "diverged": 0 * distance, "n_features": 9.0}
    )
    slow, equal = razborov.place({"razborov2022_both_layers": runs})
    # kappa'^-2 = 1/4 = m^(2 gamma')
    logs = np.log([16, 64])
    assert slow.gamma_prime == pytest.approx(np.mean(np.log(0.25) / (2 * logs)))
    assert (equal.gamma_prime, equal.gamma) == (0.0, 0.0)
    assert (slow.setting, equal.setting) == ("m = 5, eta_z/eta_w = 0.25", "m = 5, eta_z/eta_w = 1")
    assert slow.exponent == pytest.approx(-0.25)


def test_razborov_with_one_layer_lies_far_left():
    distance = _distance(-0.5, [16, 64], n_train=[5])
    start = np.sqrt(distance["width"] * 9.0)
    runs = xr.Dataset(
        {"weight_distance": distance * start, "diverged": 0 * distance, "n_features": 9.0}
    )
    (found,) = razborov.place({"razborov2022": runs})
    assert found.gamma_prime == -np.inf
    assert (found.regime, atlas.theory_regime(found)) == ("linear", "linear")


def test_chen_scalings_have_gammas_of_their_own():
    names = {"a": "ours", "b": "ntk", "c": "mean_field"}
    moved = _distance(0.0, [64, 256], model=list(names), n_train=[10])
    runs = xr.Dataset(
        {"feature_movement": moved.expand_dims(step=[5]), "diverged": 0 * moved},
        attrs={
            "config": json.dumps(
                {"experiments": {"e": {"models": {k: {"scaling": v} for k, v in names.items()}}}}
            )
        },
    )
    found = {one.setting: one for one in chen.place({"e": runs})}
    assert {key: one.gamma for key, one in found.items()} == {
        "a, n = 10": 1.0,
        "b, n = 10": 0.5,
        "c, n = 10": 1.5,
    }
    # Pre-activations of mean-field networks start as m^(-1/2).
    exponents = [one.exponent for one in found.values()]
    assert exponents == pytest.approx([0.0, 0.0, 0.5])


def test_caron_has_an_effective_width():
    scales = np.array([[0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
    change = np.array([[1.0] * 4, [2.0, 0.0, 0.0, 0.0]])[:, None]
    runs = xr.Dataset(
        {
            "final_weight_change": (("node_scaling", "seed", "node"), change),
            "node_scale": (("node_scaling", "node"), scales),
            "gamma": ("node_scaling", [1.0, 0.5]),
            "alpha": ("node_scaling", [np.nan, 0.5]),
            "diverged": (("node_scaling", "seed"), np.zeros((2, 1))),
        },
        coords={"node_scaling": ["even", "uneven"], "seed": [0]},
        attrs={
            "n_features": 25,
            "width": 4,
            "config": json.dumps({"experiments": {"e": {"initial_variance": 1.0}}}),
        },
    )
    even, uneven = caron.place({"e": runs})
    assert (even.setting, uneven.setting) == ("(1, -)", "(0.5, 0.5)")
    assert even.effective_width == pytest.approx(4)
    assert uneven.effective_width == pytest.approx(1 / (0.49 + 0.03))
    # |w_0| = 5 for every node
    assert even.exponent == even.weighted_exponent == pytest.approx(np.log(1 / 5) / np.log(4))
    assert uneven.exponent == pytest.approx(np.log(1 / 5) / np.log(4))
    assert uneven.weighted_exponent == pytest.approx(np.log(np.sqrt(0.7) * 2 / 5) / np.log(4))


def test_song_is_placed_by_the_ratio_of_the_scales():
    distance = _distance(-0.5, [100], loss=["mean_square"], omega_2=[0.1, 0.2]).isel(width=0)
    runs = xr.Dataset(
        {
            "relative_distance_w": distance.drop_vars("width"),
            "omega_ratio": ("omega_2", [0.1, 1.0]),
            "diverged": 0 * distance.drop_vars("width"),
        },
        attrs={"width": 100},
    )
    found = list(song.place({"song2021_mnist": runs}))
    assert [one.gamma_prime for one in found] == pytest.approx([0.5, 0.0])
    assert [one.gamma for one in found] == [0.5, 0.5]
    assert [one.exponent for one in found] == pytest.approx([-0.5, -0.5])


def test_atlas_without_runs_of_some_papers():
    runs = xr.Dataset(
        {"relative_distance_w": _distance(0.4, [10, 20], gamma_prime=[0.0], gamma=[0.5, 1.5])},
        attrs={"source": "regimes.papers.luo2021.phase_diagram"},
    )
    figure = atlas.draw({"phase_diagram": runs}, "smoke")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Luo et al.", "theory (Luo)"]
    assert "4 runs" not in figure.get_supxlabel()
    assert figure.get_supxlabel().startswith("8 runs in 2 settings")
    # exponent 0.4 is condensed: right at gamma = 1.5, wrong at 0.5
    assert "1 of 2 settings" in figure.get_supxlabel()
    table = atlas.table({"phase_diagram": runs})
    assert table["measured_regime"].tolist() == ["condensed", "condensed"]
    assert table["theory_regime"].tolist() == ["linear", "condensed"]
