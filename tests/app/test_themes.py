"""Every screen in every kind of theme: text, borders and pictures stand out from what is behind them, measured."""

import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.color import ColorType
from rich.style import Style
from run_material import write_run
from screens import running, until, until_shown
from textual.color import Color
from textual.geometry import Region
from textual.pilot import Pilot
from textual.theme import BUILTIN_THEMES, Theme

from engine.run.schema import State
from engine.settings.resolve import build_settings
from minimind_tui import generating
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.runs.compare_screen import CompareScreen
from minimind_tui.app.screens.wizard.screen import WizardScreen
from minimind_tui.app.screens.wizard.step_bar import StepBar
from minimind_tui.app.themes import OURS, contrast, variables_of
from minimind_tui.core.wizard.data_look import DataLook, LookRequest
from minimind_tui.core.wizard.foresight import STEPS
from minimind_tui.core.wizard.look_process import look_into

LINES = frozenset(map(chr, range(0x2500, 0x2580)))
"""Borders and lines."""
PICTURES = frozenset(map(chr, [*range(0x2580, 0x25A0), *range(0x2800, 0x2900)]))
"""Blocks and braille: charts, bars, edges."""
LEAST = {"text": 3.0, "line": 1.3, "picture": 1.3}
"""The least contrast of each kind. A white line on a nearly white ground has 1.06."""
LISTS = {"experts": (4, 4), "starving": [(3, 1)], "ranks": 2, "slow_rank": 1}
"""What the live run tells of experts and ranks."""
EMPTIEST = 15
"""Pieces on the emptiest screen, and more."""
RICHEST = ("home", "wizard, review", "compare", "dashboard, failed")
"""Screens that are measured in some of Textual's themes too: those of the least contrast."""
CHOSEN = ("home", "wizard, preset", "wizard, settings", "runs", "preferences", "dialog", "palette")
QUIET = ("home", "wizard, data", "wizard, settings", "runs", "compare", "dashboard, 1", "help", "playground")
FOCUSED = ("home", "wizard, preset", "compare", "preferences", "playground", "runs")
"""Screens with something that is chosen, something that matters less, a panel that has the focus."""
ABOVE = "#dialog, #help, #chooser, CommandInput, CommandList"
"""What of a screen above another is measured; the screen below is faint on purpose."""


@dataclass(frozen=True)
class Cells:
    """A piece of a line in one style."""

    screen: str
    text: str
    style: Style
    x: int
    y: int


