"""The plan: names, hashes and order of the jobs."""

from pathlib import Path

import pytest
import yaml

from regimes.config.load import load
from regimes.errors import ConfigError
from regimes.plan import plan as plan_module
from regimes.plan.declared import constants
from regimes.plan.plan import Plan
from regimes.plan.stages import Job
from regimes.storage import versions

CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"


def make(**overrides: object) -> Plan:
    return Plan.from_config(load(CONFIG, overrides))


def phase_diagram(**changes: object) -> dict:
    return {"experiments": {"phase_diagram": changes}}


def hashes(plan: Plan) -> set[str]:
    """Runs of the phase diagram."""
    return {job.path for job in jobs_of(plan)}


def names(plan: Plan) -> set[str]:
    """Names of the jobs of the experiment of `descent`."""
    return {job.name for job in plan.jobs_of("descent")}


def jobs_of(plan: Plan) -> list[Job]:
    return plan.jobs_of("phase_diagram")


def test_default_jobs() -> None:
    jobs = jobs_of(make())
    assert len(jobs) == 45
    assert jobs[0].path.startswith("results/runs/phase_diagram/gamma_prime=-1.0_seed=3-")
    assert jobs[0].settings["axes"]["gamma_prime"] == [-1.0]
    assert len(jobs[0].settings["axes"]["gamma"]) == 19
    assert jobs[0].settings["root_seed"] == 2021


def test_first_axis_to_split_by_decides_the_order() -> None:
    jobs = jobs_of(make())
    by_priority = sorted(jobs, key=lambda job: -job.priority)
    slowest = [job.settings["axes"]["gamma_prime"][0] for job in by_priority]
    assert slowest == sorted(slowest)
    assert min(job.priority for job in jobs) > 0


def test_split_by_set_the_grain() -> None:
    assert len(jobs_of(make(**phase_diagram(split_by=[])))) == 1
    every = make(**phase_diagram(split_by=["gamma_prime", "gamma", "width", "seed"]))
    assert len(jobs_of(every)) == 9 * 19 * 5 * 5


def descent(**changes: object) -> Plan:
    """A plan with an experiment on two grids beside the others."""
    experiment = {
        "engine": "gradient_descent",
        "paper": "luo2021",
        "dataset": "sphere",
        "parameterisation": "unscaled",
        "learning_rate": 0.001,
        "stopping": {"max_steps": 100},
        "axes": {"seed": [0, 1]},
        "grids": [{"width": [20], "n_train": [5]}, {"width": [10, 11], "n_train": [6, 7]}],
        "measure": "luo2021.growth",
    }
    sphere = {"kind": "unit_sphere", "draws": 2, "n_points": 10, "n_features": 3}
    return make(datasets={"sphere": sphere}, experiments={"descent": experiment | changes})


def test_grids_are_cut_into_jobs_one_by_one() -> None:
    plan = descent()
    jobs = plan.jobs_of("descent")
    assert [job.settings["axes"] for job in jobs] == [
        {"width": [width], "n_train": n_train, "seed": [seed]}
        for width, n_train in ((20, [5]), (10, [6, 7]), (11, [6, 7]))
        for seed in (0, 1)
    ]
    # What is listed first starts first.
    priorities = [job.priority for job in jobs]
    assert priorities == sorted(priorities, reverse=True) and min(priorities) > 0
    assert jobs[0].name.startswith("descent/width=20_seed=0-")
    measure = plan.measures["descent"]
    assert list(measure.paths["runs"].values()) == [job.path for job in jobs]
    assert measure.grids == [2, 4]
    assert plan.measures["phase_diagram"].grids == [45]


def test_added_grids_keep_the_other_jobs() -> None:
    grids = [{"width": [20], "n_train": [5]}, {"width": [10, 11], "n_train": [6, 7]}]
    before = names(descent())
    after = names(descent(grids=[{"width": [30], "n_train": [5]}, *grids]))
    assert before < after and len(after - before) == 2
    other = names(descent(learning_rate=0.002))
    assert not before & other


def test_too_many_jobs_of_several_grids_are_refused() -> None:
    width = {"start": 1, "stop": 9999, "step": 1}
    grids = [{"width": width, "n_train": [n_train]} for n_train in (1, 2, 3)]
    with pytest.raises(ConfigError, match=r"descent.split_by = .* makes 29997 jobs"):
        descent(grids=grids, axes={"seed": [0]}, split_by=["width"])


