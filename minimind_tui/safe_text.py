"""Text of users, data and models, made harmless to a terminal."""

import json
import re
import unicodedata
from typing import Any

_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c")

_ACTS = re.compile("[\x7f-\x9f\ud800-\udfff" + "".join(sorted(_BIDI_CONTROLS)) + "]")
"""What JSON leaves as it is although a terminal may act on it, or cannot be written at all."""


def printable(text: str) -> str:
    """`text` without what could move the cursor, recolour the screen or reorder what is read.

    Text from data, samples and names passes through here before it reaches a terminal. Newlines and tabs stay.
    """
    if text.isprintable():  # nothing of category C, nor any separator but the blank: most texts by far
        return text
    return "".join(
        character
        for character in text
        if character in "\n\t"
        or (unicodedata.category(character) not in ("Cc", "Cs") and character not in _BIDI_CONTROLS)
    )


def json_text(value: Any) -> str:
    """`value` as JSON on one line for a program to read, and harmless where a person sees it: other than in `printable`
    nothing is lost, what could act on a terminal is written as `\\u009b`.
    """
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def one_line(text: str) -> str:
    """`text` as `printable`, on one line."""
    return " ".join(printable(text).split())
