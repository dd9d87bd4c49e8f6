"""What the explorer embeds, compared with the files that it is made of."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from explorer_results import TITLES, Results, made_up_claims, rendered, write_results

from regimes.explorer import assets, page
from regimes.explorer.linked import curve
from regimes.explorer.values import made_by, plain
from regimes.papers.luo2021.explorer import MERGED, PHASE_DIAGRAMS, scatters
from regimes.papers.razborov2022 import explorer as razborov2022
from regimes.papers.razborov2022.paper import TABLE1


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return write_results(tmp_path_factory.mktemp("results"))


def embedded(html: str) -> dict:
    """The data of a page."""
    start = html.index('<script type="application/json" id="data">')
    text = html[html.index(">", start) + 1 : html.index("</script>", start)]
    return json.loads(text)


@pytest.fixture(scope="module")
def sections(results: Results) -> dict[str, dict]:
    data = embedded(results.page.read_text(encoding="utf-8"))
    return {section["id"]: section for section in data["sections"]}


def floats(values: object) -> np.ndarray:
    return np.array(values, dtype=float)  # None becomes NaN


@pytest.mark.slow
def test_every_paper_has_a_section_in_order(sections: dict[str, dict]) -> None:
    assert list(sections) == [*TITLES, "claims"]
    assert [section["title"] for section in sections.values()][:5] == list(TITLES.values())


@pytest.mark.slow
def test_diagrams_are_found_by_their_measure_and_named_by_their_settings(
    sections: dict[str, dict],
) -> None:
    found = [(one["data"], one["activation"]) for one in sections["luo2021"]["diagrams"]]
    assert found == [("4 points", "relu"), ("4 points", "tanh"), ("MNIST, 45 images", "relu")]


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["w", "a", "theta"])
def test_a_diagram_has_the_values_of_its_file(
    results: Results, sections: dict[str, dict], layer: str
) -> None:
    diagram, measure = sections["luo2021"]["diagrams"][0], results.read("phase_diagram")
    own = diagram["layers"][layer]
    boundary = {"w": "boundary_gamma"}.get(layer, f"boundary_gamma_{layer}")
    for key, name in (
        ("slope", f"slope_{layer}"),
        ("slope_stderr", f"slope_{layer}_stderr"),
        ("distance", f"relative_distance_{layer}"),
        ("boundary", boundary),
        ("boundary_stderr", f"{boundary}_stderr"),
        ("theory", f"theory_{boundary}"),
    ):
        np.testing.assert_allclose(floats(own[key]), measure[name].values, rtol=1e-6, err_msg=key)
    for key in ("time", "train_loss"):
        np.testing.assert_allclose(floats(diagram[key]), measure[key].values, rtol=1e-6)


@pytest.mark.slow
def test_the_theory_of_other_activations_is_that_of_relu(sections: dict) -> None:
    names = {one["activation"]: one["theory_name"] for one in sections["luo2021"]["diagrams"]}
    assert names == {"relu": "the theory", "tanh": "the theory for ReLU"}


@pytest.mark.slow
def test_the_scatter_counts_every_neuron_once(results: Results) -> None:
    measure = results.read("condensation")
    packed = scatters(measure)
    heights = len(packed["height"])
    for j, gamma in enumerate(packed["gamma"]):
        for k, width in enumerate(packed["width"]):
            differences, counts = packed["cells"][0][j][k]
            cells = np.zeros((len(packed["position"]), heights), int)
            cells.flat[np.cumsum(differences)] = counts
            whole = measure["neuron_count"].sel(gamma_prime=0, gamma=gamma, width=width, seed=0)
            rows, columns = (size // MERGED for size in whole.shape)
            expected = whole.values.reshape(rows, MERGED, columns, MERGED).sum((1, 3))
            np.testing.assert_array_equal(cells, expected)
            assert cells.sum() == width


def test_curves_are_means_and_ranges_over_the_seeds(
    results: Results, sections: dict[str, dict]
) -> None:
    group = sections["razborov2022"]["groups"][0]
    plot = next(one for one in group["plots"] if one["title"].startswith("steps T"))
    measured, paper, short, _ = plot["curves"]
    runs = results.read("razborov2022")["stopping_time"].sel(width=100)
    np.testing.assert_allclose(measured["y"], runs.mean("seed"), rtol=1e-6)
    np.testing.assert_allclose(measured["low"], runs.min("seed"), rtol=1e-6)
    np.testing.assert_allclose(measured["high"], runs.max("seed"), rtol=1e-6)
    # The narrower width has a run of the fewest points, the other has none.
    assert (measured["x"], short["x"]) == ([100, 200, 300], [200, 300])
    rows = TABLE1[TABLE1["width"] == 100].sort_values("n_train")
    assert paper["printed"] and paper["key"] == measured["key"]
    np.testing.assert_allclose(paper["y"][:10], rows["stopping_time_mean"])


def test_curves_say_of_how_many_seeds_each_mean_is() -> None:
    values = xr.DataArray(
        [[1.0, 2.0, 6.0], [np.nan, 4.0, np.nan], [np.nan] * 3],
        coords={"m": [10, 20, 30], "seed": [0, 1, 2]},
        dims=("m", "seed"),
    )
    made = curve("k", "label", values, "m")
    assert (made["x"], made["y"], made["seeds"]) == ([10, 20], [3.0, 4.0], [3, 1])


def test_curves_against_the_width_are_those_with_all_widths(results: Results) -> None:
    runs = {"razborov2022": results.read("razborov2022")}
    against = next(one for one in razborov2022.groups(runs) if "against S" in one["label"])
    curves = [one for one in against["plots"][0]["curves"] if not one.get("printed")]
    assert [one["key"] for one in curves] == ["m=200", "m=300"]


def test_a_diverged_run_is_left_out_of_the_curves(results: Results) -> None:
    runs = results.read("chen2022_random_labels")
    runs["diverged"][{"seed": 0}] = 1
    (section,) = page.collect(
        {"chen2022_random_labels": runs}, {}, TITLES, {"chen2022_random_labels": "f"}, {}
    )["sections"]
    drawn = section["groups"][0]["plots"][0]["curves"][0]
    kept = runs["train_loss"].isel(model=0, width=0, n_train=0, seed=1)
    assert set(drawn["seeds"]) == {1} and "low" not in drawn
    np.testing.assert_allclose(drawn["y"], kept, rtol=1e-6)


@pytest.mark.parametrize("paper", ["chen2022", "caron2023", "song2021"])
def test_the_other_papers_have_groups_whose_plots_share_settings(
    sections: dict[str, dict], paper: str
) -> None:
    for group in sections[paper]["groups"]:
        keys = [{one["key"] for one in plot["curves"]} for plot in group["plots"]]
        assert len(keys) >= 4 and all(one == keys[0] for one in keys)


def test_claims_are_rows(results: Results, sections: dict[str, dict]) -> None:
    rows = sections["claims"]["rows"]
    assert [(one["paper"], one["claim"], one["verdict"]) for one in rows] == [
        ("luo2021", "L1", "reproduced"),
        ("luo2021", "L2", "not reproduced"),
        ("razborov2022", "R1", "reproduced"),
    ]
    assert rows[1]["value"] == 3.25
    assert rows[0]["detail"] == str(made_up_claims()["luo2021"]["detail"][0].item())


def test_each_section_says_where_its_numbers_come_from(
    results: Results, sections: dict[str, dict]
) -> None:
    files = {one["file"] for section in sections.values() for one in section["origins"]}
    assert files == {f"results/{name}.nc" for name in results.files}
    for one in sections["luo2021"]["origins"]:
        attributes = results.read(Path(one["file"]).stem).attrs
        assert (one["commit"], one["created"]) == (attributes["git_commit"], attributes["created"])
        assert one["scale"] == "smoke"


def test_the_header_says_what_all_files_say() -> None:
    one = {"scale": "laptop", "version": "0.2.0", "commit": "aaa", "created": "2026-01-02T03:04:05"}
    other = one | {"commit": "bbb", "created": "2026-01-05T00:00:00"}
    assert page.made([one]) == "Scale laptop · regimes 0.2.0 · commit aaa · made 2026-01-02"
    assert page.made([other, one]) == (
        "Scale laptop · regimes 0.2.0 · commit aaa, bbb · made 2026-01-02 to 2026-01-05"
    )
    many = [one | {"commit": commit} for commit in "abcd"]
    assert "commit 4 different ones" in page.made(many)
    # What nobody knows is not said.
    assert page.made([dict.fromkeys(one, "unknown")]) == page.made([]) == ""


def test_views_have_the_figures_of_their_experiment(sections: dict[str, dict]) -> None:
    diagrams = sections["luo2021"]["diagrams"]
    assert [one["figures"] for one in diagrams] == [["phase_diagram"], [], []]
    assert sections["luo2021"]["condensations"][0]["figures"] == ["luo2021/fig"]
    assert sections["song2021"]["groups"][0]["figures"] == ["song2021/gone"]


@pytest.mark.parametrize("paper", ["razborov2022", "chen2022", "caron2023", "song2021"])
def test_views_and_plots_have_names_of_their_own(sections: dict[str, dict], paper: str) -> None:
    groups = sections[paper]["groups"]
    assert len({one["id"] for one in groups}) == len(groups)
    for group in groups:
        assert group["id"].startswith(group["experiment"])
        assert len({one["id"] for one in group["plots"]}) == len(group["plots"])


def test_what_is_missing_has_no_section(results: Results) -> None:
    data = embedded(rendered(results, ("phase_diagram", "song2021_mnist")))
    assert [section["id"] for section in data["sections"]] == ["luo2021", "song2021"]
    assert data["sections"][0]["condensations"] == []
    assert "no experiment that is shown" in rendered(results, ())


def test_the_page_names_no_address(results: Results) -> None:
    html = results.page.read_text(encoding="utf-8")
    data = html[html.index('id="data"') :].partition("</script>")[0]
    assert "http" not in data
    head = html[: html.index('id="data"')]
    assert "http://" not in head and "https://" not in head
    assert "default-src 'none'" in head


def test_the_page_is_the_same_each_time(results: Results) -> None:
    names = tuple(results.files)
    assert rendered(results, names) == results.page.read_text(encoding="utf-8")


def test_numbers_keep_six_digits_at_least() -> None:
    assert plain(np.array([[1 / 3, np.nan], [np.inf, 12345678.9]])) == [
        [0.3333333, None],
        [None, 12345680.0],
    ]
    assert plain(xr.DataArray(np.float32(0.1))) == 0.1
    assert plain(np.array([12345678])) == [12345678]


def test_every_file_of_the_page_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {path.name for path in assets.PAGE.iterdir()} == {
        *assets.SCRIPTS,
        "page.html",
        "page.css",
    }
    for path in assets.PAGE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = assets.assets_hash()
    monkeypatch.setattr(assets, "PAGE", tmp_path)
    assert assets.assets_hash() == before
    (tmp_path / "linked.js").write_text("// other\n")
    assert assets.assets_hash() != before


def test_made_by_looks_at_the_whole_name() -> None:
    def of(source: str) -> xr.Dataset:
        return xr.Dataset(attrs={"source": f"regimes.papers.{source}"})

    assert made_by(of("luo2021.phase_diagram"), PHASE_DIAGRAMS)
    assert not made_by(of("luo2021.phase"), PHASE_DIAGRAMS)
    assert not made_by(of("luo2021.growth"), PHASE_DIAGRAMS)
