"""Values of settings as the texts that stand in fields, and lists of texts on one line."""

from decimal import Decimal
from typing import Any

_ESCAPES = {"\\": "\\\\", "|": "\\|", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MEANINGS = {"n": "\n", "t": "\t", "r": "\r"}


def value_text(value: Any) -> str:
    """A setting's value as one types it: `on`, `0.0005`, several texts between bars."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return join_texts([str(part) for part in value])
    if isinstance(value, float):
        short = f"{value:g}"
        if float(short) == value:
            return short
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def duration_text(seconds: float) -> str:
    """Seconds as one types them, exactly: `1h30m`, `45s`; `0` for none."""
    if not float(seconds).is_integer() or seconds >= 1e9 or seconds <= 0:
        return f"{Decimal(repr(float(seconds))):f}" if seconds > 0 else "0"  # a duration has no exponent
    rest, parts = int(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts)


def join_texts(texts: list[str]) -> str:
    r"""Texts on one line, ` | ` between them; within them a bar is `\|`, a line break `\n`, a blank at an end `\ `."""
    return " | ".join(map(_escaped, texts))


def split_texts(line: str) -> list[str]:
    """The texts of a line as `join_texts` writes it; empty ones are left out."""
    parts: list[list[str]] = [[]]
    kept: list[list[bool]] = [[]]
    characters = iter(line)
    for character in characters:
        if character == "|":
            parts.append([])
            kept.append([])
            continue
        escaped = character == "\\"
        if escaped:
            following = next(characters, "\\")
            character = _MEANINGS.get(following, following)
        parts[-1].append(character)
        kept[-1].append(escaped)
    texts = (_stripped(part, fixed) for part, fixed in zip(parts, kept, strict=True))
    return [text for text in texts if text]


def _escaped(text: str) -> str:
    written = "".join(_ESCAPES.get(character, character) for character in text)
    if written.startswith(" "):
        written = "\\" + written
    if written.endswith(" ") and written != "\\ ":
        written = written[:-1] + "\\ "
    return written


def _stripped(characters: list[str], fixed: list[bool]) -> str:
    """Without the blanks at both ends, but for escaped ones."""
    first, last = 0, len(characters)
    while first < last and characters[first] == " " and not fixed[first]:
        first += 1
    while last > first and characters[last - 1] == " " and not fixed[last - 1]:
        last -= 1
    return "".join(characters[first:last])