def test_experiments_do_not_share_runs_by_accident() -> None:
    # The random streams are named after the experiment, and so are the files.
    plan = make()
    paths = [job.path for job in plan.jobs.values()]
    assert len(set(paths)) == len(paths)
    assert {job.experiment for job in plan.jobs.values()} == set(plan.measures)


def test_the_claims_of_all_papers_are_made_with_all_else() -> None:
    plan = make()
    assert plan.all_claims.path in plan.all_targets()
    assert set(plan.targets("luo2021")) < set(plan.all_targets())
    # The scorecard shows them, and is made anew when any experiment behind a claim changes.
    scorecard = plan.figures["scorecard"]
    assert scorecard.paths["measures"] == {"claims": plan.all_claims.path}
    changed = make(experiments={"song2021_lazy": {"relative_loss": 0.02}})
    assert changed.figures["scorecard"].settings_hash != scorecard.settings_hash
    assert changed.stamps[plan.all_claims.stamp] != plan.stamps[plan.all_claims.stamp]


def test_the_claims_need_what_they_declare() -> None:
    claims = make().claims
    assert {"luo2021", "razborov2022", "chen2022", "caron2023", "song2021"} <= set(claims)
    assert "growth_inverse" in claims["luo2021"].inputs["measures"]
    assert "razborov2022_both_layers" not in claims["razborov2022"].inputs["measures"]
    # Those of some experiments alone, where the config says so.
    few = make(claims={"luo2021": {"measures": ["phase_diagram", "condensation"]}})
    assert list(few.claims["luo2021"].inputs["measures"]) == ["phase_diagram", "condensation"]
    assert few.claims["chen2022"] == claims["chen2022"]


def test_a_figure_cannot_show_claims_that_no_paper_has() -> None:
    config = load(CONFIG)
    name = "caron2023_simulated_half_sum"
    alone = {"experiments": {name: config.experiments[name]}}
    figures = {"scorecard": config.figures["scorecard"]}
    with pytest.raises(ConfigError, match=r"figures.scorecard.claims: no paper of the config has"):
        Plan.from_config(config.model_copy(update=alone | {"figures": figures}))


def test_a_table_is_a_csv_file_too() -> None:
    plan = make()
    tables = {name: figure.outputs[-1] for name, figure in plan.by_rule["table"].items()}
    assert tables == {
        name: f"figures/{name}.csv"
        for name in (
            "luo2021/table01_initializations",
            "razborov2022/table1",
            "razborov2022/table2",
            "chen2022/table1_scalings",
            "song2021/table1_scaling",
            "scorecard",
            "atlas",
        )
    }
    for name, path in tables.items():
        assert path in plan.targets(plan.figures[name].paper)


def test_names_are_plain_python_values() -> None:
    def check(value: object) -> None:
        assert type(value) in (dict, list, str, int, float, bool), type(value)
        for item in value.values() if isinstance(value, dict) else ():
            check(item)
        for item in value if isinstance(value, list) else ():
            check(item)

    check(next(iter(make().jobs.values())).settings)


def test_added_values_keep_the_other_jobs() -> None:
    before = hashes(make())
    more = hashes(make(**phase_diagram(axes={"seed": [3, 4, 5, 6, 7, 8]})))
    assert before < more and len(more - before) == 9
    paper = hashes(make(scale="paper"))
    assert before < paper


@pytest.mark.parametrize(
    "overrides",
    [
        {"root_seed": 1},
        phase_diagram(solver={"tolerance": 0.01}),
        phase_diagram(history_points=32),
        phase_diagram(axes={"width": [1000, 5000]}),
        phase_diagram(antisymmetric_initialisation="never"),
        {"datasets": {"four_point": {"bias": False}}},
    ],
)
def test_what_training_reads_changes_every_run(overrides: dict) -> None:
    assert not hashes(make()) & hashes(make(**overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        {"device": "cuda"},
        {"data_mirror": "/some/folder"},
        {"keep_states": False},
        phase_diagram(keep_states=False),
        {"datasets": {"digits": {"kind": "mnist", "n_train": 45}}},
        {"figures": {"phase_diagram": {"caption": "other"}}},
        {"papers": {"luo2021": {"citation": "other"}}},
        {"papers": {"other2030": {"title": "t", "citation": "c"}}},
        {"datasets": {"two": {"kind": "points", "inputs": [0, 1], "targets": [0, 1]}}},
    ],
)
def test_what_training_does_not_read_changes_nothing(overrides: dict) -> None:
    before, after = make(), make(**overrides)
    assert hashes(before) == hashes(after)
    assert before.stamps.items() <= after.stamps.items()


