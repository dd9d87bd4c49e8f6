"""The profiles: what they share, and that they cover the rules."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# `--workflow-profile` replaces profiles/default instead of adding to it.
SHARED = (
    "shared-fs-usage",
    "rerun-incomplete",
    "rerun-triggers",
    "max-checksum-file-size",
    "scheduler",
)


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text())


def rules() -> dict[str, str]:
    """The text of each rule that has jobs."""
    texts = {}
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        parts = re.split(r"^ *rule (\w+):$", path.read_text(), flags=re.M)
        texts |= dict(zip(parts[1::2], parts[2::2], strict=True))
    return texts


def test_every_profile_is_tested() -> None:
    assert {path.name for path in (ROOT / "profiles").iterdir()} == {"default", "gpu", "slurm"}


@pytest.mark.parametrize("name", ["gpu", "slurm"])
def test_profiles_repeat_the_default(name: str) -> None:
    default = profile("default")
    assert set(SHARED) == set(default) - {"resources", "quiet"}
    assert {key: profile(name).get(key) for key in SHARED} == {key: default[key] for key in SHARED}


def test_only_where_jobs_are_not_submitted_their_errors_are_left_to_the_end() -> None:
    for name in ("default", "gpu"):
        assert profile(name)["quiet"] == ["rules", "host"]
    # What Slurm says of a job that fails is part of what `rules` hides.
    assert profile("slurm")["quiet"] == ["host"]


def test_jobs_on_gpus_are_counted_on_one_machine() -> None:
    # On Slurm each has an allocation of its own.
    for name in ("default", "gpu"):
        (resource,) = profile(name)["resources"]
        assert re.fullmatch(r"gpu=\d+", resource)
    assert "resources" not in profile("slurm")


def test_slurm_asks_for_time_and_rules_for_memory() -> None:
    asked = profile("slurm")["set-resources"]
    assert set(asked) == set(rules())
    for name, text in rules().items():
        # Memory in the profile would replace what a job is estimated to need.
        assert set(asked[name]) == {"runtime"}
        assert re.search(r"mem_mb=memory\(\d+(, \"\w+\")?\),", text), name
        assert re.fullmatch(r"\d+ \* attempt", asked[name]["runtime"])


def test_retries_are_in_the_profile_alone() -> None:
    # Those of a rule would act inside the allocation, too.
    assert profile("slurm")["retries"] > 0
    assert not any("retries" in text for text in rules().values())
