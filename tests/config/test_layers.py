"""The papers' files, scales, `inherits` and what the user says, in layers."""

from pathlib import Path

import pytest
import yaml

from regimes.config import layers
from regimes.config.layers import FILE, PAPERS, Layer, said_by
from regimes.config.load import load, load_in, validate
from regimes.config.models import Config
from regimes.errors import ConfigError

LUO = "papers/luo2021/experiments.yaml"


def experiments(**named: object) -> dict:
    return {"experiments": named}


@pytest.fixture
def papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of papers with one that has an experiment and one that inherits it."""
    monkeypatch.setattr(layers, "PAPERS", tmp_path)
    flow = {
        "engine": "gradient_flow",
        "dataset": "points",
        "axes": {"gamma": [1.0], "gamma_prime": [0.0], "width": [100], "seed": [0, 1]},
        "measure": "growth",
        "scales": {"smoke": {"axes": {"width": [10]}, "solver": {"max_steps": 5}}},
    }
    heir = {"inherits": "parent", "solver": {"max_steps": 7}, "scales": {"smoke": {"split_by": []}}}
    content = {
        "paper": {"title": "One", "citation": "Some author"},
        "datasets": {"points": {"kind": "points", "inputs": [1, 2], "targets": [1, 2]}},
        "experiments": {"parent": flow, "heir": heir},
    }
    write(tmp_path, "one2020", content)
    return tmp_path


def write(papers: Path, name: str, content: dict) -> None:
    (papers / name).mkdir(exist_ok=True)
    (papers / name / FILE).write_text(yaml.safe_dump(content, sort_keys=False))


def changed(papers: Path, **sections: dict) -> None:
    """Change entries of the paper's file."""
    content = yaml.safe_load((papers / "one2020" / FILE).read_text())
    for section, entries in sections.items():
        content[section] = content.get(section, {}) | entries
    write(papers, "one2020", content)


def message(raw: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(raw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_is_a_paper(papers: Path) -> None:
    write(papers, "two2021", {"paper": {"title": "Two", "citation": "Others", "order": 1}})
    (papers / "no_paper").mkdir()
    config = validate({})
    assert list(config.papers) == ["two2021", "one2020"]
    parent = config.experiments["parent"]
    assert (parent.paper, parent.measure) == ("one2020", "one2020.growth")


def test_one_inherits_what_resolves(papers: Path) -> None:
    config = validate({"scale": "smoke"})
    heir = config.experiments["heir"]
    # From the parent's entry for the scale; its own keys lie over that.
    assert heir.axes.width == (10,) and heir.solver.max_steps == 7 and heir.split_by == ()
    assert config.experiments["parent"].split_by == ("gamma_prime", "seed")
    assert validate({}).experiments["heir"].axes.width == (100,)


def test_an_override_changes_the_experiment_that_it_names_alone(papers: Path) -> None:
    config = validate(experiments(parent={"axes": {"seed": [3]}}))
    assert config.experiments["parent"].axes.seed == (3,)
    assert config.experiments["heir"].axes.seed == (0, 1)


def test_an_experiment_of_the_user_inherits_the_users_changes(papers: Path) -> None:
    mine = {"inherits": "parent", "scales": {"smoke": {"axes": {"width": [20]}}}}
    raw = experiments(parent={"axes": {"seed": [3]}}, mine=mine, other={"inherits": "mine"})
    config = validate(raw)
    for name in ("mine", "other"):
        made = config.experiments[name]
        assert made.axes.seed == (3,) and made.axes.width == (100,)
        assert (made.paper, made.measure) == ("one2020", "one2020.growth")
    config = validate(raw | {"scale": "smoke"})
    assert config.experiments["other"].axes.width == (20,)
    assert config.experiments["other"].solver.max_steps == 5


def test_a_measure_is_of_the_paper_that_names_it(papers: Path) -> None:
    own = {"papers": {"own": {"title": "Mine", "citation": "unpublished"}}}
    kept = validate(own | experiments(mine={"inherits": "parent", "paper": "own"}))
    assert kept.experiments["mine"].measure == "one2020.growth"
    named = validate(
        own | experiments(mine={"inherits": "parent", "paper": "own", "measure": "new"})
    )
    assert named.experiments["mine"].measure == "own.new"


def test_null_takes_a_key_away(papers: Path) -> None:
    changes = {"solver": {"max_steps": None}, "inherits": "heir"}
    assert validate(experiments(mine=changes)).experiments["mine"].solver.max_steps == 5000
    free = validate(experiments(heir={"inherits": None, "dataset": "points"}))
    assert free.experiments["heir"].solver.max_steps == 7


def test_null_takes_an_entry_away(papers: Path) -> None:
    said = experiments(parent=None) | {"claims": {"one2020": None}, "device": None, "figures": None}
    config = validate(said)
    # In the paper's file the heir inherits what that file says.
    assert list(config.experiments) == ["heir"]
    assert config.device == "auto" and not config.claims
    assert message({"papers": {"one2020": None}}).endswith("is no paper; allowed: ")
    assert "mine.inherits = 'parent' is no experiment" in message(
        experiments(parent=None, mine={"inherits": "parent"})
    )
    # A higher layer may say it anew, from nothing, and take away what a lower one says.
    layers_ = [Layer("a", said), Layer("b", {"experiments": None, "device": "cpu"})]
    assert list(validate(layers_).experiments) == ["parent", "heir"]
    assert validate(layers_).device == "cpu"
    assert validate(layers_[::-1]).device == "auto"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            experiments(mine={"inherits": "parents"}),
            "experiments.mine.inherits = 'parents' is no experiment; did you mean 'parent'? there",
        ),
        (experiments(a={"inherits": "b"}, b={"inherits": "a"}), "circle: a -> b -> a"),
        (experiments(mine={"inherits": "mine"}), "goes round in a circle: mine -> mine"),
        (experiments(mine={"inherits": ["x"]}), "experiments.mine.inherits = ['x'] is no exper"),
        (
            experiments(mine={"scales": {"smok": {}}}),
            "unknown scale experiments.mine.scales.smok; did you mean 'smoke'? allowed: smoke, p",
        ),
        (
            experiments(mine={"scales": 3}),
            "experiments.mine.scales = 3; must be a mapping of smoke, paper",
        ),
        ({"datasets": {"x": {"inherits": "y"}}}, "datasets.x.inherits = 'y' is no data set"),
    ],
    ids=str,
)
def test_wrong_parents_and_scales_are_named(papers: Path, raw: dict, expected: str) -> None:
    assert message(raw).startswith("--config: ")
    assert expected in message(raw)


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"experiments": {"heir": {"inherits": "x"}}}, "experiments.heir.inherits = 'x' is no ex"),
        ({"experiments": {"heir": {"inherits": "heir"}}}, "circle: heir -> heir"),
        ({"experiments": {"heir": {"paper": "x"}}}, "experiments.heir.paper: leave it out"),
        ({"experimints": {}}, "unknown key experimints; did you mean 'experiments'?"),
        (
            {"experiments": {"heir": {"inherits": "parent", "solver": {"maxsteps": 1}}}},
            "unknown key experiments.heir.solver.maxsteps; did you mean 'max_steps'?",
        ),
        ({"datasets": {"points": {"kind": "pints"}}}, "datasets.points.kind = 'pints'; did you"),
        ({"paper": {"titles": "x"}}, "unknown key papers.one2020.titles; did you mean 'title'?"),
    ],
    ids=str,
)
def test_errors_in_a_papers_file_name_the_file(papers: Path, sections: dict, expected: str) -> None:
    changed(papers, **sections)
    assert message({}).startswith("papers/one2020/experiments.yaml: ")
    assert expected in message({})


