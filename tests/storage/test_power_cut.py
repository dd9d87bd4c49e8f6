"""What was reported as written is there after a power cut: a disk is copied while it is mounted."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from regimes.engines.common.resume import load, save
from regimes.plan.provenance import write_stamp
from regimes.storage import store
from regimes.storage.layout import described

N_FILES = 6


def call(*command: str | Path) -> bool:
    """Whether a command can be run here, and succeeds."""
    if shutil.which(str(command[0])) is None:
        return False
    return subprocess.run([str(word) for word in command], capture_output=True).returncode == 0


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """A disk image as a folder; skips where that takes rights that we have not."""
    folder.mkdir()
    if not call("mount", "-o", "loop", image, folder):
        pytest.skip("disk images cannot be mounted here")
    try:
        yield folder
    finally:
        call("umount", folder)


def test_what_was_written_survives(tmp_path: Path) -> None:
    image, copy = tmp_path / "disk", tmp_path / "after"
    with image.open("wb") as stream:
        stream.truncate(64 * 2**20)
    if not call("mkfs.ext4", "-q", image):
        pytest.skip("there is no mkfs.ext4 here")
    values = np.random.default_rng(0).standard_normal(10_000)
    dataset = xr.Dataset({"value": ("x", values, described("value"))})
    said = {"title": "t", "source": "s", "references": "r", "config": {}}
    with mounted(image, tmp_path / "before") as disk:
        for number in range(N_FILES):
            store.write(dataset, disk / f"results/runs/{number}/a.nc", **said)
        save({"states": torch.from_numpy(values)}, disk / "results/states/a.pt")
        write_stamp(disk / "results/code/a.txt", "code\n")
        # Neither the file system nor the disk has been told that we end.
        shutil.copyfile(image, copy)
    with mounted(copy, tmp_path / "found") as disk:
        for number in range(N_FILES):
            found = store.read(disk / f"results/runs/{number}/a.nc")
            np.testing.assert_array_equal(found["value"], values)
        (state,) = (disk / "results/states").glob("*.pt")
        np.testing.assert_array_equal(load(state)["states"], values)
        assert (disk / "results/code/a.txt").read_text() == "code\n"
