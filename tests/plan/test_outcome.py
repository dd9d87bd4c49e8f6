"""What the console says when a run of the workflow has ended."""

from pathlib import Path

from regimes.claims.core import Claim, Finding, at_least, evaluate
from regimes.plan.outcome import LAST_LINES, failed, last_lines, made, verdicts
from regimes.storage import store

OUT = Path("/somewhere/out")


def test_few_files_are_named_by_their_main_form() -> None:
    files = ["figures/b.png", "figures/b.pdf", "figures/a/table.csv", "results/claims/x.nc"]
    assert made(files, OUT, OUT) == "made: figures/a/table.csv, figures/b.pdf, results/claims/x.nc"


def test_many_files_are_counted_by_folder() -> None:
    files = [f"figures/{n}.{suffix}" for n in range(12) for suffix in ("png", "pdf")]
    files += [f"results/measures/{n}.nc" for n in range(7)]
    assert made([*files, "results/explorer.html"], OUT, OUT.parent) == (
        "made: 12 figures in out/figures/, measures of 7 experiments in out/results/measures/, "
        "out/results/explorer.html"
    )


def test_verdicts_are_counted(tmp_path: Path) -> None:
    claim = Claim("X1", "s", "", at_least(1.0, "r"), "here", (), lambda _: Finding(2.0))
    described = {"title": "t", "source": "s", "references": "r", "config": {}}
    for name in ("results/claims.nc", "results/claims/luo2021.nc"):
        store.write(evaluate([claim], {}, "smoke"), tmp_path / name, **described)
    one = "claims: 1 findings and theorems: 1 reproduced (results/claims/luo2021.nc)"
    assert list(verdicts(["results/claims/luo2021.nc", "figures/a.pdf"], tmp_path)) == [one]
    both = list(verdicts(["results/claims/luo2021.nc", "results/claims.nc"], tmp_path))
    assert both[0] == one.replace("/luo2021", "")
    assert both[1].startswith("report: snakemake --report")
    assert list(verdicts(["figures/a.pdf"], tmp_path)) == []


def test_paths_that_the_start_does_not_lead_to_are_whole() -> None:
    files = ["results/explorer.html"]
    assert made(files, OUT, Path("/elsewhere")) == "made: /somewhere/out/results/explorer.html"


def test_failed_jobs_are_named_with_the_last_lines_of_their_logs(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("started\nerror: no such column\n")
    jobs = [
        ("train", ["results/runs/a.nc"], ["a.log"]),
        ("data", ["results/data/b.nc"], ["b.log"]),
    ]
    assert list(failed(jobs, tmp_path, tmp_path)) == [
        "failed: 2 jobs",
        "  data: results/data/b.nc",
        "  log: b.log, which is empty",
        "  train: results/runs/a.nc",
        "  log: a.log",
        "    started",
        "    error: no such column",
    ]


def test_not_all_of_many_failed_jobs_are_named(tmp_path: Path) -> None:
    jobs = [("train", [f"{n}.nc"], []) for n in range(9)]
    lines = list(failed(jobs, tmp_path, tmp_path))
    assert lines[0] == "failed: 9 jobs" and lines[-1] == "  and 4 more" and len(lines) == 7


def test_of_a_traceback_its_last_line_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    steps = "".join(f"step {n}\n" for n in range(20))
    log.write_text(f"{steps}Traceback (most recent call last):\n  File x\nOSError: full\n")
    lines = last_lines(log)
    assert lines[-2:] == ["step 19", "OSError: full"] and len(lines) == LAST_LINES