def test_data_mirror_is_in_no_hash() -> None:
    digits = {"datasets": {"digits": {"kind": "mnist", "n_train": 45}}}
    before, after = make(**digits), make(**digits, data_mirror="/some/folder")
    assert before == after


def test_every_setting_of_a_data_set_is_in_its_hash() -> None:
    def digest(**keys: object) -> str:
        settings = {"kind": "uci", "name": "energy", **keys}
        return make(datasets={"new": settings}).data["new"].hash

    assert digest() == digest(split_seed=0, standardise="train", shares=[0.4, 0.2, 0.4])
    changed = [
        digest(split_seed=1),
        digest(standardise="none"),
        digest(shares=[0.4, 0.4, 0.2]),
        digest(target="cooling_load"),
        digest(bias=True),
    ]
    assert len({digest(), *changed}) == 6


def test_torch_version_counts_without_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_torch(version: str) -> set[str]:
        monkeypatch.setattr(versions, "package_versions", lambda *_: {"torch": version})
        return hashes(make())

    assert with_torch("2.13.0+cpu") == with_torch("2.13.0+cu128") == with_torch("2.13.0")
    assert with_torch("2.13.0") != with_torch("2.14.0")


def test_measures_list_their_runs() -> None:
    plan = make()
    measure = plan.measures["phase_diagram"]
    assert set(measure.paths["runs"].values()) == hashes(plan)
    assert all(run in plan.stamps[measure.stamp] for run in hashes(plan))


def test_targets_of_a_paper() -> None:
    assert {
        "figures/phase_diagram.pdf",
        "figures/phase_diagram.png",
        "results/measures/phase_diagram.nc",
        "results/claims/luo2021.nc",
        "results/claims/luo2021.md",
    } <= set(make().targets("luo2021"))


def test_figures_in_folders() -> None:
    figure = {
        "plot": "luo2021.diagram",
        "paper": "luo2021",
        "measures": ["phase_diagram"],
        "caption": "c",
    }
    plan = make(figures={"luo2021/fig99_other": figure})
    assert plan.figures["luo2021/fig99_other"].path == "figures/luo2021/fig99_other.pdf"
    assert plan.figures["luo2021/fig99_other"].stamp == (
        "results/code/figures-luo2021-fig99_other.txt"
    )


def test_arguments_of_figures_are_those_of_their_function() -> None:
    plan = make()
    figure = plan.figures["chen2022/fig3_scalings"]
    assert (figure.module, figure.arguments) == (
        "regimes.papers.chen2022.error_against_n",
        {"number": 3},
    )
    other = make(figures={"chen2022/fig3_scalings": {"arguments": {"number": 2}}})
    changed = other.figures["chen2022/fig3_scalings"]
    assert (changed.code, changed.inputs) == (figure.code, figure.inputs)
    assert changed.settings_hash != figure.settings_hash
    assert other.stamps[changed.stamp] != plan.stamps[figure.stamp]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arguments": {"numbr": 3}}, r"arguments.numbr is unknown: .*draw takes number"),
        ({"arguments": {"number": 7}}, r"arguments.number = 7; allowed: 2, 3"),
        ({"plot": "chen2022.scalings"}, "plot = 'chen2022.scalings': the module has no function d"),
        ({"table": True}, "plot = 'chen2022.error_against_n': the module has no function table"),
        ({"plot": "razborov2022.tables", "arguments": {"number": None}}, "number is missing"),
        ({"measures": ["phase_diagram"]}, "what chen2022.curves or .* not luo2021.phase_diagram"),
        ({"measures": []}, r"measures = \[\]: chen2022.error_against_n draws one experiment"),
        (
            {"measures": ["chen2022_scalings", "chen2022_random_labels"]},
            r"\[chen2022_scalings, chen2022_random_labels\]: .* draws one experiment",
        ),
        (
            {"plot": "caron2023.fig_closed_forms", "arguments": None},
            "caron2023.fig_closed_forms needs caron2023_theorems_relu, caron2023_theorems_tanh too",
        ),
    ],
)
def test_what_a_figure_cannot_be_drawn_with_is_named(changes: dict, message: str) -> None:
    place = "^(--config|papers/chen2022/experiments.yaml): figures.chen2022/fig3_scalings"
    with pytest.raises(ConfigError, match=f"{place}.*{message}"):
        make(figures={"chen2022/fig3_scalings": changes})


