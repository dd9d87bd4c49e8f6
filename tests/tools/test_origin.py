"""`regimes origin`: what files say of themselves, and what has changed since."""

import json
import runpy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray as xr
from matplotlib.figure import Figure

from regimes.claims import core
from regimes.claims.core import Claim, Finding, at_least
from regimes.claims.files import ALL_CLAIMS
from regimes.config.layers import Layer
from regimes.errors import ConfigError, StoreError
from regimes.plan.plan import Plan
from regimes.plan.provenance import PACKAGE, fingerprint
from regimes.plotting.save import save
from regimes.storage import store
from regimes.tools import cli, metadata, origin, settings
from regimes.tools.settings import differences

FIGURE = "phase_diagram"
OVERRIDES = {"scale": "smoke"}


def save_figure(folder: Path, plan: Plan, name: str) -> None:
    """An empty figure with the metadata that the script writes."""
    figure = plan.figures[name]
    save(
        Figure(),
        folder / figure.outputs[0],
        folder / figure.outputs[1],
        title=name,
        config_hash=figure.settings_hash,
        identity=figure.hash,
        code_hash=figure.code,
        source=figure.module,
        scale="smoke",
        measures=list(figure.inputs["measures"]),
    )


def write_measures(folder: Path, plan: Plan, name: str, write_result: Callable[..., None]) -> None:
    measure = plan.measures[name]
    hashes = {"code_hash": measure.code, "identity": measure.hash}
    title = f"Measures of experiment {name}"
    write_result(folder / measure.path, title, measure.settings, **hashes)


@pytest.fixture(scope="module")
def results(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory, write_result: Callable[..., None]
) -> Path:
    """Files as the scripts write them, with other values."""
    folder = tmp_path_factory.mktemp("results")
    data = plan.data["four_point"]
    datasets = {"datasets": {"four_point": data.settings}}
    write_result(folder / data.path, "Data set four_point", datasets, identity=data.hash)
    for job in plan.jobs_of(FIGURE):
        title = f"Runs of experiment {FIGURE}, job {Path(job.path).stem}"
        config = job.settings | datasets
        write_result(folder / job.path, title, config, code_hash=job.code)
    write_measures(folder, plan, FIGURE, write_result)
    save_figure(folder, plan, FIGURE)
    return folder


def explained(path: Path, plan: Plan, directory: Path) -> tuple[dict[str, str], list[str]]:
    """Texts by label, and what has changed."""
    lines = list(origin.origin(metadata.read(path), plan, directory))
    return dict(lines), [text for label, text in lines if not label]


def changes(path: Path, directory: Path, **overrides: object) -> list[str]:
    return explained(path, settings.plan_of(OVERRIDES | overrides), directory)[1]


@pytest.mark.parametrize("suffix", ["pdf", "png"])
def test_a_figure_says_what_made_it(results: Path, plan: Plan, suffix: str) -> None:
    texts, changed = explained(results / f"figures/{FIGURE}.{suffix}", plan, results)
    assert texts["state"] == "up to date" and not changed
    assert texts["figure"] == FIGURE and texts["scale"] == "smoke"
    assert texts["rule"] == "figure (workflow/rules/figures.smk)"
    module = "luo2021/diagram.py"
    assert f"diagram.draw (workflow/regimes/papers/{module})" in texts["function"]
    assert texts["config hash"] == plan.figures[FIGURE].settings_hash
    assert texts["measures"].startswith(f"results/measures/{FIGURE}.nc, created 20")
    assert texts["runs"].endswith("6 files in the present config, 6 of the runs there")
    assert texts["data"] == "results/data/four_point.nc"


def test_a_figure_that_was_copied_away_is_explained(
    results: Path, plan: Plan, tmp_path: Path
) -> None:
    shutil.copy(results / f"figures/{FIGURE}.pdf", tmp_path / "slide.pdf")
    texts, changed = explained(tmp_path / "slide.pdf", plan, tmp_path)
    assert texts["figure"] == FIGURE and texts["measures"].endswith("not there")
    assert "6 files in the present config, 0 of the runs there" in texts["runs"]
    assert len(changed) == 1 and "does not exist" in changed[0]


