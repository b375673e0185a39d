"""The application opens, moves and ends; a change of language reaches what is seen."""

from screens import running, screen_text

from engine.language import current_language


async def test_it_opens_changes_its_language_and_ends() -> None:
    async with running() as (app, pilot):
        assert "Home" in screen_text(app)
        await pilot.press("f7")
        await pilot.pause()
        assert current_language() == "zh"
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0
