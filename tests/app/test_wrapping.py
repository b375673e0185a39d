"""Chinese lines are filled, and no line begins with a comma."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from minimind_tui.app.wrapping import break_chinese_lines, divide


def lines(text: str, width: int) -> list[str]:
    places = [0, *divide(text, width), len(text)]
    return [text[begin:end].rstrip() for begin, end in pairwise(places)]


def test_a_line_is_filled_before_the_next_one_begins() -> None:
    text = "冒烟测试：用自带文本训练 200 万参数小模型，双核 CPU 约两分钟"
    assert lines(text, 36) == ["冒烟测试：用自带文本训练 200 万参数", "小模型，双核 CPU 约两分钟"]


@pytest.mark.parametrize("width", range(8, 40))
def test_no_line_begins_with_a_closing_sign_or_ends_with_an_opening_one(width: int) -> None:
    text = "它最好的朋友是一只小刺猬，名叫（白白）。“今天天气真好！”它说：“我们出去玩吧。”"
    assert all(line[0] not in "，。）！”：" and line[-1] not in "（“" for line in lines(text, width))


def test_words_and_paths_stay_whole_among_chinese() -> None:
    assert lines("保存在 /tmp/runs/one/preferences.toml 里", 30) == ["保存在", "/tmp/runs/one/preferences.toml", "里"]


def test_a_short_word_between_blanks_stays_whole() -> None:
    text = "3 个词元 · 困惑度 2.72 · 种子 123456789 · 到上限截断"
    assert lines(text, 27) == ["3 个词元 · 困惑度 2.72 ·", "种子 123456789 · 到上限截断"]


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="ab ，。（）中文字é\u0301💡-", max_size=60), st.integers(2, 30))
def test_every_line_fits_and_nothing_is_lost(text: str, width: int) -> None:
    places = divide(text, width)
    assert places == sorted(set(places)) and all(0 < place < len(text) for place in places)
    assert all(cell_len(line) <= width for line in lines(text, width))


def test_textual_breaks_its_lines_so() -> None:
    break_chinese_lines()
    wrapped = [line.plain for line in Content("模型会死记 0.2 文本，而不是学会语言。").wrap(16)]
    assert wrapped == ["模型会死记 0.2", "文本，而不是学会", "语言。"]
