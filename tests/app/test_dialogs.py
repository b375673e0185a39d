"""The dialogs: a choice by key, by focus, by escape; a text that is checked as it is typed."""

from screens import running, screen_text

from minimind_tui.app.dialogs import Choice, ChoiceDialog, TextDialog

CHOICES = [Choice("yes", "Yes [really]", "y", "primary"), Choice("no", "No", "n")]


async def _chosen(*keys: str) -> str | None:
    answers: list[str | None] = []
    async with running(size=(80, 24)) as (app, pilot):
        app.push_screen(ChoiceDialog("Sure [bold]? \\[", "One [red]line[/red]", CHOICES), answers.append)
        await pilot.pause()
        shown = screen_text(app)
        assert "Sure [bold]? \\[" in shown and "One [red]line[/red]" in shown and "Yes [really] [y]" in shown
        await pilot.press(*keys)
        await pilot.pause()
    assert len(answers) == 1
    return answers[0]


async def test_a_choice_by_its_letter() -> None:
    assert await _chosen("n") == "no"


async def test_a_choice_by_enter_and_arrows() -> None:
    assert await _chosen("enter") == "yes"
    assert await _chosen("right", "enter") == "no"


async def test_escape_chooses_nothing() -> None:
    assert await _chosen("escape") is None


async def test_a_text_is_checked_in_place_before_it_is_taken() -> None:
    answers: list[str | None] = []

    def check(text: str) -> str:
        return "" if text.isdigit() else "digits [b]only[/b]"

    async with running(size=(80, 24)) as (app, pilot):
        app.push_screen(TextDialog("Number", "How many?", value="1", check=check), answers.append)
        await pilot.pause()
        await pilot.press("end", "x", "enter")
        await pilot.pause()
        assert "digits [b]only[/b]" in screen_text(app)
        assert answers == []
        await pilot.press("backspace", "2", "enter")
        await pilot.pause()
    assert answers == ["12"]


async def test_a_text_can_be_left() -> None:
    answers: list[str | None] = []
    async with running(size=(40, 12)) as (app, pilot):
        app.push_screen(TextDialog("Number", "How many?"), answers.append)
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
    assert answers == [None]