def test_a_name_is_there_once(papers: Path) -> None:
    datasets = {"points": {"kind": "points", "inputs": [1], "targets": [1]}}
    write(papers, "two2021", {"paper": {"title": "t", "citation": "c"}, "datasets": datasets})
    assert message({}) == (
        "papers/two2021/experiments.yaml: datasets.points is in papers/one2020/experiments.yaml "
        "already"
    )


def test_broken_yaml_in_a_papers_file_is_one_line(papers: Path) -> None:
    (papers / "one2020" / FILE).write_text("a: [1\nb: 2")
    assert message({}).startswith("papers/one2020/experiments.yaml: while parsing")


def test_a_wrong_key_of_a_scale_and_of_a_parent_is_placed(papers: Path) -> None:
    parent = {"scales": {"smoke": {"axis": {}}}}
    content = yaml.safe_load((papers / "one2020" / FILE).read_text())
    changed(papers, experiments={"parent": content["experiments"]["parent"] | parent})
    text = message({"scale": "smoke"})
    place = "papers/one2020/experiments.yaml (scales.smoke)"
    assert text.startswith(f"{place}: unknown key experiments.parent.axis; did you mean 'axes'?")
    text = message({"scale": "smoke"} | experiments(parent={"axis": None}))
    assert text.startswith(f"{place}, inherited from parent: unknown key experiments.heir.axis")