class LookerHere:
    """Looks into texts at once, in a thread of this process."""

    def __init__(self, on_look: Callable[[LookRequest, DataLook], None]) -> None:
        self._on_look = on_look

    def want(self, request: LookRequest, *, first: bool = False) -> None:
        threading.Thread(target=self._take, args=(request,), daemon=True).start()

    def _take(self, request: LookRequest) -> None:
        self._on_look(request, look_into(build_settings(request.asked())))

    def forget(self, request: LookRequest) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def furnished(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with runs of several states and a text; what would start a process is answered here."""
    monkeypatch.setattr("minimind_tui.app.screens.wizard.screen.DataLooker", LookerHere)
    monkeypatch.setattr(generating, "WORKER", "fake_writer")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    text = workspace / "datasets" / "mini_pretrain_data.jsonl"
    text.parent.mkdir()
    text.write_text("".join(json.dumps({"text": f"Tale {n} of a fox. " * 4}) + "\n" for n in range(60)))
    write_run(workspace, "done", run_id="20261124-031501-done", steps=200, nan_steps=(90,))
    write_run(workspace, "failed", run_id="20261124-031502-failed", steps=120, state=State.FAILED)
    write_run(workspace, "paused", run_id="20261124-031503-paused", steps=60, state=State.PAUSED)
    write_run(workspace, "live", run_id="20261124-031504-live", steps=150, state=State.RUNNING, **LISTS)
    return workspace


async def every_screen(app: MinimindApp, pilot: Pilot[int]) -> AsyncIterator[str]:
    """Go to each screen, and name it when it shows what it has."""
    await until_shown(pilot, "Test CPU")
    yield "home"
    await pilot.press("f3")
    await until(pilot, lambda: isinstance(app.screen, WizardScreen) and app.screen.pane is not None)
    wizard = app.screen
    assert isinstance(wizard, WizardScreen)
    for step in STEPS:
        wizard.post_message(StepBar.Picked(step))
        await until(pilot, lambda step=step: wizard.draft.step == step and wizard.pane is not None)  # type: ignore[misc]
        await until(pilot, lambda: wizard.draft.look() is not None)
        if step == "settings":
            wizard.draft.form.set_text("epochs", "0")
        if step == "review":
            await until_shown(pilot, "Not ready")
        await pilot.pause()
        yield f"wizard, {step}"
    await pilot.press("f4")
    await until_shown(pilot, "Checkpoints")
    await until(pilot, lambda: app.index.caught_up and all(w.is_finished for w in app.screen.workers))
    yield "runs"
    compare = CompareScreen([entry.folder for entry in app.index.entries[:2]])
    app.push_screen(compare)
    await until(pilot, lambda: compare.comparison is not None)
    await until_shown(pilot, "Settings that differ")
    yield "compare"
    app.pop_screen()
    live = next(iter(app.index.live)).folder
    app.open_run(live)
    await until_shown(pilot, "Grad norm")
    for key, words in (
        ("1", "Tokens/s"),
        ("2", "little fox"),
        ("3", "checkpoint"),
        ("4", "hidden_size"),
        ("5", "Test CPU"),
        ("6", "Starving"),
        ("7", "slowest"),
    ):
        await pilot.press(key)
        await until_shown(pilot, words)
        yield f"dashboard, {key}"
    app.open_run(next(e.folder for e in app.index.entries if e.seen.state is State.FAILED))
    await until_shown(pilot, "not a number")
    yield "dashboard, failed"
    await pilot.press("question_mark")
    await until_shown(pilot, "The end of trainer.log")
    yield "help"
    await pilot.press("escape", "f6")
    await until_shown(pilot, "braille")
    yield "preferences"
    await pilot.press("escape", "q")
    await until_shown(pilot, "Training does not")
    yield "dialog"
    await pilot.press("escape", "ctrl+p")
    await until_shown(pilot, "Along steps, tokens or time")
    yield "palette"
    await pilot.press("escape", "f5")
    await pilot.press(*"Once", "enter")
    await until_shown(pilot, "perplexity")
    yield "playground"


def cells_of(app: MinimindApp, name: str) -> list[Cells]:
    """The pieces of the screen that is seen, without what is below a dialog."""
    above = [widget.region for widget in app.screen.query(ABOVE)] or [Region(0, 0, *app.size)]
    found = []
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        x = 0
        for segment in strip:
            if segment.text.strip() and any(region.contains(x, y) for region in above):
                found.append(Cells(name, segment.text.strip(), segment.style or Style(), x, y))
            x += cell_len(segment.text)
    return found


def kind_of(text: str) -> str:
    """What a piece is made of."""
    signs = set(text) - {" "}
    return "line" if signs <= LINES else "picture" if signs <= PICTURES | LINES else "text"


def too_faint(cells: Cells) -> str:
    """What is wrong with a piece in a truecolour theme; empty when nothing is."""
    style, kind = cells.style, kind_of(cells.text)
    if style.color is None or style.bgcolor is None or style.color.triplet is None or style.bgcolor.triplet is None:
        return f"{cells}: no colours of the theme"
    front, back = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    found = contrast(front, back)
    return "" if found >= LEAST[kind] else f"{found:.2f} for {kind} {cells.text!r} at {cells.x}, {cells.y}: {style}"


@pytest.mark.parametrize(
    ("theme", "others"),
    [("minimind-light", ()), ("minimind-dark", ("solarized-light", "atom-one-dark", "textual-light"))],
)
async def test_everything_stands_out(furnished: Path, theme: str, others: tuple[str, ...]) -> None:
    faults: list[str] = []
    names = []
    async with running(size=(120, 40)) as (app, pilot):
        app.theme = theme
        await pilot.pause()
        async for name in every_screen(app, pilot):
            names.append(name)
            for shown in (theme, *others) if name in RICHEST else (theme,):
                if app.theme != shown:
                    app.theme = shown
                    await pilot.pause()
                cells = cells_of(app, name)
                assert len(cells) > EMPTIEST, name
                faults += [f"{shown}, {name}: {fault}" for piece in cells if (fault := too_faint(piece))]
            app.theme = theme
    assert len(set(names)) == 20
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("theme", ["ansi-light", "no colour"])
async def test_a_terminal_keeps_its_own_colours(furnished: Path, monkeypatch: pytest.MonkeyPatch, theme: str) -> None:
    """And has none where NO_COLOR asks for that: what is faint, chosen, focused is told in other ways."""
    colourless = theme == "no colour"
    if colourless:
        monkeypatch.setenv("NO_COLOR", "1")
    allowed = {ColorType.DEFAULT} if colourless else {ColorType.DEFAULT, ColorType.STANDARD}
    async with running(size=(120, 40)) as (app, pilot):
        app.theme = "minimind-light" if colourless else theme
        await pilot.pause()
        async for name in every_screen(app, pilot):
            cells = cells_of(app, name)
            assert len(cells) > EMPTIEST, name
            for piece in cells:
                colours = [colour for colour in (piece.style.color, piece.style.bgcolor) if colour is not None]
                assert {colour.type for colour in colours} <= allowed, piece
                assert len(colours) < 2 or colours[0] != colours[1] or colours[0].is_default, piece
            if name in CHOSEN:
                assert any(piece.style.reverse for piece in cells), f"{name}: what is chosen is not told"
            if name in QUIET:
                assert any(piece.style.dim for piece in cells), f"{name}: nothing matters less"
            if colourless and name in FOCUSED:
                assert any("┏" in piece.text for piece in cells), f"{name}: where the focus is, is not told"


@pytest.mark.parametrize("theme", [*OURS, *BUILTIN_THEMES.values()], ids=lambda theme: theme.name)
def test_the_colours_of_every_theme_are_made_to_be_seen(theme: Theme) -> None:
    variables = variables_of(theme, theme.to_color_system().generate())
    if theme.ansi:
        assert variables["border-blurred"] == "ansi_default" and "dim" in variables["quiet"]
        return
    ground, surface = Color.parse(variables["background"]), Color.parse(variables["surface"])
    for behind in (
        ground,
        surface,
        ground + Color.parse(variables["panel"]),
        ground + Color.parse(variables["cursor"]),
    ):
        assert contrast(Color.parse(variables["quiet"]), behind) >= 3.0
        for name in ("primary", "secondary", "accent", "success", "warning", "error"):
            assert contrast(Color.parse(variables[f"text-{name}"]), behind) >= 3.5, name
    for behind in (ground, surface):
        assert 1.5 <= contrast(Color.parse(variables["border-blurred"]), behind) <= 4, "calm"
