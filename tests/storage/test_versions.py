"""Which code wrote a file."""

import os
import subprocess
from pathlib import Path

import pytest

from regimes.storage import versions


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_the_commit_of_somebody_else_s_checkout_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "their checkout"
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    for command in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "m")):
        checkout.mkdir(exist_ok=True)
        subprocess.run(["git", "-C", checkout, *command], check=True)
    for folder, _, names in os.walk(checkout):
        for path in (folder, *(Path(folder) / name for name in names)):
            os.chown(path, 12345, 12345)
    monkeypatch.setattr(versions, "CHECKOUT", checkout)
    versions.git_commit.cache_clear()
    try:
        assert len(versions.git_commit()) == 12
    finally:
        versions.git_commit.cache_clear()