def test_errors_name_the_file_in_which_a_key_stands(tmp_path: Path) -> None:
    file, other = tmp_path / "config.yaml", tmp_path / "mine.yaml"
    file.write_text("experiments: {phase_diagram: {solver: {tolerence: 0.1}}}\n")
    other.write_text("experiments: {phase_diagram: {solvers: {}}}\n")
    wrong = "unknown key experiments.phase_diagram.solver"
    for path, files, config, text in (
        (file, [], {}, f"config.yaml: {wrong}.tolerence"),
        (None, [other], {}, f"--configfile {other}: {wrong}s"),
        (None, [], {"devise": "cpu"}, "--config: unknown key devise"),
        (None, [tmp_path / "none.yaml"], {}, f"--configfile {tmp_path}/none.yaml: [Errno 2]"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path, said_by(config, files))
        assert str(caught.value).startswith(text)


def test_what_is_said_later_holds_whatever_scales_say_before(papers: Path, tmp_path: Path) -> None:
    def tolerance(config: object, *files: object, **command_line: object) -> float:
        paths = [tmp_path / f"{number}.yaml" for number in range(1 + len(files))]
        for path, content in zip(paths, (config, *files), strict=True):
            path.write_text(yaml.safe_dump(content))
        # As Snakemake reads them: values within mappings are texts.
        made = load(paths[0], said_by({"scale": "smoke"} | command_line, paths[1:]))
        return made.experiments["parent"].solver.tolerance

    def parent(value: object, at_smoke: float | None = None) -> dict:
        scales = {"scales": {"smoke": {"solver": {"tolerance": at_smoke}}}} if at_smoke else {}
        return experiments(parent={"solver": {"tolerance": value}} | scales)

    assert tolerance({}, parent(0.01, 0.05), **parent("0.02")) == 0.02
    assert tolerance({}, parent(0.01, 0.05)) == 0.05
    # The command line says again what config.yaml says.
    assert tolerance(parent(0.01, 0.05), **parent("0.01")) == 0.01
    assert tolerance(parent(0.01, 0.05), parent(0.02), parent(0.03)) == 0.03


def test_texts_of_the_command_line_are_read_as_yaml_reads_them() -> None:
    said = {
        "a": ["1", "-1.5", "true", "null", "None", "smoke", "2021-01-01", "9" * 5000],
        "b": None,
    }
    (layer,) = said_by({"x": said})
    typed = [1, -1.5, True, None, None, "smoke", "2021-01-01", "9" * 5000]
    assert layer.content == {"x": {"a": typed, "b": None}}
    assert said_by({}) == []


def test_texts_of_a_module_stay_texts_where_no_command_line_was() -> None:
    (layer,) = said_by({"papers": {"own": {"title": "2021"}}}, (), "config of module m", False)
    assert layer == Layer("config of module m", {"papers": {"own": {"title": "2021"}}})


def test_without_a_checkout_the_papers_hold() -> None:
    config = load()
    assert isinstance(config, Config) and config.scale == "laptop"
    assert {path.parent.name for path in PAPERS.glob(f"*/{FILE}")} == set(config.papers)
    assert config.origin("experiments.phase_diagram.solver.tolerance") == LUO
    assert config.origin("experiments.phase_diagram.reduce_inputs") is None


MINE = {"kind": "file", "path": "mine.csv", "target": "y"}


def test_another_kind_replaces_a_data_set() -> None:
    assert validate({}).datasets["four_point"].kind == "points"
    made = validate({"datasets": {"four_point": MINE}})
    assert made.datasets["four_point"].model_dump(exclude_unset=True) == MINE
    same = validate({"datasets": {"four_point": {"kind": "points", "bias": False}}})
    assert len(same.datasets["four_point"].inputs) == 4 and not same.datasets["four_point"].bias
    heir = validate({"datasets": {"mine": {"inherits": "four_point", **MINE}}}).datasets["mine"]
    assert heir.model_dump(exclude_unset=True) == MINE


def test_a_config_file_replaces_a_data_set_of_config_yaml(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    points = {"kind": "points", "inputs": [0.0, 1.0], "targets": [1.0, 2.0], "bias": True}
    file.write_text(yaml.safe_dump({"datasets": {"mine": points, "other": points}}))
    for changes in (MINE, MINE | {"bias": True}):
        overrides = {"datasets": {"mine": changes}}
        made = load(file, overrides)
        assert made.datasets["mine"].model_dump(exclude_unset=True) == changes
        assert made.datasets["other"].kind == "points"
    wrong = {"datasets": {"mine": MINE | {"standardize": "none"}}}
    with pytest.raises(ConfigError, match=r"^--config: unknown key datasets.mine.standardize; did"):
        load(file, wrong)


def test_a_key_of_another_kind_is_called_so() -> None:
    message = (
        r"unknown key datasets.mine.targets; kind file has it not, but points, mnist, .*; "
        r"allowed here: kind, path, "
    )
    with pytest.raises(ConfigError, match=message):
        validate({"datasets": {"mine": MINE | {"targets": [1.0]}}})


def test_the_config_of_a_directory_lies_over_that_of_the_checkout(tmp_path: Path) -> None:
    checkout, study = tmp_path / "checkout", tmp_path / "study"
    for folder, text in ((checkout, "root_seed: 1\nscale: smoke\n"), (study, "root_seed: 2\n")):
        folder.mkdir()
        (folder / "config.yaml").write_text(text)
    config = load_in(study, checkout, {"max_memory_mb": 1234})
    assert (config.root_seed, config.scale, config.max_memory_mb) == (2, "smoke", 1234)
    assert config.origin("root_seed") == "config.yaml"
    assert config.origin("scale") == str(checkout / "config.yaml")
    # The checkout itself, a folder without one, and a package without a checkout.
    assert load_in(checkout, checkout).origin("scale") == "config.yaml"
    assert load_in(tmp_path, checkout).origin("root_seed") == "config.yaml"
    assert load_in(study, None).scale == "laptop"