def test_figures_say_which_measures_they_draw() -> None:
    """All but those that look at none, or at whatever is there."""
    figures = load(CONFIG).figures
    plots = {figure.plot for figure in figures.values() if figure.measures}
    declared = {plot: constants(f"regimes.papers.{plot}") for plot in plots}
    silent = [
        plot for plot, names in declared.items() if not {"TAKES", "EACH", "NEEDS"} & set(names)
    ]
    assert silent == ["overview.atlas"]


def test_claims_of_experiments_that_no_claim_needs_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        make(claims={"luo2021": {"measures": ["razborov2022"]}})
    assert str(caught.value).startswith(
        "--config: claims.luo2021.measures = [razborov2022]: no claim of luo2021 needs any of "
        "these; allowed: phase_diagram, "
    )
    some = make(claims={"luo2021": {"measures": ["razborov2022", "condensation"]}})
    assert list(some.claims["luo2021"].inputs["measures"]) == ["condensation"]


def test_errors_of_figures_and_experiments_name_the_file() -> None:
    config = load(CONFIG)
    # No claim needs the experiment that is left.
    left = "phase_diagram_tanh"
    removed = {
        "experiments": {name: None for name in config.experiments if name != left},
        "figures": {name: None for name in config.figures if name != "scorecard"},
    }
    with pytest.raises(ConfigError, match=r"^papers/overview/.*: figures.scorecard.claims: no pap"):
        make(**removed)


def test_code_that_loads_a_part_covers_that_of_all_papers() -> None:
    roots = ["regimes.papers.overview.atlas"]
    covered = plan_module.with_parts(roots)
    assert "regimes.papers.chen2022.phase_plane" in covered
    assert not any(name.endswith(".explorer") for name in covered)
    assert "regimes.papers.luo2021.explorer" in plan_module.with_parts(["regimes.explorer.page"])
    assert plan_module.with_parts(["regimes.papers.luo2021.diagram"]) == (
        "regimes.papers.luo2021.diagram",
    )


