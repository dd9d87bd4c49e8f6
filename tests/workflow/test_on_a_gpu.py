"""The workflow with `device: cuda`, its jobs on a pretend GPU."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from harness import SMOKE, Result, Workflow, copy_checkout

# Python reads this before anything else: jobs that use torch begin with a pretend GPU, note that
# they have begun, and end in the way that FAIL says when they write the file of that number.
START = """
import os, sys

def ending(write):
    how, number = os.environ["FAIL"].split()
    files = []
    def ends(dataset, path, **more):
        files.append(path)
        if len(files) == int(number):
            if how == "kill":
                os.kill(os.getpid(), 9)
            raise OSError(28, "No space left on device", str(path))
        return write(dataset, path, **more)
    return ends

class Finder:
    def find_spec(self, name, *_):
        if name == "regimes.jobs.torch_script":
            sys.meta_path.remove(self)
            sys.path.append({tests!r})
            from pretend_cuda import pretend_cuda
            self.gpu = pretend_cuda()
            self.gpu.__enter__()
            sys.modules[__name__].kept = self
            with open({begun!r}, "a") as stream:
                stream.write("x")
            if "FAIL" in os.environ:
                from regimes.storage import store
                store.write = ending(store.write)

sys.meta_path.insert(0, Finder())
"""
TARGETS = ("results/measures/caron2023_concrete.nc", "results/measures/razborov2022_random.nc")
# With several jobs each
NAMES = ("chen2022_random_labels", "chen2022_quadratic_embedding")
SEVERAL = tuple(f"results/measures/{name}.nc" for name in NAMES)
FOLDERS = ("runs", "probes", "measures")


class Gpu:
    """Runs workflows on a pretend GPU. begun: how many processes have used it."""

    def __init__(self, folder: Path):
        self.folder, self.note = folder, folder / "begun"
        start = START.format(tests=str(Path(__file__).parents[1]), begun=str(self.note))
        (folder / "start").mkdir()
        (folder / "start/sitecustomize.py").write_text(start)

    def run(self, workflow: Workflow, *arguments: str, **environment: str) -> Result:
        """Call Snakemake, as `Workflow.run`."""
        self.note.write_text("")
        places = {"PYTHONPATH": str(self.folder / "start"), "TMPDIR": str(self.folder)}
        return workflow.run(*arguments, **places, **environment)

    @property
    def begun(self) -> int:
        """The processes of the last call."""
        return len(self.note.read_text())


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Gpu:
    return Gpu(tmp_path_factory.mktemp("gpu"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkout") / "checkout")


@pytest.fixture(scope="module")
def together(gpu: Gpu, checkout: Path) -> Workflow:
    """Two experiments trained on the GPU, several jobs in a process; not to be changed."""
    workflow = Workflow(checkout, gpu.folder / "together", SEVERAL, (*SMOKE, "device=cuda"))
    result = gpu.run(workflow)
    assert result.code == 0, result.output
    wanted = {f"train_{name}_1": 1 for name in NAMES}
    assert {rule: n for rule, n in result.jobs.items() if "train" in rule} == wanted
    assert gpu.begun == 2
    return workflow


@pytest.mark.slow
def test_two_experiments_and_their_probes_on_a_gpu(gpu: Gpu, checkout: Path) -> None:
    on_cpu = Workflow(checkout, gpu.folder / "cpu", TARGETS, (*SMOKE, "device=cpu"))
    on_gpu = Workflow(checkout, gpu.folder / "gpu", TARGETS, (*SMOKE, "device=cuda"))
    for result in (on_cpu.run(), gpu.run(on_gpu)):
        assert result.code == 0, result.output
        assert result.jobs["train"] == result.jobs["probe"] == 2
    paths = [one for folder in FOLDERS for one in on_gpu.files(f"results/{folder}/**/*.nc")]
    assert len(paths) == 6
    for path in paths:
        with (
            xr.open_dataset(path) as found,
            xr.open_dataset(on_cpu.directory / path.relative_to(on_gpu.directory)) as expected,
        ):
            assert (found.attrs["device"], expected.attrs["device"]) == ("cuda", "cpu")
            for name in expected.variables:
                one, two = found[name].values, expected[name].values
                if one.dtype.kind != "f":
                    np.testing.assert_array_equal(one, two, err_msg=name)
                    continue
                size = np.nanmax(np.abs(two), initial=1e-4)
                np.testing.assert_allclose(one, two, rtol=0, atol=1e-9 * size, err_msg=name)
    # Nothing is trained again for another device.
    assert on_gpu.plan(config=(*SMOKE, "device=cpu")).nothing_to_do


@pytest.mark.slow
def test_jobs_that_share_a_process_make_the_files_of_jobs_that_do_not(
    together: Workflow, gpu: Gpu
) -> None:
    alone = Workflow(together.checkout, gpu.folder / "alone", SEVERAL, together.config_arguments)
    # Where all is forced every job has its own process.
    result = gpu.run(alone, "--cores", "2", "--forceall")
    assert result.code == 0, result.output
    assert result.jobs["train"] == gpu.begun == 6
    together.assert_same_results(alone)
    for part, n_files in (("runs/*/*.nc", 6), ("logs/runs/*/*.log", 6), ("states/*/*.pt", 6)):
        names = [[path.name for path in one.files(f"results/{part}")] for one in (together, alone)]
        assert names[0] == names[1] and len(names[0]) == n_files
    # Each says what it took itself.
    times = []
    for path in together.files("results/runs/*/*.nc"):
        with xr.open_dataset(path) as runs:
            log = (
                together.directory
                / f"results/logs/{path.relative_to(together.directory / 'results')}"
            )
            took = re.search(r"([\d.]+) s  finished", log.with_suffix(".log").read_text())
            times.append(runs.attrs["wall_seconds"] - float(took[1]))
    # All but the first of a process
    assert sum(abs(one) < 0.5 for one in times) >= 4
    assert not together.files("results/kept/*/*") and not together.files("results/checkpoints/*")
    assert together.plan().nothing_to_do


@pytest.mark.slow
@pytest.mark.parametrize(("how", "lost"), [("full", 1), ("kill", 3)])
def test_a_job_that_fails_leaves_the_files_of_those_it_shared_the_process_with(
    together: Workflow, gpu: Gpu, tmp_path: Path, how: str, lost: int
) -> None:
    workflow = Workflow(together.checkout, tmp_path, SEVERAL[1:], together.config_arguments)
    result = gpu.run(workflow, FAIL=f"{how} 2")
    assert result.code == 1 and gpu.begun == 1
    runs = workflow.files("results/runs/*/*.nc")
    assert len(runs) == 4 - lost and not workflow.files("results/kept/*/*")
    times = {path: path.stat().st_mtime_ns for path in runs}
    if how == "full":
        (failed,) = re.findall(f"^  train_{NAMES[1]}_1: (.*)", result.output, flags=re.M)
        assert failed.count(".nc") == 1
        assert len(re.findall("^ +OSError: ", result.output, flags=re.M)) == 1
    result = gpu.run(workflow)
    assert result.code == 0, result.output
    assert gpu.begun == 1 and ("train" in result.jobs) == (lost == 1)
    assert {path: path.stat().st_mtime_ns for path in runs} == times
    for path in workflow.files("results/runs/*/*.nc"):
        with (
            xr.open_dataset(path) as one,
            xr.open_dataset(together.directory / path.relative_to(tmp_path)) as other,
        ):
            assert one.equals(other)


@pytest.mark.slow
def test_what_is_new_alone_is_trained(together: Workflow, gpu: Gpu, tmp_path: Path) -> None:
    workflow = together.copy(tmp_path).asked_for(SEVERAL[0])
    before = {path: path.stat().st_mtime_ns for path in workflow.files("results/runs/*/*.nc")}
    more = f"experiments={{{NAMES[0]}: {{axes: {{width: [16, 24, 32, 40]}}}}}}"
    workflow.config_arguments = (*SMOKE, "device=cuda", more)
    result = gpu.run(workflow)
    assert result.code == 0, result.output
    assert result.jobs == {"measure": 1, f"train_{NAMES[0]}_1": 1}
    after = {path: path.stat().st_mtime_ns for path in workflow.files("results/runs/*/*.nc")}
    assert len(after) == len(before) + 2 and before.items() <= after.items()
