"""A long text is encoded in parts: they join to the text, and begin where no token could lie across."""

from itertools import pairwise

import pytest

from engine.data.encoding import segments


@pytest.mark.parametrize("text", ["", "ab", "春" * 5000, " " * 5000, "a b " * 2000, "x" * 4999 + " y", "a  b" * 3000])
def test_segments_join_to_the_text(text: str) -> None:
    parts = list(segments(text, 1000))
    assert "".join(parts) == text
    assert all(len(part) <= 1000 for part in parts)
    assert all(parts[:-1])


def test_segments_begin_at_a_single_space_between_words() -> None:
    text = "".join(f"w{number}" + " " * (1 + number % 3) for number in range(5000)) + "end"
    for limit in range(1000, 1012):
        parts = list(segments(text, limit))
        assert len(parts) > 25
        for before, part in pairwise(parts):
            assert before[-1] != " " and part[0] == " " and part[1] != " "
