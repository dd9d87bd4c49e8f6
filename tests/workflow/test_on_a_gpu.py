"""The workflow with `device: cuda`, its jobs on a pretend GPU."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from harness import SMOKE, Workflow, copy_checkout

# Python reads this before anything else: jobs that use torch begin with a pretend GPU.
START = """
import sys

class Finder:
    def find_spec(self, name, *_):
        if name == "regimes.jobs.torch_script":
            sys.meta_path.remove(self)
            sys.path.append({tests!r})
            from pretend_cuda import pretend_cuda
            self.gpu = pretend_cuda()
            self.gpu.__enter__()
            sys.modules[__name__].kept = self

sys.meta_path.insert(0, Finder())
"""
TARGETS = ("results/measures/caron2023_concrete.nc", "results/measures/razborov2022_random.nc")
FOLDERS = ("runs", "probes", "measures")


@pytest.mark.slow
def test_two_experiments_and_their_probes_on_a_gpu(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    tests = str(Path(__file__).parents[1])
    (tmp_path / "start/sitecustomize.py").write_text(START.format(tests=tests))
    checkout = copy_checkout(tmp_path / "checkout")
    on_cpu = Workflow(checkout, tmp_path / "cpu", TARGETS, (*SMOKE, "device=cpu"))
    on_gpu = Workflow(checkout, tmp_path / "gpu", TARGETS, (*SMOKE, "device=cuda"))
    places = {"PYTHONPATH": str(tmp_path / "start"), "TMPDIR": str(tmp_path)}
    for workflow, environment in ((on_cpu, {}), (on_gpu, places)):
        result = workflow.run(**environment)
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
