"""Sessions of training loops in tests."""

from collections.abc import Callable
from typing import Any

from regimes.engines.common.engine import MakeState, Session


class Watched(Session):
    """Goes on from a state, keeps every report and hands on every state that is offered."""

    def __init__(
        self,
        state: dict[str, Any] | None = None,
        offered: Callable[[MakeState], None] = lambda make_state: None,
    ):
        self.state = state
        self.offered = offered
        self.reports: list[Any] = []

    def offer(self, make_state: MakeState) -> None:
        self.offered(make_state)

    def report(self, make_progress: Callable[[], Any]) -> None:
        self.reports.append(make_progress())
