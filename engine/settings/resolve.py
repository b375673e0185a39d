"""From what people wrote to `Settings`, and from pydantic's complaints to words that name the place and the way out."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.errors import UserError
from engine.language import _
from engine.settings.nearest import nearest
from engine.settings.settings import SETTING_NAMES, Settings


def build_settings(*layers: Mapping[str, Any], places: Mapping[str, str] | None = None) -> Settings:
    """Settings from layers of values, later ones winning (defaults < preset < file < flags).

    `places` says where a setting's value was written, for messages (`--learning_rate`, `mini.toml [training]`).
    Raises UserError that lists every mistake, each with its place.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values |= layer
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(_complaints(error, places or {}))) from None


def unknown_setting(name: str, place: str) -> UserError:
    """The error for a setting that does not exist, with the nearest one that does."""
    suggestion = nearest(name, SETTING_NAMES)
    message = _("Unknown setting {name} ({place}).").format(name=name, place=place)
    if suggestion:
        message += " " + _("Did you mean {suggestion}?").format(suggestion=suggestion)
    return UserError(message + " " + _("`minimind presets show full` lists all of them."))


def _complaints(error: ValidationError, places: Mapping[str, str]) -> list[str]:
    """One sentence for each wrong setting; a union's several complaints about one value become one."""
    by_setting: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_setting.setdefault(str(detail["loc"][0]), []).append(detail)
    sentences = []
    for name, details in by_setting.items():
        place = places.get(name, _("settings"))
        if details[0]["type"] == "extra_forbidden":
            sentences.append(str(unknown_setting(name, place)))
            continue
        expected = " {} ".format(_("or")).join(dict.fromkeys(_expectation(detail) for detail in details))
        sentences.append(
            _("{name} = {value} ({place}): expected {expected}.").format(
                name=name, value=details[0]["input"], place=place, expected=expected
            )
        )
    return sentences


def _expectation(detail: ErrorDetails) -> str:
    """What pydantic wanted, in words: `a whole number`, `greater than 0`, `'auto'`."""
    context = detail.get("ctx", {})
    kind = detail["type"]
    words = {
        "int_parsing": _("a whole number"),
        "int_type": _("a whole number"),
        "int_from_float": _("a whole number"),
        "float_parsing": _("a number"),
        "float_type": _("a number"),
        "finite_number": _("a finite number"),
        "bool_parsing": _("true or false (1/0, yes/no, on/off)"),
        "bool_type": _("true or false (1/0, yes/no, on/off)"),
        "string_type": _("text"),
        "tuple_type": _("a list of texts"),
    }
    if kind in words:
        return words[kind]
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "").replace(" or ", " {} ".format(_("or")))
    bounds = {
        "greater_than": ("gt", _("more than {bound}")),
        "greater_than_equal": ("ge", _("{bound} or more")),
        "less_than": ("lt", _("less than {bound}")),
        "less_than_equal": ("le", _("{bound} or less")),
        "string_too_short": ("min_length", _("at least {bound} character")),
        "string_pattern_mismatch": ("pattern", _("text that matches {bound}")),
    }
    if kind in bounds:
        key, sentence = bounds[kind]
        bound = context[key]
        return sentence.format(bound=f"{bound:g}" if isinstance(bound, float) else bound)
    if kind == "value_error":
        return str(context["error"])
    return detail["msg"]
