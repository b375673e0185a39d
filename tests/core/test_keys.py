"""The table of keys: unique, explained, and without two meanings of one key on one screen."""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

import pytest

from engine.language import current_language, set_language
from minimind_tui.core.keys import Scope, key_table, keys_of, scope_title

TOGETHER: dict[str, tuple[Scope, ...]] = {
    "home": ("app", "home"),
    "wizard": ("app", "wizard"),
    "dashboard": ("app", "dashboard", "chart"),
    "runs": ("app", "runs"),
    "compare": ("app", "compare", "chart"),
    "playground": ("app", "playground"),
    "preferences": ("app", "preferences"),
}
"""Scopes whose keys are live at once on a screen."""


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    before = current_language()
    set_language(request.param)
    yield request.param
    set_language(before)


def test_ids_are_unique() -> None:
    assert [one for one, count in Counter(key.id for key in key_table()).items() if count > 1] == []


def test_every_scope_has_keys_and_a_title() -> None:
    for scope in get_args(Scope):
        assert keys_of(scope), scope
        assert scope_title(scope)


@pytest.mark.parametrize("screen", TOGETHER)
def test_a_key_means_one_thing_on_a_screen(screen: str) -> None:
    pressed = [(name, key.id) for scope in TOGETHER[screen] for key in keys_of(scope) for name in key.keys.split(",")]
    taken: dict[str, str] = {}
    clashes = [(name, taken[name], id_) for name, id_ in pressed if taken.setdefault(name, id_) != id_]
    assert clashes == []


def test_every_key_is_explained(language: str) -> None:
    for key in key_table():
        assert key.label.strip() and key.help.strip(), key.id
        assert not key.help.endswith("."), key.id
