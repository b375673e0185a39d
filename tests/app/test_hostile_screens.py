"""Every screen over a run and data whose every text is made to act on the terminal: it is shown as it is written."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from screens import drawn, running, until
from test_themes import LookerHere
from textual.pilot import Pilot

from engine.run.schema import State
from minimind_tui import generating
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.runs.compare_screen import CompareScreen
from minimind_tui.app.screens.wizard.screen import WizardScreen
from minimind_tui.app.screens.wizard.step_bar import StepBar
from minimind_tui.core.wizard.foresight import STEPS

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))
from hostile_workspace import EVIL, MARKED, NAME, acts_on_a_terminal, make_hostile


@pytest.fixture
def hostile(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("minimind_tui.app.screens.wizard.screen.DataLooker", LookerHere)
    monkeypatch.setattr(generating, "WORKER", "fake_writer")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    make_hostile(workspace)
    make_hostile(workspace, State.STOPPED)
    return workspace


async def every_screen(app: MinimindApp, pilot: Pilot[int]) -> AsyncIterator[str]:
    """Go to each screen that shows something of a run, of data or of a preset; name it when it has settled."""

    async def settled() -> None:
        await until(pilot, lambda: app.index.caught_up and all(worker.is_finished for worker in app.screen.workers))
        await pilot.pause(0.2)

    await settled()
    yield "home"
    app.open_wizard(preset=f"p{NAME}")
    await until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.pane is not None)
    wizard = app.screen
    assert isinstance(wizard, WizardScreen)
    wizard.draft.form.set_text("data_path", f"datasets/d{NAME}.jsonl")
    for step in STEPS:
        wizard.post_message(StepBar.Picked(step))
        await until(pilot, lambda step=step: wizard.draft.step == step and wizard.pane is not None)  # type: ignore[misc]
        await pilot.pause(0.3)
        yield f"wizard, {step}"
    await pilot.press("f4")
    await settled()
    yield "runs"
    for key, name in (("slash", "filter"), ("escape", "runs again"), ("n", "note"), ("escape", ""), ("d", "deletion")):
        await pilot.press(key)
        await settled()
        if name:
            yield name
    await pilot.press("escape")
    for key, name in (("f", "fork"), ("escape", ""), ("t", "title"), ("escape", ""), ("r", "resume"), ("escape", "")):
        await pilot.press(key)
        await settled()
        if name:
            yield name
    app.action_show_runs()
    await settled()
    folders = [entry.folder for entry in app.index.entries]
    compare = CompareScreen(folders[:2])
    app.push_screen(compare)
    await until(pilot, lambda: compare.comparison is not None)
    await settled()
    yield "compare"
    app.pop_screen()
    app.open_run(folders[0])
    for key in "1234567":
        await pilot.press(key)
        await settled()
        yield f"dashboard, {key}"
    await pilot.press("question_mark")
    await settled()
    yield "help"
    await pilot.press("escape")
    app.open_playground(folders[0])
    await settled()
    yield "playground"
    app.notify(EVIL, markup=False)
    app.show_trouble(ValueError(EVIL))
    app.troubles.clear()
    await settled()
    yield "trouble"


async def test_nothing_a_text_asks_of_the_terminal_is_drawn(hostile: Path) -> None:
    faults: list[str] = []
    seen, marked = [], 0
    async with running(size=(120, 40)) as (app, pilot):
        async for name in every_screen(app, pilot):
            seen.append(name)
            for strip in drawn(app):
                text = "".join(segment.text for segment in strip)
                marked += MARKED[:10] in text
                faults += [f"{name}: {fault}" for fault in acts_on_a_terminal(text)]
                for segment in strip:
                    if segment.style is not None and (segment.style.link or segment.control):
                        faults.append(f"{name}: a link, or a control: {segment}")
        assert app.title == "minimind-tui"
    assert len(seen) > 20
    assert not faults, "\n".join(dict.fromkeys(faults))
    assert marked > 5, "markup is to be shown as it is written"
