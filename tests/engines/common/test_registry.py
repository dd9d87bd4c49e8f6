"""An engine is a folder: what is not its own does not name it."""

import re
from pathlib import Path

import pytest

from regimes.engines.registry import settings_classes

WORKFLOW = Path(__file__).resolve().parents[3] / "workflow"
ENGINES, PAPERS = (WORKFLOW / "regimes" / room for room in ("engines", "papers"))
ROOMS = sorted(
    path.parent.name for path in ENGINES.glob("*/settings.py") if path.parent.name != "common"
)


def test_the_engines_that_there_are() -> None:
    assert {name.partition(".")[0] for name in settings_classes()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_but_its_room_and_the_papers_names_an_engine(room: str) -> None:
    paths = [WORKFLOW.parent / "Snakefile", *WORKFLOW.rglob("*.smk"), *WORKFLOW.rglob("*.py")]
    # What others use of a room, its networks and loops, they name by its modules.
    named = re.compile(rf"(?<!regimes\.engines\.)\b{room}\b")
    for path in paths:
        if not path.is_relative_to(ENGINES / room) and not path.is_relative_to(PAPERS):
            lines = [line for line in path.read_text().splitlines() if named.search(line)]
            assert not lines, (path, lines)
