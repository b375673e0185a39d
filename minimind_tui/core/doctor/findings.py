"""What an examination finds: a fact, how bad it is, and the way out."""

from dataclasses import dataclass
from enum import StrEnum

from engine.language import _


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    NOTE = "note"
    """Worth knowing; nothing is lost."""
    WARNING = "warning"
    """A run works, but not as well as this machine could, or not for long."""
    PROBLEM = "problem"
    """A run would not start, or would be stopped."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `way_out` is what to do about it, empty where nothing is to be done."""

    what: str
    level: Level
    text: str
    way_out: str = ""


@dataclass(frozen=True)
class Section:
    """Findings under one title. `name` is for machines."""

    name: str
    title: str
    findings: tuple[Finding, ...]


def level_word(level: Level) -> str:
    """A level in a word."""
    return {
        Level.FINE: _("ok"),
        Level.NOTE: _("note"),
        Level.WARNING: _("warning"),
        Level.PROBLEM: _("problem"),
    }[level]


def fine(what: str, text: str) -> Finding:
    """Nothing to be done."""
    return Finding(what, Level.FINE, text)


def note(what: str, text: str, way_out: str = "") -> Finding:
    """Worth knowing."""
    return Finding(what, Level.NOTE, text, way_out)


def warning(what: str, text: str, way_out: str = "") -> Finding:
    """Something is worse than it need be."""
    return Finding(what, Level.WARNING, text, way_out)


def problem(what: str, text: str, way_out: str = "") -> Finding:
    """Something stops a run."""
    return Finding(what, Level.PROBLEM, text, way_out)
