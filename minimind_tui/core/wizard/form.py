"""The settings as a form: one field each, generated from their one declaration, judged as the engine judges them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from engine.errors import UserError
from engine.language import _, current_language
from engine.settings.declaration import GROUPS, Group, declaration_of
from engine.settings.moments import parse_deadline, parse_duration
from engine.settings.network import shape_from_settings
from engine.settings.resolve import build_settings
from engine.settings.settings import SETTING_NAMES, Settings
from minimind_tui.core.wizard.texts import duration_text, split_texts, value_text

Kind = Literal["int", "float", "choice", "flag", "auto_number", "duration", "deadline", "path", "text", "texts"]

PATHS = ("data_path", "tokenizer", "save_dir", "from_weight")
"""Settings that name files or folders."""

ON, OFF = "on", "off"
_BOUNDS = {Ge: "ge", Gt: "gt", Le: "le", Lt: "lt"}


@dataclass(frozen=True)
class FieldSpec:
    """What a field is, whatever is in it. `choices` are the texts it can hold, none where anything can be typed."""

    name: str
    kind: Kind
    group: Group
    basic: bool
    unit: str
    """As it is declared, in English; `unit_word` says it."""
    choices: tuple[str, ...]
    bounds: Mapping[str, float]
    """`ge`, `gt`, `le` and `lt`, those that are declared."""

    @property
    def help(self) -> str:
        """What the setting does, in the current language."""
        return declaration_of(Settings.model_fields[self.name]).help(current_language())

    @property
    def bounds_words(self) -> str:
        """What may be typed, in words; empty where choices or nothing bound it."""
        words = _range_words(self.bounds)
        if self.kind == "auto_number":
            return _("auto, or {numbers}").format(numbers=words or _("a number"))
        if self.kind == "duration":
            return _("90s, 30m, 2h or 1h30m")
        if self.kind == "deadline":
            return _("none, 08:00 or 2026-12-01T08:00")
        if self.kind == "texts":
            return _("texts between |")
        return words


def _range_words(bounds: Mapping[str, float]) -> str:
    low = bounds.get("ge", bounds.get("gt"))
    high = bounds.get("le", bounds.get("lt"))
    low_words = "" if low is None else number_text(low)
    high_words = "" if high is None else number_text(high)
    if "ge" in bounds and "le" in bounds:
        return _("{low} to {high}").format(low=low_words, high=high_words)
    parts = []
    if low is not None:
        parts.append((_("{bound} or more") if "ge" in bounds else _("more than {bound}")).format(bound=low_words))
    if high is not None:
        parts.append((_("{bound} or less") if "le" in bounds else _("less than {bound}")).format(bound=high_words))
    return ", ".join(parts)


def number_text(value: float) -> str:
    """A bound as one reads it: `1,048,576`, `0.5`."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:g}"


def unit_word(unit: str) -> str:
    """A declared unit in the current language."""
    words = {
        "minutes": _("minutes"),
        "rows": _("rows"),
        "seconds": _("seconds"),
        "threads": _("threads"),
        "processes": _("processes"),
        "machines": _("machines"),
        "tokens": _("tokens"),
        "updates": _("updates"),
    }
    return words.get(unit, unit)


def _spec(name: str, field: FieldInfo) -> FieldSpec:
    declaration = declaration_of(field)
    kinds, metadata = _flatten(field.annotation)
    metadata += field.metadata
    words = tuple(kind for kind in kinds if isinstance(kind, str))
    before = {one.func for one in metadata if isinstance(one, BeforeValidator)}
    choices: tuple[str, ...] = ()
    kind: Kind
    if bool in kinds:
        kind, choices = ("choice", (*words, ON, OFF)) if words else ("flag", (ON, OFF))
    elif get_origin(field.annotation) is tuple:
        kind = "texts"
    elif parse_duration in before:
        kind = "duration"
    elif parse_deadline in before:
        kind = "deadline"
    elif int in kinds or float in kinds:
        kind = "auto_number" if words else "int" if int in kinds else "float"
    elif words:
        kind, choices = "choice", words
    else:
        kind = "path" if name in PATHS else "text"
    bounds = {
        key: float(getattr(one, key)) for one in metadata for bound, key in _BOUNDS.items() if isinstance(one, bound)
    }
    return FieldSpec(name, kind, declaration.group, declaration.basic, declaration.unit, choices, bounds)


def _flatten(annotation: Any) -> tuple[list[Any], list[Any]]:
    """The plain types and literal words that an annotation allows, and the metadata on the way to them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        kinds, deeper = _flatten(inner)
        flat = [part for one in metadata for part in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return kinds, deeper + flat
    if origin in (Union, UnionType):
        parts = [_flatten(part) for part in get_args(annotation)]
        return [kind for kinds, _meta in parts for kind in kinds], [one for _kinds, meta in parts for one in meta]
    if origin is Literal:
        return list(get_args(annotation)), []
    return [annotation], []


SPECS: Mapping[str, FieldSpec] = {name: _spec(name, field) for name, field in Settings.model_fields.items()}
"""Every setting's field by name, in the order of declaration."""


