"""Editing a line: what the keys do, and that no key leads out of the text."""

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from minimind_tui.core.wizard.line_editor import LineEditor


def edited(text: str, *deeds: tuple[str, ...]) -> tuple[str, int]:
    editor = LineEditor(text)
    for name, *arguments in deeds:
        getattr(editor, name)(*arguments)
    return editor.text, editor.cursor


def test_the_first_character_replaces_what_was_there() -> None:
    assert edited("0.004", ("insert", "1")) == ("1", 1)
    assert edited("0.004", ("insert", "1"), ("insert", "2")) == ("12", 2)
    assert edited("0.004", ("backspace",)) == ("", 0)
    assert edited("0.004", ("delete",)) == ("", 0)


def test_moving_keeps_it() -> None:
    assert edited("0.004", ("move", 1), ("insert", "2")) == ("0.0042", 6)
    assert edited("0.004", ("move", -1), ("backspace",)) == ("0.04", 3)
    assert edited("0.004", ("go", 0), ("delete",), ("insert", "1")) == ("1.004", 1)


def test_words_and_the_beginning() -> None:
    assert edited("one two three", ("move", 0), ("delete_word",)) == ("one two ", 8)
    assert edited("one two  ", ("go", 9), ("delete_word",)) == ("one ", 4)
    assert edited("one two", ("go", 4), ("delete_to_start",)) == ("two", 0)
    assert edited("one two", ("delete_word",)) == ("one ", 4)


def test_what_is_pasted_stays_on_one_line() -> None:
    assert edited("", ("insert", "a\nb\r\nc")) == ("a b c", 5)


DEEDS = st.lists(
    st.sampled_from(["backspace", "delete", "delete_word", "delete_to_start"]).map(lambda name: (name,))
    | st.tuples(st.just("insert"), st.text(max_size=5))
    | st.tuples(st.just("move"), st.integers(-9, 9))
    | st.tuples(st.just("go"), st.integers(-9, 99)),
    max_size=20,
)


@hypothesis_settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=20), deeds=DEEDS)
def test_the_cursor_stays_in_the_text(text: str, deeds: list[tuple[str, ...]]) -> None:
    result, cursor = edited(text, *deeds)
    assert 0 <= cursor <= len(result)
