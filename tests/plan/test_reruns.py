"""What runs again after a change: of the settings, or of the code. Snakemake is not called.

`jobs` follows the rules of workflow/rules/. That Snakemake has the same jobs is checked for some
changes of each kind in tests/workflow/.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from regimes.plan import provenance
from regimes.plan.plan import Plan
from regimes.tools.settings import overrides, plan_of

# Of the phase diagram alone, as in tests/workflow/: its figure and the claims that it decides.
ONE_EXPERIMENT = "claims={luo2021: {measures: [phase_diagram]}}"
PHASE_DIAGRAM = (
    "results/measures/phase_diagram.nc",
    "figures/phase_diagram.pdf",
    "results/claims/luo2021.nc",
)
TABLE1 = ("results/measures/razborov2022.nc", "figures/razborov2022/table1.csv")
CONCRETE = ("results/measures/caron2023_concrete.nc", "figures/caron2023/fig06_concrete.pdf")
# Training jobs at smoke scale: of the phase diagram, and of all of that paper
PHASE_DIAGRAM_BLOCKS = 6
LUO_BLOCKS = {
    "phase_diagram": PHASE_DIAGRAM_BLOCKS,
    "typical_cases": 1,
    "typical_cases_other_points": 1,
    "along_the_flow": 4,
    "growth_unit": 1,
    "growth_inverse_root": 1,
    "growth_inverse": 1,
    "condensation": 2,
    "conservation": 1,
    "phase_diagram_mnist": 2,
    "condensation_mnist": 2,
    "phase_diagram_tanh": 1,
    "phase_diagram_gelu": 1,
    "phase_diagram_leaky_relu": 1,
}
# Of the lab, by gradient flow.
LAB_BLOCKS = dict.fromkeys(("lab_flow", "lab_flow_mnist", "lab_parity", "lab_single_index"), 1)
LAB_BLOCKS |= {"boundary_finite_width": 2}
# What follows when the measures of an experiment change
DOWNSTREAM = {"measure": 1, "claims": 1, "figure": 1}
IN_CHEN = {"measure": 1, "claims": 1, "figure": 5}


def jobs(before: Plan, after: Plan, targets: tuple[str, ...]) -> dict[str, int]:
    """Number of jobs by rule that a plan needs where all that another one names has been made.

    targets: papers and files.
    """
    there = {path for stage in before.stages() for path in stage.outputs}
    stages = {path: stage for stage in after.stages() for path in stage.outputs}
    made: set[tuple[str, str]] = set()

    @cache
    def is_made(path: str) -> bool:
        stage = stages[path]
        if stage.stamp is None:
            # The name of a file says its content, however old its inputs are.
            if path in there:
                return False
            changed = True
        else:
            changed = path not in there or before.stamps.get(stage.stamp) != stage.stamp_text
        inputs = [one for paths in stage.paths.values() for one in paths.values()]
        # All inputs, also when one is known to be made.
        changed = sum(map(is_made, inputs)) > 0 or changed
        if changed:
            made.add(("table" if path.endswith(".csv") else stage.rule, stage.name))
        return changed

    for target in targets:
        for path in after.targets(target) if target in after.papers else (target,):
            is_made(path)
    return dict(Counter(rule for rule, _ in made))


def planned(*changes: str) -> Plan:
    """The plan at smoke scale, with `--config` arguments."""
    return plan_of(overrides(("scale=smoke", *changes), ()))


@pytest.fixture(scope="module")
def finished() -> Plan:
    return planned()


@pytest.fixture(scope="module")
def finished_one() -> Plan:
    return planned(ONE_EXPERIMENT)


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function after which modules of the package do something else."""

    def edited(*modules: str) -> None:
        paths = [provenance.PACKAGE / module for module in modules]
        assert all(path.is_file() for path in paths), modules
        sources = [path.read_bytes() for path in paths]
        hash_of = provenance._text_hash

        def changed(source: bytes) -> str:
            return "edited" if source in sources else hash_of(source)

        monkeypatch.setattr(provenance, "_text_hash", changed)

    return edited


