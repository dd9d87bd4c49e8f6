"""What the scripts share: they read and describe files, and refuse what was not planned."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xarray as xr

from regimes.jobs.script import running
from regimes.jobs.torch_script import running_with_torch
from regimes.storage import store
from regimes.storage.versions import torch_version

DATASET = xr.Dataset({"value": ("x", [1.0, 2.0], {"long_name": "a value", "units": "1"})})


@pytest.fixture
def snakemake(tmp_path: Path) -> SimpleNamespace:
    """What Snakemake gives to a script with one data file."""
    path = tmp_path / "points.nc"
    described = {"title": "t", "source": "s", "references": "r", "config": {}}
    store.write(DATASET.assign_attrs(data_hash="d"), path, **described)
    return SimpleNamespace(
        log=[tmp_path / "log"],
        input=SimpleNamespace(data=[path]),
        output=[tmp_path / "made.nc"],
        resources={},
        params=SimpleNamespace(
            module="regimes.of.it", paper="p", settings={"a": 1}, code="c", torch=torch_version()
        ),
        config={"papers": {"p": {"citation": "P (2000)"}, "q": {"citation": "Q (2001)"}}},
    )


def test_a_file_is_described_by_the_parameters(snakemake: SimpleNamespace) -> None:
    with running(snakemake) as script:
        assert script.read("data")["points"].equals(DATASET)
        assert script.citation("p", "q") == "P (2000); Q (2001)"
        script.write(DATASET, "A title", code_hash="c")
    attributes = store.read(snakemake.output[0]).attrs
    expected = {"title": "A title", "source": "regimes.of.it", "references": "P (2000)"}
    assert attributes.items() >= (expected | {"config": '{"a": 1}', "code_hash": "c"}).items()


def test_what_torch_computes_says_its_device_and_code(snakemake: SimpleNamespace) -> None:
    with running_with_torch(snakemake, lambda: "c") as script:
        (data,) = script.read_data("data", ["d"])
        script.write(data, "A title")
    attributes = store.read(snakemake.output[0]).attrs
    assert (attributes["device"], attributes["code_hash"]) == ("cpu", "c")


@pytest.mark.parametrize(
    ("torch", "codes", "data_hash", "message"),
    [
        ("0.1", ["c", "c"], "d", "but 0.1 where the workflow was planned: use the same version"),
        (torch_version(), ["x", "c"], "d", "code of regimes.of.it changed since"),
        (torch_version(), ["c", "x"], "d", "code of regimes.of.it changed since"),
        (torch_version(), ["c", "c"], "other", "points.nc is not the data set of this config"),
    ],
)
def test_what_was_not_planned_is_refused(
    snakemake: SimpleNamespace, capsys: Any, torch: str, codes: list, data_hash: str, message: str
) -> None:
    snakemake.params.torch = torch
    code = iter(codes)
    with pytest.raises(SystemExit), running_with_torch(snakemake, lambda: next(code)) as script:
        (data,) = script.read_data("data", [data_hash])
        script.write(data, "A title")
    assert message in capsys.readouterr().err
    assert not Path(snakemake.output[0]).exists()
