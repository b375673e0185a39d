"""Text of users, data and models, made harmless to a terminal."""

import unicodedata

_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c")


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


def one_line(text: str) -> str:
    """`text` as `printable`, on one line."""
    return " ".join(printable(text).split())
