"""A run's trouble is told once: as the happening it was, or as a notice when nothing else said it."""

import pytest

from engine.run.observe import Observation
from engine.run.schema import State, Status
from minimind_tui.cli.follow import follow
from minimind_tui.cli.follow.feed import News
from minimind_tui.cli.follow.interrupts import Interrupts


class FakeFeed:
    folder = None

    def __init__(self, looks: list[News]) -> None:
        self._looks = iter(looks)

    def look(self) -> News:
        return next(self._looks)


class FakeDisplay:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def show(self, news: News) -> None: ...
    def notice(self, message: str) -> None:
        self.notices.append(message)

    def end(self, summary: object) -> None: ...


def look(state: State, message: str | None, *events: dict[str, object]) -> News:
    status = Status(attempt=1, step=1, state=state, message=message)
    return News(Observation(state, message or "", "", status), [], list(events))


@pytest.mark.parametrize(("told_as_event", "notices"), [(True, []), (False, ["The disk is full."])])
def test_trouble_is_told_once(monkeypatch, told_as_event, notices):
    event = {"kind": "checkpoint_failed", "message": "The disk is full."}
    looks = [
        look(State.RUNNING, "The disk is full.", *([event] if told_as_event else [])),
        look(State.RUNNING, "The disk is full."),
        look(State.FAILED, "The disk is full."),
    ]
    monkeypatch.setattr(follow, "LOOKS_A_SECOND", 1000)
    monkeypatch.setattr(follow, "summarise", lambda *_: type("Summary", (), {"exit_code": 1}))
    display = FakeDisplay()
    assert follow._follow(FakeFeed(looks), display, Interrupts(), interrupt_stops=True) == 1
    assert display.notices == notices