@pytest.mark.parametrize(
    ("experiment", "change", "message"),
    [
        ("caron2023_concrete", "probes: {pruning: {kept: [0.0, 0.5]}}", "probes.pruning.kept"),
        ("caron2023_concrete", "probes: {transfer: {n_features: [50]}}", "transfer.n_features"),
        (
            "caron2023_concrete",
            "probes: {transfer: {dataset: nowhere}}",
            "probes.transfer.dataset = 'nowhere'",
        ),
        ("caron2023_concrete", "probes: {prune: {kept: [1.0]}}", "probes.prune"),
        ("caron2023_concrete", "node_scalings: {gamma_1: {gamma: 0.5}}", "alpha is missing"),
        (
            "caron2023_concrete",
            "axes: {node_scaling: [other]}",
            "axes.node_scaling: 'other' is no node scaling",
        ),
        ("caron2023_concrete", "dataset: unit_sphere", "has draws"),
        (
            "caron2023_concrete",
            "probes: {transfer: {dataset: unit_sphere}}",
            "probes.transfer.dataset has draws",
        ),
        (
            "caron2023_concrete",
            "axes: {width: [40, 50]}",
            "several widths need width in split_by",
        ),
        ("chen2022_scalings", "axes: {model: [other]}", "other"),
        (
            "chen2022_scalings",
            "models: {ours: {depth: 4}}",
            "depth is only for embedding: random_layers",
        ),
        ("chen2022_scalings", "axes: {model: [ours, ours]}", "is there twice"),
        ("chen2022_scalings", "record: {every: 1}, max_steps: 1000000", "record.every"),
        (
            "chen2022_scalings",
            "axes: {n_train: [10, 30]}",
            "n_train 30 is more than xor_with_noise has",
        ),
    ],
)
def test_wrong_settings_of_an_experiment_are_one_line(
    experiment: str, change: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(scale="smoke", experiments={experiment: yaml.safe_load(f"{{{change}}}")})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_missing_modules_are_named() -> None:
    with pytest.raises(ConfigError, match=r"activation = 'relo'.*allowed: .*relu"):
        make(**phase_diagram(activation="relo"))
    with pytest.raises(ConfigError, match=r"measure = 'phaze'.*regimes\.papers\.luo2021\.phaze"):
        make(**phase_diagram(measure="luo2021.phaze"))


def test_unknown_job_is_one_line() -> None:
    with pytest.raises(ConfigError, match="belongs to no train job of the present config"):
        make().stage("train", "phase_diagram/seed=7-0123456789abcdef")


def test_stamps_are_written_below_a_directory(tmp_path: Path) -> None:
    plan = make()
    plan.write_stamps(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.txt")}
    assert written == set(plan.stamps)


def test_the_explorer_finds_measures_by_their_module() -> None:
    renamed = {"phase_diagram_other": {"measure": "luo2021.phase_diagram"}}
    other = load(CONFIG).experiments["phase_diagram"].model_dump(mode="json", exclude_none=True)
    plan = make(experiments={name: other | changes for name, changes in renamed.items()})
    explorer = plan.explorer
    measures, claims = explorer.paths["measures"], explorer.paths["claims"]
    assert measures["phase_diagram_other"] == "results/measures/phase_diagram_other.nc"
    assert {"phase_diagram", "condensation", "song2021_mnist"} <= set(measures)
    assert not {"growth_unit", "conservation", "song2021_order"} & set(measures)
    assert claims["luo2021"] == "results/claims/luo2021.nc"
    assert all(explorer.path not in plan.targets(paper) for paper in plan.papers)


def test_the_explorer_knows_the_figures_of_what_it_shows() -> None:
    figures = make(figures={"song2021/fig1_mnist": None}).explorer.settings["figures"]
    assert figures["phase_diagram"] == [
        "phase_diagram",
        "luo2021/table01_initializations",
        "luo2021/fig10_all_parameters",
    ]
    assert figures["song2021_mnist"] == []
    # The atlas shows all experiments, and is another paper's.
    assert not any("atlas" in names for names in figures.values())
    assert set(figures) == set(make().explorer.paths["measures"])


def test_the_explorers_stamp_covers_its_page_and_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    def text() -> str:
        plan = make()
        return plan.stamps[plan.explorer.stamp]

    before = text()
    assert text() == before
    titled = make(papers={"luo2021": {"title": "Another title"}})
    assert titled.stamps[titled.explorer.stamp] != before
    monkeypatch.setattr(plan_module, "assets_hash", lambda: "other")
    assert text() != before


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "figures/phse_diagram.pdf",
            "did you mean 'phase_diagram.pdf'? figures/ may have files of",
        ),
        ("figures/phase_diagram.csv", "did you mean 'phase_diagram.png'?"),
        ("figures/zzz.pdf", "with the present config; figures/ may have files of phase_diagram, "),
        ("results/measures/fase_diagram.nc", "did you mean 'phase_diagram.nc'?"),
    ],
)
def test_a_target_that_nothing_makes_names_the_one_that_was_meant(path: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make().check_target(path)
    assert str(caught.value).startswith(f"{path}: ") and expected in str(caught.value)


def test_every_target_of_the_plan_can_be_asked_for() -> None:
    plan = make()
    for path in plan.all_targets():
        plan.check_target(path)


def table_of(n_train: int) -> dict:
    """An experiment of gradient flow on so many noisy points, one run for each job."""
    dataset = {"kind": "function", "formula": "x1", "n_train": n_train, "n_features": 5, "noise": 1}
    axes = {"gamma_prime": [0.0], "gamma": [1.0], "width": [1000], "seed": [0, 1]}
    experiment = {"inherits": "phase_diagram", "dataset": "noisy", "axes": axes}
    return {"datasets": {"noisy": dataset}, "experiments": {"mine": experiment}}


def test_jobs_that_take_very_long_are_told(tmp_path: Path) -> None:
    assert not list(make(**table_of(1000)).long_jobs(tmp_path))
    plan = make(**table_of(13_000), max_memory_mb=10**6)
    (line,) = plan.long_jobs(tmp_path)
    assert line.startswith("experiments.mine: 2 of its jobs may take up to 16 h of a core each")
    assert "(datasets.noisy)" in line and "another engine" in line and "\n" not in line
    for job in plan.jobs_of("mine"):
        path = tmp_path / job.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert not list(plan.long_jobs(tmp_path))


def test_an_experiment_may_keep_no_states() -> None:
    kept, not_kept = (make(**phase_diagram(keep_states=keep)) for keep in (True, False))
    assert all(job.end_states for job in kept.jobs_of("phase_diagram"))
    assert not any(job.end_states for job in not_kept.jobs_of("phase_diagram"))
    assert any(job.end_states for job in not_kept.jobs_of("typical_cases"))
