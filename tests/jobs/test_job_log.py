"""The small pieces around the scripts: logs, devices, the points data set, saved figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regimes.datasets import points
from regimes.errors import DataError, DeviceError
from regimes.jobs import devices
from regimes.jobs.job_log import job
from regimes.jobs.memory_errors import TooLargeError
from regimes.plotting import style
from regimes.plotting.save import save
from regimes.storage.versions import git_commit, package_version


def test_job_writes_a_log(tmp_path: Path) -> None:
    with job(tmp_path / "log") as progress:
        progress("half way")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split("s  ")[1] for line in lines] == ["started", "half way", "finished"]


def test_job_turns_known_errors_into_one_line(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as caught, job(tmp_path / "log"):
        raise DataError("no such data")
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: no such data\n"
    assert (tmp_path / "log").read_text().endswith("error: no such data\n")


def test_job_keeps_the_traceback_of_defects(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), job(tmp_path / "log"):
        _ = 1 / 0
    assert "Traceback" in (tmp_path / "log").read_text()


ERRORS = {
    "gpu": TooLargeError("take a smaller width", on_gpu=True),
    "cpu": TooLargeError("take a smaller width"),
    "library": MemoryError(),
    "other programs": DeviceError("other programs hold the GPU"),
    "data": DataError("no such data"),
}


@pytest.mark.parametrize(
    ("error", "memory", "runs"),
    [
        # No memory of the machine makes the GPU larger.
        ("gpu", [1000, 2000, 3000], 1),
        ("cpu", [1000, 2000, 2000, 2000], 2),
        ("library", [1000, 1000, 2000], 2),
        ("other programs", [1000, 1000, 1000], 3),
        ("data", [1000, 1000], 2),
    ],
)
def test_an_attempt_that_would_fail_again_ends_at_once_with_the_same_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: str, memory: list[int], runs: int
) -> None:
    ran, lines = 0, set()
    for attempt, megabytes in enumerate(memory, start=1):
        resources = {"attempt": attempt, "mem_mb": megabytes}
        with pytest.raises(SystemExit), job(tmp_path / "log", resources):
            ran += 1
            raise ERRORS[error]
        lines.add(capsys.readouterr().err)
        # As Snakemake does before another attempt
        (tmp_path / "log").unlink()
    assert ran == runs and len(lines) == 1
    # The user starts it again, with another GPU say.
    with job(tmp_path / "log", {"attempt": 1, "mem_mb": 1000}):
        ran += 1
    assert ran == runs + 1


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("cuda: Optional[str] = '12.8'\nhip = None\n", True),
        ('cuda = "12.8"\n', True),
        ("cuda: Optional[str] = None\ngit_version = 'x'\n", False),
        ("__version__ = '2'\n", False),
    ],
)
def test_cuda_build_is_read_from_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, expected: bool
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "torch/version.py").write_text(version)
    spec = type("Spec", (), {"origin": str(tmp_path / "torch/__init__.py")})
    monkeypatch.setattr(devices, "find_spec", lambda _: spec)
    assert devices.torch_has_cuda() is expected


def test_device_is_taken_as_asked_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.resolve("cpu") == "cpu" and devices.resolve("cuda") == "cuda"
    monkeypatch.setattr(devices, "torch_has_cuda", lambda: True)
    monkeypatch.setattr(devices, "visible_devices", lambda: ["GPU-1"])
    assert devices.resolve("auto") == "cuda"
    monkeypatch.setattr(devices, "visible_devices", lambda: [])
    assert devices.resolve("auto") == "cpu"


def test_points_with_bias() -> None:
    settings = {"inputs": [-1.0, 2.0], "targets": [0.5, 1.5], "bias": True}
    dataset = points.build(settings)
    np.testing.assert_array_equal(dataset["inputs"], [[-1.0, 1.0], [2.0, 1.0]])
    np.testing.assert_array_equal(dataset["targets"], [0.5, 1.5])
    assert dataset["split"].values.tolist() == [0, 0]
    assert dataset["split"].attrs["flag_meanings"].split()[0] == "train"
    assert {"licence", "citation", "preprocessing"} <= set(dataset.attrs)


def test_points_with_several_features() -> None:
    settings = {"inputs": [[1.0, 2.0], [3.0, 4.0]], "targets": [0.0, 1.0], "bias": False}
    np.testing.assert_array_equal(points.build(settings)["inputs"], [[1, 2], [3, 4]])


def test_saved_figures_are_equal_files(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    def draw(name: str) -> tuple[bytes, bytes]:
        with style.publication():
            figure, axes = plt.subplots()
            axes.plot([0, 1], label="line")
            axes.legend()
            style.mark_scale(figure, "smoke")
            pdf, png = tmp_path / f"{name}.pdf", tmp_path / f"{name}.png"
            hashes = {"config_hash": "abc", "identity": "ghi", "code_hash": "def"}
            save(
                figure,
                pdf,
                png,
                title="t",
                **hashes,
                source="m",
                scale="smoke",
                measures=["a", "b"],
            )
            plt.close(figure)
        return pdf.read_bytes(), png.read_bytes()

    first = draw("a")
    assert first == draw("b")
    made_by = b"config_hash=abc code_hash=def identity=ghi source=m scale=smoke measures=a,b"
    assert made_by in first[0] and b"Date" not in first[0]
    assert all(word.split(b"=")[0] in first[1] for word in made_by.split())


def test_scale_mark_is_left_out_at_the_papers_size() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    style.mark_scale(figure, "paper")
    assert not figure.texts
    style.mark_scale(figure, "smoke")
    assert figure.texts[0].get_text() == "scale: smoke"


def test_revision_is_known() -> None:
    assert package_version()[0].isdigit()
    assert git_commit()


@pytest.mark.parametrize(
    "error",
    [MemoryError("8 TiB"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")],
)
def test_job_says_that_the_memory_did_not_suffice(tmp_path: Path, capsys, error: Exception) -> None:
    with pytest.raises(SystemExit), job(tmp_path / "log"):
        raise error
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: the memory did not suffice for the job of {tmp_path / 'log'}: ")
    assert "Traceback" in (tmp_path / "log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_log_on_a_full_disk_is_one_line(capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended, job("/dev/full"):
        pass
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: /dev/full cannot be read or written: no space is left")


def test_a_log_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit), job(tmp_path / "nowhere/log"):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'nowhere/log'} cannot be read or written")
