"""The wizard's own workspace: a short text for the shipped one, looks without a process, a trainer without torch."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from wizard_steps import write_tales

from engine.language import set_language
from engine.settings.resolve import build_settings
from minimind_tui.core.wizard.data_look import DataLook, LookRequest
from minimind_tui.core.wizard.look_process import look_into

TESTS = Path(__file__).parents[2]


class LookerHere:
    """Looks in a thread of this process, which has loaded numpy once for all tests. Keeps what it was asked."""

    asked: ClassVar[list[LookRequest]] = []
    forgotten: ClassVar[list[LookRequest]] = []
    held: ClassVar[threading.Event | None] = None
    """While set to an event that is not set, looks wait."""

    def __init__(self, on_look: Callable[[LookRequest, DataLook], None]) -> None:
        self._on_look = on_look
        self._closed = False
        self._dropped: set[LookRequest] = set()

    def want(self, request: LookRequest, *, first: bool = False) -> None:
        LookerHere.asked.append(request)
        self._dropped.discard(request)
        threading.Thread(target=self._take, args=(request,), daemon=True).start()

    def forget(self, request: LookRequest) -> None:
        LookerHere.forgotten.append(request)
        self._dropped.add(request)

    def close(self) -> None:
        self._closed = True

    def _take(self, request: LookRequest) -> None:
        if LookerHere.held is not None:
            LookerHere.held.wait(20)
        with _one_at_a_time:
            set_language(request.language)
            look = look_into(build_settings(request.asked()))
        if not self._closed and request not in self._dropped:
            self._on_look(request, look)


_one_at_a_time = threading.Lock()


@pytest.fixture(autouse=True)
def wizard_workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the smoke test's text, short, and a machine that has room."""
    write_tales(workspace / "datasets" / "mini_pretrain_data.jsonl")
    LookerHere.asked, LookerHere.forgotten, LookerHere.held = [], [], None
    monkeypatch.setattr("minimind_tui.app.screens.wizard.screen.DataLooker", LookerHere)
    monkeypatch.setattr("minimind_tui.core.wizard.foresight.free_bytes", lambda _folder: 50_000_000_000)
    monkeypatch.setenv("MINIMIND_WORKER", "fake_trainer")
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "run"))
    return workspace


@pytest.fixture
def looks() -> type[LookerHere]:
    """What looks were asked for."""
    return LookerHere
