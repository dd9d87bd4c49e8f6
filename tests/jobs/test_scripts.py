"""What the scripts share: they read and describe files, and refuse what was not planned."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xarray as xr

from regimes.jobs import script as script_module
from regimes.jobs.script import running
from regimes.jobs.torch_script import running_with_torch
from regimes.plan.provenance import code_hash, fingerprint
from regimes.storage import store
from regimes.storage.versions import torch_version

DATASET = xr.Dataset({"value": ("x", [1.0, 2.0], {"long_name": "a value", "units": "1"})})
ROOT = "regimes.storage.grids"


@pytest.fixture
def snakemake(tmp_path: Path) -> SimpleNamespace:
    """What Snakemake gives to a script with one data file."""
    path = tmp_path / "points.nc"
    described = {"title": "t", "source": "s", "references": "r", "config": {}}
    store.write(DATASET, path, identity="d", **described)
    return SimpleNamespace(
        log=[tmp_path / "log"],
        input=SimpleNamespace(data=[path]),
        output=[tmp_path / "made.nc"],
        resources={},
        params=SimpleNamespace(
            stage={
                "rule": "measure",
                "name": "mine",
                "module": "regimes.of.it",
                "paper": "p",
                "settings": {"a": 1},
                "roots": [ROOT],
                "code": code_hash([ROOT]),
                "hash": "m",
                "inputs": {"data": {"points": "d"}},
                "torch": torch_version(),
            }
        ),
        config={
            "papers": {"p": {"citation": "P (2000)"}, "q": {"citation": "Q (2001)"}},
            "fingerprint": fingerprint(),
            "prefix": "",
            "jobs_per_gpu": 1,
        },
    )


def test_a_file_says_what_it_is(snakemake: SimpleNamespace) -> None:
    with running(snakemake) as script:
        assert script.read("data")["points"].equals(DATASET)
        assert script.citation("p", "q") == "P (2000); Q (2001)"
        script.write(DATASET, "A title")
    attributes = store.read(snakemake.output[0], identity="m").attrs
    expected = {
        "title": "A title",
        "source": "regimes.of.it",
        "references": "P (2000)",
        "config": '{"a": 1}',
        "stage": "measure",
        "name": "mine",
        "code_hash": code_hash([ROOT]),
    }
    assert attributes.items() >= expected.items()


def test_a_file_says_the_scale_that_its_settings_have(snakemake: SimpleNamespace) -> None:
    snakemake.params.stage["settings"] = {"scale": "smoke"}
    with running(snakemake) as script:
        script.write(DATASET, "A title")
    assert store.read(snakemake.output[0]).attrs["scale"] == "smoke"


def test_what_torch_computes_says_its_device(snakemake: SimpleNamespace) -> None:
    with running_with_torch(snakemake) as script:
        (data,) = script.datasets("data")
        script.write(data, "A title")
    assert store.read(snakemake.output[0]).attrs["device"] == "cpu"


def refused(snakemake: SimpleNamespace, capsys: Any) -> str:
    """The line of an error; nothing was written."""
    with pytest.raises(SystemExit), running_with_torch(snakemake) as script:
        (data,) = script.datasets("data")
        script.write(data, "A title")
    assert not Path(snakemake.output[0]).exists()
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_another_torch_is_refused(snakemake: SimpleNamespace, capsys: Any) -> None:
    snakemake.params.stage["torch"] = "0.1"
    line = refused(snakemake, capsys)
    assert "but 0.1 where the workflow was planned: use the same version" in line


def test_another_file_than_planned_is_refused(snakemake: SimpleNamespace, capsys: Any) -> None:
    snakemake.params.stage["inputs"]["data"]["points"] = "other"
    assert "points.nc is another file than planned, 't'" in refused(snakemake, capsys)


@pytest.mark.parametrize("changes", [1, 2])
def test_code_that_changes_before_or_during_the_work_is_refused(
    snakemake: SimpleNamespace, capsys: Any, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    looks = iter(["same"] * (changes - 1) + ["other"] * 9)
    monkeypatch.setattr(script_module, "fingerprint", lambda: next(looks))
    snakemake.config["fingerprint"] = "same"
    codes = iter(["other"] * 9)
    monkeypatch.setattr(script_module, "code_hash", lambda roots: next(codes))
    assert "code of regimes.of.it changed since the workflow started" in refused(snakemake, capsys)


def test_other_code_of_the_package_does_not_matter(
    snakemake: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script_module, "fingerprint", lambda: "a comment was reworded")
    with running(snakemake) as script:
        script.write(DATASET, "A title")
    store.read(snakemake.output[0], identity="m")