def trained(before: Plan, after: Plan) -> Counter[str]:
    """New training jobs by experiment."""
    return Counter(job.experiment for name, job in after.jobs.items() if name not in before.jobs)


# The phase diagram


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("axes: {gamma_prime: [-0.5, 0.0, 0.25, 0.5]}", {"train": 2, **DOWNSTREAM}),
        ("axes: {seed: [0, 1, 2]}", {"train": 3, **DOWNSTREAM}),
        ("axes: {seed: [0, 1, 2, 3, 4, 5, 6]}", {"train": 15, **DOWNSTREAM}),
        ("axes: {seed: [0]}", DOWNSTREAM),
        ("solver: {tolerance: 0.01}", {"train": PHASE_DIAGRAM_BLOCKS, **DOWNSTREAM}),
    ],
)
def test_a_change_of_the_phase_diagram(
    finished_one: Plan, change: str, expected: dict[str, int]
) -> None:
    after = planned(ONE_EXPERIMENT, f"experiments={{phase_diagram: {{{change}}}}}")
    assert jobs(finished_one, after, PHASE_DIAGRAM) == expected


@pytest.mark.parametrize(
    ("change", "data"),
    [
        ("root_seed=7", {}),
        ("datasets={four_point: {targets: [0.3, -0.6, 0.7, 0.3]}}", {"data": 1}),
    ],
)
def test_settings_of_all_runs_or_of_the_data_retrain(
    finished_one: Plan, change: str, data: dict[str, int]
) -> None:
    found = jobs(finished_one, planned(ONE_EXPERIMENT, change), PHASE_DIAGRAM)
    assert found == {**data, "train": PHASE_DIAGRAM_BLOCKS, **DOWNSTREAM}


@pytest.mark.parametrize(
    "module",
    [
        "engines/gradient_flow/engine.py",
        "engines/common/streams.py",
        "activations/relu.py",
        "datasets/points.py",
        "storage/layout.py",
    ],
)
def test_code_of_training_or_data_retrains(
    finished_one: Plan, edit: Callable[..., None], module: str
) -> None:
    edit(module)
    found = jobs(finished_one, planned(ONE_EXPERIMENT), PHASE_DIAGRAM)
    assert found["train"] == PHASE_DIAGRAM_BLOCKS


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("papers/luo2021/diagram.py", {"figure": 1}),
        ("plotting/style.py", {"figure": 1}),
        ("claims/core.py", {"claims": 1}),
        ("papers/luo2021/claims/flow.py", {"claims": 1}),
    ],
)
def test_code_after_the_measures_measures_nothing(
    finished_one: Plan, edit: Callable[..., None], module: str, expected: dict[str, int]
) -> None:
    edit(module)
    assert jobs(finished_one, planned(ONE_EXPERIMENT), PHASE_DIAGRAM) == expected


def test_measure_code_trains_nothing(finished_one: Plan, edit: Callable[..., None]) -> None:
    edit("papers/luo2021/phase_diagram.py")
    found = jobs(finished_one, planned(ONE_EXPERIMENT), PHASE_DIAGRAM)
    assert found["measure"] == 1 and "train" not in found


def test_caption_device_mirror_and_citation_rerun_nothing(finished_one: Plan) -> None:
    after = planned(
        ONE_EXPERIMENT,
        "device=cpu",
        "data_mirror=/some/folder",
        "figures={phase_diagram: {caption: Another caption.}}",
        "papers={luo2021: {citation: Another citation.}}",
    )
    assert jobs(finished_one, after, PHASE_DIAGRAM) == {}


