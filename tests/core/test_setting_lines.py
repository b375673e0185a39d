"""Changed settings typed as lines: short names, comments, and mistakes told with their line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.settings.resolve import build_settings
from minimind_tui.core.setting_lines import parse_setting_lines


def test_lines_become_values_the_engine_takes() -> None:
    lines = parse_setting_lines(
        "lr = 3e-4\n\n# a remark\nepochs 2\n--batch-size=64\npack = off\n"
        ' sample_prompts = once | 从前 \ndata="a b.jsonl"'
    )
    assert lines.problems == ()
    built = build_settings(lines.values)
    assert (built.learning_rate, built.epochs, built.batch_size, built.pack) == (3e-4, 2, 64, False)
    assert built.sample_prompts == ("once", "从前") and built.data_path == "a b.jsonl"
    assert set(lines.places) == set(lines.values)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("lr = 1\nlrr = 2", 2, "Did you mean lr?"),
        ("\nlearning_rat = 2", 2, "learning_rate"),
        ("state = 3", 1, "There is no setting state"),
        ("epochs =", 1, "wants a value"),
        ("epochs", 1, "wants a value"),
        ("lr = 1\nlearning_rate = 2", 2, "given twice"),
        ("= 3", 1, "There is no setting"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, line: int, words: str) -> None:
    ((number, problem),) = parse_setting_lines(text).problems
    assert number == line and words in problem


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80))
def test_any_text_is_values_or_problems(text: str) -> None:
    lines = parse_setting_lines(text)
    assert all(1 <= number <= len(text.splitlines()) and problem for number, problem in lines.problems)
