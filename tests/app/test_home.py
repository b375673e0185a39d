"""Home: its panels, its keys, the smoke test, and that nothing is drawn when nothing changed."""

from pathlib import Path

import pytest
from run_material import append_steps, change_status, write_run
from screens import compare_with_snapshot, running, screen_text, until, until_shown

from engine.errors import UserError
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.dialogs import ChoiceDialog
from minimind_tui.app.screens.home import HomeList, HomeScreen


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the screen asked the application to open, instead of opening it."""
    seen: list[object] = []
    monkeypatch.setattr(MinimindApp, "open_run", lambda self, folder: seen.append(folder.id))
    monkeypatch.setattr(MinimindApp, "open_wizard", lambda self, preset=None, settings=None: seen.append(preset))
    for name in ("show_wizard", "show_runs", "show_playground", "show_preferences"):
        monkeypatch.setattr(MinimindApp, f"action_{name}", lambda self, name=name: seen.append(name))
    return seen


def some_runs(workspace: Path) -> RunFolder:
    """One that trains and a few that ended; returns the first."""
    write_run(workspace, "first", steps=160, run_id="20261123-101500-first")
    write_run(workspace, "broken", steps=60, total_steps=400, state=State.CRASHED, run_id="20261123-121500-broken")
    write_run(workspace, "halted", steps=120, total_steps=400, state=State.STOPPED, run_id="20261123-141500-halted")
    return write_run(workspace, "mini", steps=150, total_steps=600, state=State.RUNNING)


async def test_a_first_visit_explains_itself_until_something_is_begun(workspace: Path, opened: list[object]) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await until_shown(pilot, "Test CPU")
        text = screen_text(app)
        assert "Welcome" in text and "m starts the smoke test" in text and "Training does not need this window" in text
        assert "Running now" not in text and "mini " in text
        await pilot.press("n")
        await pilot.pause()
        assert opened == ["show_wizard"] and app.preferences.welcomed
    async with running(size=(80, 24)) as (app, pilot):
        assert "Welcome" not in screen_text(app) and "Nothing trains." in screen_text(app)


@pytest.mark.parametrize(
    ("key", "what"),
    [("n", "show_wizard"), ("r", "show_runs"), ("p", "show_playground"), ("s", "show_preferences")],
)
async def test_keys_lead_to_the_screens(opened: list[object], key: str, what: str) -> None:
    async with running() as (_app, pilot):
        await pilot.press(key)
        await pilot.pause()
    assert opened == [what]


async def test_enter_opens_what_is_under_the_cursor(workspace: Path, opened: list[object]) -> None:
    live = some_runs(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        assert app.focused is not None and app.focused.id == "now"
        await pilot.press("enter")
        await pilot.press("down", "down", "enter")  # out of the list at its end, into the recent runs
        await pilot.press("tab", "enter")
        await pilot.pause()
        await pilot.press("up", "up", "enter")
        await pilot.pause()
    assert opened == [live.id, "20261123-121500-broken", "mini", "20261123-141500-halted"]


async def test_the_action_of_the_palette_opens_as_well(workspace: Path, opened: list[object]) -> None:
    async with running() as (app, pilot):
        await app.run_action("open_run", app.screen)
        await pilot.pause()
    assert opened == ["mini"]


async def test_the_machine_is_told_when_the_probe_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    answered = threading.Event()

    def slow(_cache: Path) -> None:
        answered.wait(10)
        raise UserError("No [red]torch[/red] here.")

    monkeypatch.setattr("minimind_tui.app.application.probe_device", slow)
    async with running() as (app, pilot):
        assert "Probing..." in screen_text(app)
        answered.set()
        await until_shown(pilot, "No [red]torch[/red] here.")


async def test_it_follows_what_trains_and_draws_nothing_else(workspace: Path) -> None:
    live = some_runs(workspace)
    async with running(size=(120, 36)) as (app, pilot):
        await until_shown(pilot, "150/600")
        assert "25%" in screen_text(app) and "█" in screen_text(app)
        append_steps(live, 151, 300)
        change_status(live, step=300, eta_s=75.0)
        await until_shown(pilot, "300/600")
        assert "1m15s left" in screen_text(app) and "50%" in screen_text(app)
        change_status(live, state=State.FINISHED, step=600)
        await until_shown(pilot, "Nothing trains.")
        recent = app.screen.query_one("#recent", HomeList)
        assert recent.options[0].id == live.id


async def test_nothing_is_drawn_when_nothing_changed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some_runs(workspace)
    async with running() as (app, pilot):
        await until_shown(pilot, "Test CPU")
        await pilot.pause(0.3)
        drawn: list[object] = []
        for widget in app.screen.query("*"):
            monkeypatch.setattr(widget, "refresh", lambda *_a, widget=widget, **_k: drawn.append(widget))
        screen = app.screen
        assert isinstance(screen, HomeScreen)
        screen.runs_changed()
        await pilot.pause(0.1)
        assert drawn == []


async def test_m_starts_the_smoke_test_and_shows_it(
    workspace: Path, opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def start(name: str) -> RunFolder:
        made.append(name)
        return write_run(workspace, "mini", steps=1, total_steps=600, state=State.STARTING)

    monkeypatch.setattr("minimind_tui.core.quick_start.start_preset", start)
    async with running() as (app, pilot):
        await pilot.press("m")
        await until(pilot, lambda: bool(opened))
        assert app.preferences.welcomed
    assert made == ["mini"] and opened == ["20261124-031500-mini"]


async def test_m_asks_when_something_trains(
    workspace: Path, opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = some_runs(workspace)
    made: list[str] = []
    monkeypatch.setattr("minimind_tui.core.quick_start.start_preset", lambda name: made.append(name) or live)
    async with running() as (app, pilot):
        await pilot.press("m")
        await pilot.pause()
        assert isinstance(app.screen, ChoiceDialog) and live.id in screen_text(app)
        await pilot.press("c")
        await pilot.pause()
        assert (made, opened) == ([], [])
        await pilot.press("m", "o")
        await pilot.pause()
        assert (made, opened) == ([], [live.id])
        await pilot.press("m", "y")
        await until(pilot, lambda: bool(made))


@pytest.mark.parametrize("error", [UserError("The data file is gone."), RuntimeError("boom")])
async def test_a_start_that_fails_is_told_and_can_be_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_name: str) -> RunFolder:
        raise error

    monkeypatch.setattr("minimind_tui.core.quick_start.start_preset", fail)
    async with running() as (app, pilot):
        for _attempt in range(2):
            app.clear_notifications()
            await pilot.pause()
            await pilot.press("m")
            await until_shown(pilot, str(error))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", ["80x24", "120x36"])
@pytest.mark.parametrize("what", ["welcome", "runs"])
async def test_it_looks_as_it_should(
    workspace: Path, what: str, size: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimind_tui.core.home.seconds_since", lambda _moment: 7300.0)
    if what == "runs":
        some_runs(workspace)
    columns, rows = map(int, size.split("x"))
    async with running(size=(columns, rows)) as (app, pilot):
        app.change_preferences(language=language)
        await until_shown(pilot, "Test CPU")
        await until_shown(pilot, {"en": "q Quit", "zh": "q 退出"}[language])
        await pilot.pause(0.2)
        compare_with_snapshot(f"home-{what}-{size}-{language}", screen_text(app))


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24), (100, 30), (200, 60)])
async def test_any_size_works_and_a_small_one_says_so(workspace: Path, size: tuple[int, int]) -> None:
    some_runs(workspace)
    async with running(size=(120, 36)) as (app, pilot):
        await pilot.resize_terminal(*size)
        await pilot.pause(0.2)
        text = screen_text(app)
        assert "mini" in text
        assert ("80x24" in text) == (size[0] < 80 and size[0] > 30)
        if size[0] >= 80:
            assert "150/600" in text and "20261123-101500-first" in text and "Test CPU" in text