@pytest.mark.parametrize(
    "modules",
    [
        [f"datasets/{name}.py" for name in ("mnist", "uci", "pixels")],
        [f"datasets/sources/{name}.py" for name in ("mnist", "retrieval")],
        [f"plan/{name}.py" for name in ("plan", "stages", "provenance", "jobs", "probes")],
        ["jobs/devices.py", "jobs/gpus.py", "jobs/torch_script.py"],
        ["config/load.py", "config/models.py"],
        ["engines/common/resume.py", "engines/common/runner.py"],
        ["engines/gradient_descent/engine.py", "activations/tanh.py"],
    ],
)
def test_code_of_others_and_of_the_plan_reruns_nothing(
    finished_one: Plan, edit: Callable[..., None], modules: list[str]
) -> None:
    edit(*modules)
    assert "train" not in jobs(finished_one, planned(ONE_EXPERIMENT), PHASE_DIAGRAM)


# All of a paper


@pytest.mark.parametrize(
    ("change", "blocks"),
    [
        ("axes: {width: [100, 200, 1000]}", 1),
        ("axes: {width: [200, 400]}", 2),
        ("axes: {seed: [0, 1]}", 2),
        ("snapshots: [1.0, 0.0]", 2),
        ("solver: {tolerance: 0.05}", 2),
    ],
)
def test_a_knob_of_condensation_trains_condensation_alone(
    finished: Plan, change: str, blocks: int
) -> None:
    after = planned(f"experiments={{condensation: {{{change}}}}}")
    assert jobs(finished, after, ("luo2021",)) == {"train": blocks, **DOWNSTREAM}
    assert trained(finished, after) == {"condensation": blocks}


def test_a_knob_of_one_family_trains_that_alone(finished: Plan) -> None:
    change = "experiments={growth_inverse_root: {exponents: {beta1: -0.6, beta2: -0.6}}}"
    after = planned(change)
    assert jobs(finished, after, ("luo2021",)) == {"train": 1, **DOWNSTREAM}
    assert trained(finished, after) == {"growth_inverse_root": 1}


def test_a_new_seed_of_the_phase_diagram_leaves_the_other_experiments_alone(
    finished: Plan,
) -> None:
    after = planned("experiments={phase_diagram: {axes: {seed: [0, 1, 2]}}}")
    # Figures 4 and 10, and Table 1 in both forms
    expected = {"train": 3, "measure": 1, "claims": 1, "figure": 3, "table": 1}
    assert jobs(finished, after, ("luo2021",)) == expected
    assert trained(finished, after) == {"phase_diagram": 3}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        # Figures 6 and 7
        ("papers/luo2021/condensation.py", {"measure": 2, "claims": 1, "figure": 2}),
        ("papers/luo2021/condensation_projected.py", DOWNSTREAM),
        # Behind Figure 2, on two sets of points, and Figures 6 and 7
        ("papers/luo2021/neurons.py", {"measure": 4, "claims": 1, "figure": 3}),
        ("papers/luo2021/condensation_map.py", {"figure": 2}),
        ("papers/luo2021/claims/flow.py", {"claims": 1}),
        ("papers/luo2021/table01_initializations.py", {"figure": 1, "table": 1}),
        ("plotting/style.py", {"figure": 12, "table": 1}),
        # The notebook's
        ("api.py", {}),
    ],
)
def test_code_reruns_what_imports_it(
    finished: Plan, edit: Callable[..., None], module: str, expected: dict[str, int]
) -> None:
    edit(module)
    assert jobs(finished, planned(), ("luo2021",)) == expected


def test_code_of_the_solver_trains_everything(finished: Plan, edit: Callable[..., None]) -> None:
    edit("engines/gradient_flow/snapshots.py")
    after = planned()
    assert jobs(finished, after, ("luo2021",))["train"] == sum(LUO_BLOCKS.values())
    counts = trained(finished, after)
    # Those are made on request alone.
    of_all = {name: counts[name] for name in counts if not after.measures[name].on_request}
    assert of_all == LUO_BLOCKS | LAB_BLOCKS


# Gradient descent, on several grids


