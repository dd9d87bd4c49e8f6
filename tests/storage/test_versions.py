"""Which code wrote a file."""

import os
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from regimes.storage import versions


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with one commit in the place of the checkout."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for command in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "m")):
        subprocess.run(["git", "-C", folder, *command], check=True)
    monkeypatch.setattr(versions, "CHECKOUT", folder)
    for cached in (versions.git_commit, versions.package_version):
        cached.cache_clear()
    yield folder
    for cached in (versions.git_commit, versions.package_version):
        cached.cache_clear()


def test_changes_are_said(checkout: Path) -> None:
    (checkout / "new").touch()
    subprocess.run(["git", "-C", checkout, "add", "new"], check=True)
    assert re.fullmatch("[0-9a-f]{12}-dirty", versions.git_commit())


def test_somebody_else_s_repository_is_not_reported(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = checkout / "vendored"
    inside.mkdir()
    monkeypatch.setattr(versions, "CHECKOUT", inside)
    assert versions.git_commit() == "unknown"


def test_no_git_is_unknown(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert versions.git_commit() == "unknown"


def test_the_checkout_s_version_counts_before_the_installed_one(checkout: Path) -> None:
    installed = versions.package_version()
    assert installed == metadata.version("regimes")
    (checkout / "pyproject.toml").write_text('[project]\nname = "regimes"\nversion = "9.8.7"\n')
    versions.package_version.cache_clear()
    assert versions.package_version() == "9.8.7"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_commit_of_another_user_s_checkout_is_known(checkout: Path) -> None:
    for folder, _, names in os.walk(checkout):
        for path in (folder, *(Path(folder) / name for name in names)):
            os.chown(path, 12345, 12345)
    assert re.fullmatch("[0-9a-f]{12}", versions.git_commit())
