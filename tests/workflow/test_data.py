"""Data sets as jobs: made alone, from shipped files and from a mirror; none is downloaded."""

from pathlib import Path

import numpy as np
import xarray as xr
from harness import SMOKE, Workflow, copy_checkout

FULL = "mnist/train-images-idx3-ubyte.gz"


def run(workflow: Workflow, dataset: str, *config: str) -> tuple[int, list[str]]:
    """Exit code and errors of the job that makes one data set, with no network to be used."""
    settings = f"datasets={{made: {dataset}}}"
    result = workflow.run(
        *("--cores", "1"),
        targets=("results/data/made.nc",),
        config=(*SMOKE, settings, *config),
        REGIMES_DATA="",
    )
    assert "Traceback" not in result.output
    errors = [line for line in result.output.splitlines() if line.startswith("error:")]
    return result.code, errors


def test_data_set_is_made_alone(tmp_path: Path) -> None:
    workflow = Workflow(copy_checkout(tmp_path / "checkout"), tmp_path / "out")
    digits = "{kind: mnist, n_train: 45, n_test: 5, pixels: [-0.5, 0.5], targets: one_hot}"
    assert run(workflow, digits) == (0, [])
    assert not workflow.files("results/runs/*")
    with xr.open_dataset(workflow.directory / "results/data/made.nc") as made:
        assert made.sizes == {"point": 50, "feature": 784, "output": 10}
        assert float(made["inputs"].min()) == -0.5 and float(made["inputs"].max()) == 0.5
        np.testing.assert_array_equal(made["split"], [0] * 45 + [1] * 5)
        assert made.attrs["licence"] == "CC BY-SA 3.0"
        assert made.attrs["references"] == made.attrs["citation"]
        assert "data_mirror" not in made.attrs["config"]


def test_mirror_of_the_config_reaches_the_job(tmp_path: Path) -> None:
    workflow = Workflow(copy_checkout(tmp_path / "checkout"), tmp_path / "out")
    every_image = "{kind: mnist, n_train: 60000}"
    code, errors = run(workflow, every_image, f"data_mirror={tmp_path / 'nowhere'}")
    assert code == 1 and len(errors) == 1
    assert str(tmp_path / "nowhere") in errors[0] and "is not a folder" in errors[0]

    path = tmp_path / "mirror" / FULL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the images")
    code, errors = run(workflow, every_image, f"data_mirror={tmp_path / 'mirror'}")
    assert code == 1 and len(errors) == 1
    assert str(path) in errors[0] and "sha256" in errors[0]
    assert not workflow.files("results/data/*")


def test_a_renamed_file_remakes_nothing_and_gives_the_same_data(tmp_path: Path) -> None:
    workflow = Workflow(copy_checkout(tmp_path / "checkout"), tmp_path / "out")
    table, target = tmp_path / "mine.csv", "results/data/made.nc"
    table.write_text("a,y\n" + "".join(f"{row},{row * row}\n" for row in range(20)))

    def settings(path: Path) -> tuple[str, ...]:
        keys = f"kind: file, path: {path}, inputs: [a], target: y, shares: [0.5, 0.25, 0.25]"
        return (*SMOKE, f"datasets={{made: {{{keys}}}}}")

    def make(path: Path) -> xr.Dataset:
        result = workflow.run("--cores", "1", targets=(target,), config=settings(path))
        assert result.code == 0, result.output
        with xr.open_dataset(workflow.directory / target) as made:
            return made.load()

    first = make(table)
    renamed = table.rename(tmp_path / "renamed.csv")
    assert workflow.plan(targets=(target,), config=settings(renamed)).nothing_to_do
    (workflow.directory / target).unlink()
    again = make(renamed)
    assert again.equals(first)
    for name in ("config", "identity", "data_source", "preprocessing"):
        assert again.attrs[name] == first.attrs[name]