def test_changed_settings_are_named(results: Path) -> None:
    path = results / f"figures/{FIGURE}.pdf"
    solver = {"experiments": {FIGURE: {"solver": {"tolerance": 0.01}}}}
    key = f"experiments.{FIGURE}.solver.tolerance"
    named = f"{key}: 0.03 in the file, 0.01 in the config"
    assert changes(path, results, **solver) == ["the settings changed", named]
    assert changes(results / f"results/measures/{FIGURE}.nc", results, **solver) == [named]
    run = next((results / f"results/runs/{FIGURE}").glob("*.nc"))
    named = "solver.tolerance: 0.03 in the file, 0.01 in the config"
    assert changes(run, results, **solver) == [named]


def test_changed_code_is_named(results: Path, plan: Plan) -> None:
    path = results / f"figures/{FIGURE}.png"
    figure = replace(plan.figures[FIGURE], code="0" * 64)
    other = replace(plan, figures={FIGURE: figure})
    assert explained(path, other, results)[1] == ["its code changed"]
    measure = plan.measures[FIGURE]
    inputs = measure.inputs | {"runs": {}}
    for changed, what in (
        ({"code": "0" * 64}, "its code changed"),
        ({"inputs": inputs}, "its runs or probes are others: their code, data or torch changed"),
    ):
        other = replace(plan, measures={FIGURE: replace(measure, **changed)})
        assert explained(path, other, results)[1] == [f"measures of {FIGURE}: {what}"]
    run = next((results / f"results/runs/{FIGURE}").glob("*.nc"))
    jobs = {f"{job.name[:-16]}{'0' * 16}": job for job in plan.jobs_of(FIGURE)}
    changed = explained(run, replace(plan, jobs=jobs), results)[1]
    assert changed == ["its code, the data's code or torch changed"]


def test_runs_and_data_are_explained(results: Path, plan: Plan) -> None:
    for path in sorted((results / f"results/runs/{FIGURE}").glob("*.nc")):
        texts, changed = explained(path, plan, results)
        assert texts["train"] == f"{FIGURE} {path.stem}" and not changed
    path = results / "results/data/four_point.nc"
    texts, changed = explained(path, plan, results)
    assert texts["data"] == "four_point" and not changed
    bias = {"datasets": {"four_point": {"bias": False}}}
    assert changes(path, results, **bias) == [
        "datasets.four_point.bias: true in the file, false in the config"
    ]


def test_what_the_config_has_no_more_is_said(results: Path, plan: Plan) -> None:
    none = replace(plan, figures={}, data={}, measures={}, jobs={})
    for path, what in (
        (f"figures/{FIGURE}.pdf", f"no figure '{FIGURE}'"),
        (f"results/measures/{FIGURE}.nc", f"no experiment '{FIGURE}'"),
        ("results/data/four_point.nc", "no data set 'four_point'"),
    ):
        (changed,) = explained(results / path, none, results)[1]
        assert what in changed


@pytest.fixture(scope="module")
def claimed(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory, write_result: Callable[..., None]
) -> Path:
    """A folder with the claims of all papers, as the script gathers them, and the scorecard."""
    folder = tmp_path_factory.mktemp("claimed")
    for name in plan.all_claims.settings["experiments"]:
        write_measures(folder, plan, name, write_result)
    for paper, claims in plan.claims.items():
        claim = Claim(paper, "holds", "", at_least(1.0), "here", (), lambda _: Finding(1.0))
        described = {
            "title": f"Claims of {paper}",
            "source": f"regimes.papers.{paper}.claims",
            "references": "r",
        }
        store.write(
            core.evaluate([claim], {}, "smoke"),
            folder / claims.path,
            **described,
            config=claims.settings,
            code_hash=claims.code,
            identity=claims.hash,
        )
    job = SimpleNamespace(
        log=[folder / "log"],
        input=SimpleNamespace(claims=[folder / one.path for one in plan.claims.values()]),
        output=[folder / ALL_CLAIMS],
        params=SimpleNamespace(stage=plan.all_claims.handed()),
        config={
            "papers": {paper: {"citation": "c"} for paper in plan.claims},
            "fingerprint": fingerprint(),
            "prefix": "",
        },
    )
    runpy.run_path(str(PACKAGE.parent / "scripts/all_claims.py"), {"snakemake": job})
    save_figure(folder, plan, "scorecard")
    return folder


