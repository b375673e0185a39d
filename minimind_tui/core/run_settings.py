"""The settings of many runs, read quickly: for lists and filters, not for training."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.settings.settings import SETTING_NAMES
from engine.small_file import read_small

_KNOWN = frozenset(SETTING_NAMES)
_TEXT = r'"[^"\\\x00-\x1f\x7f]*"'
_LINE = re.compile(
    r"(?:"
    r"(?P<name>[A-Za-z_][A-Za-z0-9_]*) = (?:(?P<flag>true|false)|(?P<whole>-?(?:0|[1-9][0-9]{0,17}))"
    r"|(?P<real>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<text>{_TEXT})|(?P<texts>\[(?:{_TEXT}(?:, {_TEXT})*)?\]))"
    r"|\[(?P<table>[a-z_]+)\]|)[ \t]*(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?"
)
_ONE_TEXT = re.compile(_TEXT)


def read_run_settings(path: Path) -> Mapping[str, Any] | None:
    """The settings in a run.toml by name, unvalidated; None when it cannot be read.

    A file that is written the way ours are is taken apart line by line, several times as fast as by a TOML
    parser; any other one is given to the parser.
    """
    try:
        text = read_small(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    values = quick_values(text)
    if values is None:
        try:
            document = tomllib.loads(text)
        except (ValueError, RecursionError):
            return None
        values = flattened(document)
    return {name: value for name, value in values.items() if name in _KNOWN}


def flattened(document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a document's tables, and those outside of any, by name."""
    values: dict[str, Any] = {}
    for name, value in document.items():
        values |= value if isinstance(value, dict) else {name: value}
    return values


def quick_values(text: str) -> dict[str, Any] | None:
    """What `flattened` finds in the text's tables; None when a line is not of the plain kind that ours are."""
    values: dict[str, Any] = {}
    outside: set[str] = set()
    tables: set[str] = set()
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        kind = found.lastgroup
        if kind is None:
            continue
        if kind == "table":
            if found["table"] in tables or found["table"] in outside:
                return None
            tables.add(found["table"])
            continue
        name = found["name"]
        if name in values:
            return None  # twice: in one table an error, in two a question for the parser
        if not tables:
            outside.add(name)
        values[name] = _value(kind, found[kind])
    return values


def _value(kind: str, written: str) -> Any:
    match kind:
        case "flag":
            return written == "true"
        case "whole":
            return int(written)
        case "real":
            return float(written)
        case "text":
            return written[1:-1]
    return [one[1:-1] for one in _ONE_TEXT.findall(written)]