def names_in_order(*, basic: bool) -> list[str]:
    """The basic or the advanced settings, group by group."""
    return [name for group in GROUPS for name, spec in SPECS.items() if spec.group == group and spec.basic == basic]


def matching(query: str) -> list[str]:
    """The settings whose name or help holds what was typed, those whose name begins with it first."""
    wanted = "_".join(query.casefold().replace("-", "_").split())
    words = query.casefold().split()
    if not words:
        return []
    ranked = []
    for name, spec in SPECS.items():
        initials = "".join(word[0] for word in name.split("_"))
        if name.startswith(wanted) or initials == wanted:
            rank = 0
        elif wanted in name:
            rank = 1
        elif all(word in spec.help.casefold() for word in words):
            rank = 2
        else:
            continue
        ranked.append((rank, name))
    return [name for _rank, name in sorted(ranked, key=lambda one: one[0])]


@dataclass(frozen=True)
class FormField:
    """A field as it is now. `problem` says what is wrong with its text, empty when nothing is."""

    spec: FieldSpec
    text: str
    usual: str
    """The preset's value as text."""
    changed: bool
    problem: str


class Form:
    """Every setting with the text that stands in its field, over the values of a preset (`base`).

    A text that was not touched keeps the preset's value exactly, whatever its text can express. Nothing here raises for
    a text; `settings` does.
    """

    def __init__(self, base: Settings) -> None:
        self.base = base
        self._texts: dict[str, str] = {}
        self._judged: dict[str, tuple[Any, str]] = {}
        self._language = current_language()

    def field(self, name: str) -> FormField:
        """One field."""
        usual = text_of(name, getattr(self.base, name))
        text = self._texts.get(name, usual)
        return FormField(SPECS[name], text, usual, self.is_changed(name), self.problem(name))

    def set_text(self, name: str, text: str) -> None:
        """Write into a field."""
        if text == text_of(name, getattr(self.base, name)):
            self.reset(name)
        elif text != self._texts.get(name):
            self._texts[name] = text
            self._judged[name] = _judge(name, text)

    def set_value(self, name: str, value: Any) -> None:
        """Write a value as its text."""
        self.set_text(name, text_of(name, value))

    def reset(self, name: str) -> None:
        """Give a field its preset's value again."""
        self._texts.pop(name, None)
        self._judged.pop(name, None)

    def reset_all(self) -> None:
        """Give every field its preset's value again."""
        self._texts.clear()
        self._judged.clear()

    def over(self, base: Settings) -> "Form":
        """The same edits over another preset."""
        other = Form(base)
        for name, text in self._texts.items():
            other.set_text(name, text)
        return other

    def problem(self, name: str) -> str:
        """What is wrong with a field's text, in the current language."""
        if self._language != current_language():
            self._language = current_language()
            self._judged = {name: _judge(name, text) for name, text in self._texts.items()}
        return self._judged[name][1] if name in self._judged else ""

    @property
    def problems(self) -> dict[str, str]:
        """Every wrong field, in the order of the form."""
        return {name: self.problem(name) for name in SETTING_NAMES if self.problem(name)}

    def value(self, name: str) -> Any:
        """A field's value; the preset's where its text is wrong."""
        value, problem = self._judged.get(name, (None, "unjudged"))
        return getattr(self.base, name) if problem else value

    def is_changed(self, name: str) -> bool:
        """Whether a field says anything else than the preset; a wrong text does."""
        return bool(self.problem(name)) or self.value(name) != getattr(self.base, name)

    @property
    def changed(self) -> list[str]:
        """The changed fields, in the order of declaration."""
        return [name for name in SETTING_NAMES if name in self._texts and self.is_changed(name)]

    def settings(self) -> Settings:
        """The settings as typed. Raises UserError that lists every wrong field."""
        if self.problems:
            raise UserError("\n".join(self.problems.values()))
        return self.usable_settings()

    def usable_settings(self) -> Settings:
        """The settings as typed, with the preset's values where a text is wrong."""
        return self.base.model_copy(update={name: self.value(name) for name in self._texts})

    def shape_problem(self, vocab_size: int) -> str:
        """Why the numbers make no network; empty when they do."""
        try:
            shape_from_settings(self.usable_settings(), vocab_size)
        except UserError as error:
            return str(error)
        return ""


def text_of(name: str, value: Any) -> str:
    """A setting's value as it stands in its field."""
    return duration_text(value) if SPECS[name].kind == "duration" else value_text(value)


def raw_value(name: str, text: str) -> Any:
    """A field's text as the settings take it: what the command line would hand over."""
    if SPECS[name].kind == "texts":
        return split_texts(text)
    return text.strip()


def _judge(name: str, text: str) -> tuple[Any, str]:
    """(value, "") or (None, what is wrong, in the words of engine.settings.resolve)."""
    place = _("this form")
    try:
        return getattr(build_settings({name: raw_value(name, text)}, places={name: place}), name), ""
    except UserError as error:
        return None, str(error)
    except (ValueError, OverflowError):  # a date that no calendar of this machine holds
        expected = _("a value that this machine can hold")
        return None, _("{name} = {value} ({place}): expected {expected}.").format(
            name=name, value=text, place=place, expected=expected
        )