@pytest.mark.parametrize(
    ("change", "trains"),
    [
        ("grids: [{width: [40], n_train: [20, 40]}, {width: [50], n_train: [30]}]", 2),
        ("grids: [{width: [40], n_train: [20, 40]}]", 0),
        ("grids: [{width: [40], n_train: [20, 30]}]", 2),
        ("axes: {seed: [0]}", 0),
        ("learning_rate: 0.003", 4),
        ("stopping: {max_steps: 50}", 4),
    ],
)
def test_only_what_is_new_of_the_grids_is_trained(finished: Plan, change: str, trains: int) -> None:
    found = jobs(finished, planned(f"experiments={{razborov2022: {{{change}}}}}"), TABLE1)
    expected = {"train": trains, "measure": 1, "table": 1}
    assert found == {rule: count for rule, count in expected.items() if count}


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "activations/tanh.py",
        "engines/gradient_flow/engine.py",
        "engines/common/runner.py",
        "engines/common/resume.py",
        "engines/gradient_descent/settings.py",
        "engines/sgd/network.py",
        "storage/store.py",
        "jobs/job_log.py",
    ],
)
def test_other_code_does_not_train_gradient_descent(
    finished: Plan, edit: Callable[..., None], module: str
) -> None:
    edit(module)
    assert not {"train", "data"} & jobs(finished, planned(), TABLE1).keys()


@pytest.mark.parametrize(
    "module",
    ["engines/common/shallow.py", "activations/relu.py", "engines/gradient_descent/engine.py"],
)
def test_its_own_code_trains_gradient_descent(
    finished: Plan, edit: Callable[..., None], module: str
) -> None:
    edit(module)
    assert jobs(finished, planned(), TABLE1)["train"] == 4


# Training in function space


@pytest.mark.parametrize(
    ("change", "trains"),
    [
        # Models come and go without the others.
        ("models: {deep: {embedding: random_layers, depth: 5}}", 2),
        ("models: {ours: {scaling: mean_field}}", 2),
        ("axes: {model: [ours, ntk]}", 0),
        ("multistep: {enabled: false}", 6),
        ("grids: [{width: [32]}, {width: [24]}]", 3),
    ],
)
def test_only_what_is_new_of_the_models_is_trained(
    finished: Plan, change: str, trains: int
) -> None:
    after = planned(f"experiments={{chen2022_scalings: {{{change}}}}}")
    found = jobs(finished, after, ("chen2022",))
    expected = {"train": trains, **IN_CHEN}
    assert {rule: found.get(rule, 0) for rule in expected} == expected


@pytest.mark.parametrize(
    ("module", "trains"), [("embeddings/quadratic.py", 2), ("multistep.py", 23)]
)
def test_code_trains_the_models_that_run_it(
    finished: Plan, edit: Callable[..., None], module: str, trains: int
) -> None:
    edit(f"engines/function_space/{module}")
    assert jobs(finished, planned(), ("chen2022",))["train"] == trains


# Probes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("probes: {pruning: {kept: [0.5, 1.0]}}", {"probe": 1}),
        ("probes: {pruning: {importance: node_scale}}", {"probe": 1}),
        ("probes: {transfer: {max_steps: 60}}", {"probe": 1}),
        ("probes: {transfer: {dataset: energy}}", {"probe": 1}),
        ("max_steps: 150", {"train": 1, "probe": 2}),
        ("axes: {seed: [0]}", {"train": 1, "probe": 2}),
    ],
)
def test_a_change_of_a_probe_trains_nothing(
    finished: Plan, change: str, expected: dict[str, int]
) -> None:
    found = jobs(finished, planned(f"experiments={{caron2023_concrete: {{{change}}}}}"), CONCRETE)
    assert found == expected | {"measure": 1, "figure": 1}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("probes/pruning.py", {"probe": 1}),
        ("probes/transfer.py", {"probe": 1}),
        ("probes/importance.py", {"probe": 2}),
        ("engines/function_space/weight_space.py", {"train": 1, "probe": 2}),
        ("parameterisations/node_scaling.py", {"train": 1, "probe": 2}),
    ],
)
def test_code_probes_what_imports_it(
    finished: Plan, edit: Callable[..., None], module: str, expected: dict[str, int]
) -> None:
    edit(module)
    assert jobs(finished, planned(), CONCRETE) == expected | {"measure": 1, "figure": 1}
