"""What runs again after a change, and what does not."""

import os
import shutil
import time
from pathlib import Path

from harness import SMALL, Workflow, copy_checkout, with_seeds

# Smoke scale: 3 values of gamma_prime x 2 seeds.
ALL_BLOCKS = 6
AFTER_TRAINING = {"measure": 1, "claims": 1, "figure": 1}


def test_second_run_does_nothing(finished: Workflow) -> None:
    assert finished.run().nothing_to_do


def test_touching_everything_reruns_nothing(workflow: Workflow) -> None:
    now = time.time() + 5
    for path in (*workflow.checkout.rglob("*"), *workflow.directory.glob("results/data/*")):
        os.utime(path, (now, now))
    assert workflow.plan().nothing_to_do


def test_comments_and_docstrings_rerun_nothing(workflow: Workflow) -> None:
    for path in workflow.checkout.glob("workflow/**/*.py"):
        path.write_text(f"# A comment.\n\n{path.read_text()}\n# Another comment.\n")
    assert workflow.plan().nothing_to_do


def test_moved_checkout_reruns_nothing(workflow: Workflow, tmp_path: Path) -> None:
    # The results lie in the checkout, as they do without --directory.
    for path in workflow.directory.iterdir():
        path.rename(workflow.checkout / path.name)
    moved = workflow.checkout.rename(tmp_path / "moved")
    assert Workflow(moved, moved).plan().nothing_to_do


def test_fresh_clone_with_old_results_reruns_nothing(workflow: Workflow, tmp_path: Path) -> None:
    clone = copy_checkout(tmp_path / "clone")
    for path in clone.rglob("*"):
        path.touch()
    shutil.rmtree(workflow.directory / ".snakemake")
    assert Workflow(clone, workflow.directory).plan().nothing_to_do


def test_lost_snakemake_folder_reruns_nothing(workflow: Workflow) -> None:
    shutil.rmtree(workflow.directory / ".snakemake")
    assert workflow.plan().nothing_to_do


def test_results_copied_without_times_retrain_nothing(workflow: Workflow, tmp_path: Path) -> None:
    shutil.rmtree(workflow.directory / ".snakemake")
    files = [path for path in workflow.directory.rglob("*") if path.is_file()]
    for index, path in enumerate(sorted(files, reverse=True)):
        os.utime(path, (time.time() + index, time.time() + index))
    assert "train" not in workflow.plan().jobs


def test_new_seed_trains_only_its_blocks(workflow: Workflow) -> None:
    assert workflow.plan(config=with_seeds()).jobs == {"train": 3, **AFTER_TRAINING}


def test_fewer_seeds_train_nothing_and_measure_again(workflow: Workflow) -> None:
    assert workflow.plan(config=with_seeds(1)).jobs == AFTER_TRAINING


def test_figure_code_redraws_without_snakemake_folder(workflow: Workflow) -> None:
    shutil.rmtree(workflow.directory / ".snakemake")
    workflow.add_code("workflow/regimes/plotting/style.py")
    assert workflow.plan().jobs == {"figure": 1}


def test_caption_device_mirror_and_citation_rerun_nothing(workflow: Workflow) -> None:
    changes = (
        "device=cpu",
        "data_mirror=/some/folder",
        "figures={phase_diagram: {caption: Another caption.}}",
        "papers={luo2021: {citation: Another citation.}}",
    )
    assert workflow.plan(config=(*SMALL, *changes)).nothing_to_do


def test_code_of_training_retrains(workflow: Workflow) -> None:
    workflow.add_code("workflow/regimes/engines/gradient_flow/engine.py")
    assert workflow.plan().jobs["train"] == ALL_BLOCKS


def test_settings_of_data_remake_and_retrain(workflow: Workflow) -> None:
    change = "datasets={four_point: {targets: [0.3, -0.6, 0.7, 0.3]}}"
    jobs = workflow.plan(config=(*SMALL, change)).jobs
    # All in one go: a remade data set must not hide the training that follows from it.
    assert jobs == {"data": 1, "train": ALL_BLOCKS, **AFTER_TRAINING}


def test_edited_config_file_takes_effect(workflow: Workflow) -> None:
    papers = "workflow/regimes/papers"
    workflow.edit(f"{papers}/luo2021/experiments.yaml", "tolerance: 0.03", "tolerance: 0.02")
    assert workflow.plan().jobs["train"] == ALL_BLOCKS


def test_module_for_another_experiment_retrains_nothing(workflow: Workflow) -> None:
    package = workflow.checkout / "workflow/regimes"
    for module in ("mnist", "uci", "pixels", "sources/mnist", "sources/retrieval"):
        workflow.add_code(f"workflow/regimes/datasets/{module}.py")
    for name in ("datasets/other.py", "activations/other.py", "papers/other2030/measure.py"):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text("def build(settings):\n    return settings\n")
    assert workflow.plan().nothing_to_do


def test_code_that_only_plans_retrains_nothing(workflow: Workflow) -> None:
    for module in (
        "plan/plan",
        "plan/stages",
        "plan/provenance",
        "jobs/devices",
        "jobs/gpus",
        "jobs/torch_script",
        "config/load",
        "config/models",
    ):
        workflow.add_code(f"workflow/regimes/{module}.py")
    assert workflow.plan().nothing_to_do


def test_environment_files_rerun_nothing(workflow: Workflow) -> None:
    for path in (workflow.checkout / "envs").glob("*.yaml"):
        path.write_text(path.read_text() + "  - another-package\n")
    assert workflow.plan().nothing_to_do


def test_switching_scale_and_back_trains_nothing(workflow: Workflow) -> None:
    # Other settings of the same experiment, then the laptop scale planned, then back.
    assert workflow.run("--cores", "2", config=with_seeds(1)).code == 0
    assert workflow.plan(config=()).jobs["train"] > ALL_BLOCKS
    back = workflow.run()
    assert back.code == 0
    assert back.jobs == AFTER_TRAINING
    assert workflow.plan().nothing_to_do


def test_deleted_measures_are_made_without_training_or_torch(
    workflow: Workflow, tmp_path: Path
) -> None:
    (workflow.directory / "results/measures/phase_diagram.nc").unlink()
    # Whatever imports torch fails.
    poison = tmp_path / "poison/torch"
    poison.mkdir(parents=True)
    (poison / "__init__.py").write_text("raise SystemExit('torch was imported')\n")
    result = workflow.run("--cores", "2", PYTHONPATH=str(poison.parent))
    assert result.code == 0, result.output
    assert result.jobs == AFTER_TRAINING
    assert workflow.plan().nothing_to_do


def test_deleted_data_set_retrains_nothing(workflow: Workflow) -> None:
    (workflow.directory / "results/data/four_point.nc").unlink()
    assert workflow.plan().nothing_to_do
    jobs = workflow.plan(config=with_seeds()).jobs
    assert jobs == {"data": 1, "train": 3, **AFTER_TRAINING}


def test_forced_training_and_graphs_show_all_runs(finished: Workflow) -> None:
    assert finished.plan("--forceall").jobs["train"] == ALL_BLOCKS
    assert finished.plan("--forcerun", "train").jobs["train"] == ALL_BLOCKS
    graph = finished.run("--rulegraph")
    assert "train" in graph.output and "data" in graph.output


def test_existing_run_can_be_asked_for(finished: Workflow) -> None:
    run = finished.files("results/runs/phase_diagram/*.nc")[0].relative_to(finished.directory)
    assert finished.plan(targets=(str(run),)).nothing_to_do
