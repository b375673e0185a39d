"""Where lines of text may be broken: also between Chinese characters, which stand without blanks between them."""

import re
from collections.abc import Iterator

import textual.content
from rich._wrap import divide_line as divide_at_blanks
from rich.cells import cell_len, get_character_cell_size

_NEVER_FIRST = frozenset("，。、；：！？）》」』】〉”’…—％·,.;:!?)]}%")
"""Signs that no line begins with."""
_NEVER_LAST = frozenset("（《「『【〈“‘([{")
"""Signs that no line ends with."""
_SHORT = 10
"""Columns of what stays whole between blanks, as a label or a number with its unit does."""
_WORDS = re.compile(r"\S+\s*|\s+")


def break_chinese_lines() -> None:
    """From now on Textual breaks all texts with `divide`: by itself it knows blanks alone, and takes a Chinese sentence
    for one long word, which it begins on a line of its own."""
    textual.content.divide_line = divide  # type: ignore[attr-defined]  # imported there, looked up at each use


def divide(text: str, width: int, fold: bool = True) -> list[int]:
    """The places in `text` at which lines of at most `width` columns begin, the first line's left out.

    Lines end at blanks and beside wide characters, with no closing sign at a line's beginning and no opening one at its
    end. Text without wide characters is left to Textual, and what must not be folded (`fold`) as well.
    """
    if not fold or text.isascii() or cell_len(text) == len(text):
        return divide_at_blanks(text, width, fold)
    places: list[int] = []
    start = used = 0
    for piece in _pieces(text):
        length = cell_len(piece.rstrip())
        if used and used + length > width:
            places.append(start)
            used = 0
        if length > width:
            for place, character in enumerate(piece, start):
                cells = get_character_cell_size(character)
                if used and used + cells > width and not character.isspace():
                    places.append(place)
                    used = 0
                used += cells
        else:
            used += cell_len(piece)
        start += len(piece)
    return places


def _pieces(text: str) -> Iterator[str]:
    """What stays on one line, with the blanks behind it."""
    for word in _WORDS.findall(text):
        if cell_len(word.rstrip()) <= _SHORT:
            yield word
            continue
        begin = 0
        for place in range(1, len(word)):
            if _may_break(word[place - 1], word[place]):
                yield word[begin:place]
                begin = place
        yield word[begin:]


def _may_break(left: str, right: str) -> bool:
    if left.isspace() or right.isspace() or left in _NEVER_LAST or right in _NEVER_FIRST:
        return False
    return get_character_cell_size(left) > 1 or get_character_cell_size(right) > 1
