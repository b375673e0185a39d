"""Styles are parsed once for a theme's colours, whichever screens come."""

import inspect
from collections import Counter
from typing import Any

import pytest
from screens import running, until
from textual.css import stylesheet
from textual.css.errors import UnresolvedVariableError
from textual.css.stylesheet import Stylesheet

from minimind_tui.app.stylesheets import LastingStylesheet


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How often each source was parsed."""
    counts: Counter[Any] = Counter()
    original = stylesheet.parse

    def parse(scope: str, css: str, read_from: Any, *rest: Any, **others: Any) -> Any:
        counts[read_from] += 1
        return original(scope, css, read_from, *rest, **others)

    monkeypatch.setattr(stylesheet, "parse", parse)
    own = inspect.unwrap(Stylesheet._parse_rules)  # these tests otherwise share what is parsed
    monkeypatch.setattr(Stylesheet, "_parse_rules", own)
    return counts


async def test_a_new_screen_parses_only_its_own_styles(parsed: Counter[Any]) -> None:
    async with running() as (app, pilot):
        known = set(app.stylesheet.source)
        parsed.clear()
        for key in ("f6", "escape", "question_mark", "escape"):
            await pilot.press(key)
        await until(pilot, lambda: any("help.tcss" in path for path, _class in parsed))
        assert any("preferences.tcss" in path for path, _class in parsed)
        assert not known & set(parsed)
        assert max(parsed.values()) == 1


async def test_another_theme_colours_a_screen_that_is_there(parsed: Counter[Any]) -> None:
    async with running() as (app, pilot):
        before = app.screen.styles.background
        parsed.clear()
        app.theme = "minimind-light"
        await until(pilot, lambda: app.screen.styles.background != before)
        assert set(parsed) == set(app.stylesheet.source)


def test_styles_that_cannot_be_parsed_leave_those_that_hold() -> None:
    sheet = LastingStylesheet(variables={"ink": "red"})
    sheet.add_source("Static { color: $ink; }", read_from=("good.tcss", ""))
    sheet.parse()
    good = list(sheet.rules)
    sheet.add_source("Static { color: $none; }", read_from=("bad.tcss", ""))
    with pytest.raises(UnresolvedVariableError):
        sheet.reparse()
    assert sheet._rules == good
