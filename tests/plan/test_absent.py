"""Data sets that cannot be had stop nothing but what needs them."""

import json
import socket

import pytest

from regimes.config.load import load
from regimes.plan import absent
from regimes.plan.plan import Plan
from regimes.storage.versions import CHECKOUT

CIFAR10 = ("cifar10_images", "cifar10_features")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Nothing in a mirror or in the cache, and no network."""
    for variable in (absent.VARIABLE, "REGIMES_DATA", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("REGIMES_CACHE", str(tmp_path / "cache"))

    def no_name(*_):
        raise socket.gaierror

    monkeypatch.setattr(absent.socket, "getaddrinfo", no_name)
    return tmp_path


def config(**changes):
    return load(CHECKOUT / "config.yaml", changes)


def test_what_needs_absent_data_is_left_out_and_nothing_else(nowhere):
    whole = Plan.from_config(config())
    left = absent.without_absent(config(), nowhere)
    plan = Plan.from_config(left)
    gone = {"caron2023_cifar10", "caron2023_cifar10_gamma"}
    assert set(whole.measures) - set(plan.measures) == gone
    assert set(whole.figures) - set(plan.figures) == {
        "caron2023/fig04_cifar10",
        "caron2023/fig11_cifar10_gamma",
    }
    # The others' jobs keep their names; figures of all papers show the others.
    assert all(whole.jobs[name].path == job.path for name, job in plan.jobs.items())
    assert not gone & set(plan.figures["atlas"].inputs)
    assert list(absent.left_out(plan.left_out)) == [
        "left out: caron2023/fig04_cifar10, caron2023/fig11_cifar10_gamma and 2 more; "
        f"cifar10/cifar-10-python.tar.gz {absent.NOWHERE}"
    ]
    assert set(json.loads(absent.absent_text(config(), nowhere))) == set(CIFAR10)


@pytest.mark.parametrize("there", ["cache", "made", "network", "mirror"])
def test_what_can_be_had_stays(nowhere, monkeypatch, there):
    if there == "cache":
        (nowhere / "cache/cifar10").mkdir(parents=True)
        (nowhere / "cache/cifar10/cifar-10-python.tar.gz").write_bytes(b"it")
    elif there == "made":
        (nowhere / "results/data").mkdir(parents=True)
        for name in CIFAR10:
            (nowhere / f"results/data/{name}.nc").write_bytes(b"it")
    elif there == "network":
        monkeypatch.setattr(absent.socket, "getaddrinfo", lambda *_: ["an address"])
    else:
        (nowhere / "mirror/cifar10").mkdir(parents=True)
        (nowhere / "mirror/cifar10/labels.csv.gz").write_bytes(b"it")
    mirror = {"data_mirror": str(nowhere / "mirror")} if there == "mirror" else {}
    monkeypatch.setattr(absent, "find_spec", lambda _: True)
    assert absent.absent_data(config(**mirror), nowhere) == {}


def test_a_missing_package_is_named(nowhere, monkeypatch):
    monkeypatch.setattr(absent.socket, "getaddrinfo", lambda *_: ["an address"])
    monkeypatch.setattr(absent, "find_spec", lambda _: None)
    found = absent.absent_data(config(), nowhere)
    assert found == {"cifar10_features": f"backbone efficientnet_lite0 {absent.NO_PACKAGE}"}


def test_jobs_plan_what_was_planned(nowhere, monkeypatch):
    monkeypatch.setenv(absent.VARIABLE, "{}")
    assert "caron2023_cifar10" in absent.without_absent(config(), nowhere).experiments
