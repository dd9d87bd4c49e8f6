"""The command `regimes` as it is called."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from regimes.tools import cli

ROOT = Path(__file__).resolve().parents[2]


def regimes(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-c", "import regimes.tools.cli as c, sys; sys.exit(c.main())"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_every_subcommand_explains_itself(capsys: pytest.CaptureFixture) -> None:
    for name in cli.SUBCOMMANDS:
        with pytest.raises(SystemExit) as caught:
            cli.main([name, "--help"])
        assert caught.value.code == 0
        # An example in the help.
        assert f"  regimes {name} " in capsys.readouterr().out


def test_the_command_is_installed() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"regimes": "regimes.tools.cli:main"}
    assert callable(cli.main)


def test_the_code_of_the_checkout_runs(tmp_path: Path) -> None:
    package = tmp_path / "workflow/regimes"
    (package / "tools").mkdir(parents=True)
    (tmp_path / "below").mkdir()
    (tmp_path / "Snakefile").touch()
    for name in ("__init__.py", "tools/cli.py"):
        (package / name).touch()
    (package / "__main__.py").write_text("import sys\nprint('other code', sys.argv[1:])\n")
    called = regimes(tmp_path / "below", "cost", "--cores", "2")
    assert called.stdout == "other code ['cost', '--cores', '2']\n"
    # Elsewhere the code at hand.
    assert "SUBCOMMAND" in regimes(Path("/"), "--help").stdout