def test_the_claims_of_all_papers_are_explained(claimed: Path, plan: Plan) -> None:
    texts, changed = explained(claimed / ALL_CLAIMS, plan, claimed)
    assert texts["state"] == "up to date" and not changed
    assert texts["all_claims"] == "all papers" and texts["script"].endswith("/all_claims.py")
    assert "regimes.claims.gathered.gather" in texts["function"]
    other = replace(plan, all_claims=replace(plan.all_claims, code="0" * 64))
    assert explained(claimed / ALL_CLAIMS, other, claimed)[1] == ["its code changed"]
    papers = plan.claims | {"luo2021": replace(plan.claims["luo2021"], code="0" * 64)}
    other = replace(plan, claims=papers)
    assert explained(claimed / ALL_CLAIMS, other, claimed)[1] == [
        "claims of luo2021: its code changed"
    ]


def test_a_figure_of_the_claims_is_explained(claimed: Path, plan: Plan, tmp_path: Path) -> None:
    for suffix in ("pdf", "png"):
        texts, changed = explained(claimed / f"figures/scorecard.{suffix}", plan, claimed)
        assert texts["state"] == "up to date" and not changed
        assert texts["claims"].startswith(f"{ALL_CLAIMS}, created 20") and "measures" not in texts
    other = replace(plan, all_claims=replace(plan.all_claims, code="0" * 64))
    path = claimed / "figures/scorecard.pdf"
    assert explained(path, other, claimed)[1] == ["claims: its code changed"]
    solver = {"experiments": {FIGURE: {"solver": {"tolerance": 0.01}}}}
    assert changes(path, claimed, **solver) == [
        "the settings changed",
        f"experiments.{FIGURE}.solver.tolerance: 0.03 in the file, 0.01 in the config",
    ]
    (changed,) = explained(path, plan, tmp_path)[1]
    assert changed.startswith("its claims: ") and "does not exist" in changed


def test_the_command_takes_the_scale_from_the_file(
    results: Path, capsys: pytest.CaptureFixture
) -> None:
    file = str(results / f"figures/{FIGURE}.pdf")
    assert cli.main(["origin", file, "--directory", str(results)]) == 0
    assert "state        up to date" in capsys.readouterr().out
    assert cli.main(["origin", file, "--directory", str(results), "--config", "scale=paper"]) == 0
    assert "the settings changed" in capsys.readouterr().out


def test_other_files_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    xr.Dataset().to_netcdf(tmp_path / "other.nc")
    Figure().savefig(tmp_path / "other.pdf")
    Figure().savefig(tmp_path / "other.png")
    (tmp_path / "broken.nc").write_text("broken")
    (tmp_path / "broken.png").write_text("broken")
    (tmp_path / "table.csv").write_text("a\n")
    names = ("other.nc", "other.pdf", "other.png", "broken.nc", "broken.png", "table.csv", "none")
    for name in names:
        with pytest.raises(StoreError, match=name):
            metadata.read(tmp_path / name)
        assert cli.main(["origin", str(tmp_path / name)]) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_overrides_are_read_as_snakemake_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("experiments: {a: {x: 1, y: 2}}\n")
    entries = ["scale=smoke", "experiments={a: {x: 3}}"]
    assert settings.overrides(entries, [str(file)]) == [
        Layer(f"--configfile {file}", {"experiments": {"a": {"x": 1, "y": 2}}}),
        Layer("--config", {"scale": "smoke", "experiments": {"a": {"x": 3}}}),
    ]
    file.write_text("- a list\n")
    for config, files in ((["scale"], []), ([], [str(file)]), ([], ["none"]), (["a={"], [])):
        with pytest.raises(ConfigError):
            settings.overrides(config, files)


def test_differences_go_down_to_the_keys() -> None:
    first = {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": 0}
    second = {"a": {"b": 2, "c": [1, 2]}, "e": 0, "f": None}
    assert list(differences(first, second)) == [
        ("a.b", "1", "2"),
        ("d", "1", "-"),
        ("f", "-", "null"),
    ]
    ((_, long, _),) = differences({"a": "x" * 200}, {"a": ""})
    assert len(long) == 80 and json.dumps("x" * 50)[:-1] in long
