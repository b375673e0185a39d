"""What the wizard's tests share: texts to train on, the way to a step, what stands in a field."""

import json
from pathlib import Path

from screens import screen_text, until
from textual.pilot import Pilot

from engine.run.find import list_runs
from engine.run.folder import RunFolder
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.wizard.field_list import FieldList
from minimind_tui.app.screens.wizard.form_input import FormInput
from minimind_tui.app.screens.wizard.review_step import ReviewStep
from minimind_tui.app.screens.wizard.screen import WizardScreen
from minimind_tui.app.screens.wizard.step_bar import StepBar
from minimind_tui.app.texts import PlainText
from minimind_tui.core.wizard.foresight import Foresight, Step
from minimind_tui.core.wizard.form import FormField

_KEYS = {
    " ": "space",
    "_": "underscore",
    ".": "full_stop",
    "-": "minus",
    "/": "slash",
    "$": "dollar_sign",
    ":": "colon",
    "|": "vertical_line",
}
ANIMALS = ("badger", "otter", "heron", "squirrel", "fox")
PLACES = ("wood", "river", "old castle", "garden", "market")


def write_tales(path: Path, number: int = 300) -> Path:
    """A JSONL file of short, different texts."""
    lines = []
    for place in range(number):
        animal, where = ANIMALS[place % 5], PLACES[place // 5 % 5]
        text = (
            f"Tale {place}: the {animal} went to the {where}. "
            + f"It found {place * 7} nuts there and went home. " * (1 + place % 4)
        )
        lines.append(json.dumps({"text": text}))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def flat(app: MinimindApp) -> str:
    """What the screen shows as running text: lines that were broken to fit are whole again."""
    return " ".join(screen_text(app).translate(str.maketrans("│╭╮╰╯─", "      ")).split())


def command_shown(screen: WizardScreen) -> str:
    """The command that the review shows."""
    return str(screen.query_one("#command", PlainText).content)


async def until_told(pilot: Pilot[int], words: str) -> None:
    """Wait until the screen tells something, however it is broken into lines."""
    await until(pilot, lambda: words in flat(pilot.app))  # type: ignore[arg-type]


def wizard(app: MinimindApp) -> WizardScreen:
    """The wizard, which is the screen that is seen."""
    assert isinstance(app.screen, WizardScreen), app.screen
    return app.screen


async def opened(app: MinimindApp, pilot: Pilot[int]) -> WizardScreen:
    """The wizard by its key."""
    await pilot.press("f3")
    await pilot.pause()
    screen = wizard(app)
    await until(pilot, lambda: screen.pane is not None and screen.focused is not None)
    return screen


async def at_step(app: MinimindApp, pilot: Pilot[int], step: Step) -> WizardScreen:
    """Go to a step, as a click on its name does; nothing that was typed is lost by it."""
    screen = wizard(app) if isinstance(app.screen, WizardScreen) else await opened(app, pilot)
    if screen.draft.step != step:
        screen.post_message(StepBar.Picked(step))
        await until(pilot, lambda: screen.draft.step == step and screen.pane is not None)
        await pilot.pause()
    return screen


async def foreseen(pilot: Pilot[int], screen: WizardScreen) -> Foresight:
    """What the review found out, when it has."""
    await pilot.pause()
    pane = screen.pane
    assert isinstance(pane, ReviewStep)
    await until(pilot, lambda: pane.foresight is not None)
    await pilot.pause()
    assert pane.foresight is not None
    return pane.foresight


async def type_into(pilot: Pilot[int], screen: WizardScreen, selector: str, text: str) -> None:
    """Put the cursor into a field and type over what is there."""
    field = screen.query_one(selector, FormInput)
    field.focus()
    await pilot.pause()
    field.select_all()
    await pilot.press(*("delete" if not text else "backspace",), *[_key(character) for character in text])
    await pilot.pause()


async def field(pilot: Pilot[int], screen: WizardScreen, name: str, text: str) -> None:
    """Type into a setting's field, which is found by its name."""
    await pilot.press("ctrl+f")
    await pilot.press(*[_key(character) for character in name], "enter")
    fields = screen.query_one(FieldList)
    await until(pilot, lambda: screen.focused is fields and fields.setting == name)
    line = fields.line
    assert isinstance(line, FormField)
    if line.spec.choices:
        for _turn in line.spec.choices:
            if screen.draft.form.field(name).text == text:
                break
            await pilot.press("right")
            await pilot.pause()
    else:
        await pilot.press("ctrl+u", *[_key(character) for character in text])
    await pilot.pause()
    assert screen.draft.form.field(name).text == text


def runs(workspace: Path) -> list[RunFolder]:
    """The runs of the workspace."""
    return list_runs(workspace / "runs")


def _key(character: str) -> str:
    return {
        " ": "space",
        "_": "underscore",
        ".": "full_stop",
        "-": "minus",
        "/": "slash",
        "$": "dollar_sign",
        ":": "colon",
    }.get(character, character)
