"""The preferences as a person edits them: choices with their words, numbers checked as they are typed."""

from typing import get_args

from pydantic import ValidationError

from engine.language import _
from minimind_tui.core.preferences import Marker, Preferences

NUMBERS = ("refresh_seconds", "price_per_hour", "currency")
"""The preferences that are typed."""


def language_options() -> list[tuple[str, str]]:
    """The languages with their words; each is called what its speakers call it."""
    return [("auto", _("as the system says")), ("en", "English"), ("zh", "中文")]


def marker_options() -> list[tuple[str, str]]:
    """What curves are drawn with, each with a look at it."""
    words = {
        "braille": "⡠⠔⠊⠑⠢⣀  " + _("braille, the finest"),
        "hd": "▗▞▀▚▖   " + _("blocks"),
        "dot": "•·•·•·  " + _("dots"),
        "ascii": "*+*+*+  " + _("ASCII, for any font"),
    }
    return [(marker, words[marker]) for marker in get_args(Marker)]


def typed(value: object) -> str:
    """A value as it stands in its field."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def check(preferences: Preferences, name: str, text: str) -> tuple[object | None, str]:
    """What a typed text means as a preference, and what is wrong with it: one of the two is empty."""
    value: object = text.strip()
    if name != "currency":
        try:
            value = float(text.strip().replace(",", "."))
        except ValueError:
            return None, _bounds(name)
    try:
        changed = Preferences.model_validate({**preferences.model_dump(), name: value})
    except ValidationError:
        return None, _bounds(name)
    return getattr(changed, name), ""


def _bounds(name: str) -> str:
    return {
        "refresh_seconds": _("A number of seconds between 0.25 and 60."),
        "price_per_hour": _("A price between 0 and 10,000; 0 says nothing of money."),
        "currency": _("At most four characters."),
    }[name]
