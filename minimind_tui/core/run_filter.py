"""The filter of the runs browser: words and conditions, all of which have to hold.

    lr>=1e-3 moe=1 state=crashed mini

A condition is a fact or setting, one of = != < <= > >= ~ (contains), and a value; several values of = and != are
separated by commas, `none` means that there is none. Anything else is text to be found in the run's id, title, note,
preset or state. A minus before either means: not. Quotation marks keep blanks and operators within a text.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.language import _
from engine.settings.moments import parse_duration
from engine.settings.nearest import nearest
from minimind_tui.core.run_facts import Fact, RunRow, Value, find_fact, known_names, parse_quantity
from minimind_tui.words import state_word

NONE = "none"
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
_MEASURED = frozenset({"number", "share", "duration", "bytes"})
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# An input method for Chinese types these.
_HALF_WIDTH = str.maketrans("＝！＜＞～，＂“”\u3000－≤≥≠", '=!<>~,""" -≤≥≠')
_SIGNS = {"≤": "<=", "≥": ">=", "≠": "!=", "==": "="}

_CONDITION = re.compile(r"(?P<name>\w[\w.-]*)\s*(?P<sign>!=|<=|>=|==|[=<>~≤≥≠])\s*(?P<value>(?:\"[^\"]*\"?|[^\s\"])*)")
_TEXT = re.compile(r"(?:\"[^\"]*\"?|[^\s\"])+")
_BLANK = re.compile(r"\s+")


class FilterError(ValueError):
    """A filter that cannot be understood, in words; `start` and `end` bound the part of the text that is meant."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start, self.end = start, end


@dataclass(frozen=True)
class Term:
    """One part of a filter: whether a run fits, and what has to be known of it for that."""

    fits: Callable[[RunRow], bool]
    fact: Fact | None = None
    negated: bool = False

    def matches(self, row: RunRow) -> bool:
        """Whether a run fits. What has not been read yet fits nothing."""
        return is_known(row, self.fact) and self.fits(row) is not self.negated


@dataclass(frozen=True)
class RunFilter:
    """A filter that was understood. The empty one lets every run through."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    def matches(self, row: RunRow) -> bool:
        """Whether a run goes through."""
        return all(term.matches(row) for term in self.terms)

    def waits_for(self, row: RunRow) -> bool:
        """Whether something the filter asks for has not been read of the run yet."""
        return any(not is_known(row, term.fact) for term in self.terms)


def is_known(row: RunRow, fact: Fact | None) -> bool:
    """Whether everything a fact needs has been read of a run."""
    if fact is None:
        return True
    return not ((fact.is_setting and row.settings is None) or (fact.name == "size" and row.size is None))


def parse_filter(text: str) -> RunFilter:
    """A filter from what was typed. Raises FilterError."""
    plain = text.translate(_HALF_WIDTH)
    terms: list[Term] = []
    position = 0
    while position < len(plain):
        blank = _BLANK.match(plain, position)
        if blank is not None:
            position = blank.end()
            continue
        negated = plain[position] in "-!" and position + 1 < len(plain) and not plain[position + 1].isspace()
        position += negated
        condition = _CONDITION.match(plain, position)
        if condition is not None:
            terms.append(_condition(condition, negated))
            position = condition.end()
            continue
        found = _TEXT.match(plain, position)
        assert found is not None  # there is something other than a blank
        terms.append(_words(_unquoted(found[0]), negated))
        position = found.end()
    return RunFilter(text, tuple(terms))


def haystack(row: RunRow) -> str:
    """What a word is looked for in."""
    entry = row.entry
    manifest = entry.manifest
    parts = [entry.folder.id, entry.annotations.title, entry.annotations.note, row.state, state_in_words(row.state)]
    if manifest is not None:
        parts += [manifest.preset or "", manifest.weights_name or ""]
    return "\n".join(parts).casefold()


def state_in_words(state: str) -> str:
    """A state, or that of a broken folder, in the current language."""
    return _("broken") if state == "broken" else state_word(state)


def _words(text: str, negated: bool) -> Term:
    wanted = text.casefold()
    return Term(lambda row: wanted in haystack(row), negated=negated)


def _condition(found: re.Match[str], negated: bool) -> Term:
    name, sign, written = found["name"], _SIGNS.get(found["sign"], found["sign"]), found["value"]
    fact = find_fact(name)
    if fact is None:
        message = _("There is no {name}.").format(name=name)
        near = nearest(name, known_names())
        if near:
            message += " " + _("Did you mean {suggestion}?").format(suggestion=near)
        raise FilterError(message, *found.span("name"))
    if not written:
        raise FilterError(_("{name}{sign} wants a value after it.").format(name=name, sign=sign), *found.span())
    place = found.span("value")
    if sign in _ORDER and fact.kind not in _MEASURED:
        raise FilterError(_("{name} is no number: use =, != or ~ (contains).").format(name=name), *found.span("sign"))
    if sign == "~":
        wanted = _unquoted(written).casefold()
        return Term(lambda row: any(wanted in _as_text(v).casefold() for v in _values(fact, row)), fact, negated)
    several = [written] if sign in _ORDER or fact.kind == "text" else written.split(",")
    tests = [_test(fact, sign, _unquoted(one), place) for one in several if one or len(several) == 1]
    negated = negated is not (sign == "!=")
    return Term(lambda row: any(test(row) for test in tests), fact, negated)


def _test(fact: Fact, sign: str, wanted: str, place: tuple[int, int]) -> Callable[[RunRow], bool]:
    """What one value of a condition asks; `!=` is the opposite of what is made here for it."""
    if sign in _ORDER:
        bound, compare = _quantity(fact, wanted, place), _ORDER[sign]
        return lambda row: any(compare(value, bound) for value in _numbers(fact, row))
    lower = wanted.casefold()
    if lower == NONE and not fact.is_setting:
        return lambda row: not _values(fact, row)
    if fact.kind == "flag" and lower in _TRUE | _FALSE:
        return lambda row: (lower in _TRUE) in _values(fact, row)
    if fact.kind == "text" or lower in fact.choices:
        return lambda row: any(_as_text(value).casefold() == lower for value in _values(fact, row))
    if fact.kind in _MEASURED:
        number = _quantity(fact, wanted, place)
        return lambda row: any(math.isclose(value, number, rel_tol=1e-9) for value in _numbers(fact, row))
    if fact.kind == "state":
        spoken = {state_in_words(state).casefold(): state for state in fact.choices}
        if lower in spoken:
            state = spoken[lower]
            return lambda row: row.state == state
    if fact.choices or fact.kind == "flag":
        choices = [*fact.choices, "1", "0"] if fact.kind == "flag" else list(fact.choices)
        message = _("{name} is never {value}.").format(name=fact.name, value=wanted)
        near = nearest(wanted, fact.choices)
        if near:
            message += " " + _("Did you mean {suggestion}?").format(suggestion=near)
        message += " " + _("It is one of {choices}.").format(choices=", ".join(choices))
        raise FilterError(message, *place)
    return lambda row: any(_as_text(value).casefold() == lower for value in _values(fact, row))


def _quantity(fact: Fact, text: str, place: tuple[int, int]) -> float:
    try:
        if fact.kind == "duration":
            seconds = parse_duration(text)
            assert isinstance(seconds, float)
            return seconds
        number = parse_quantity(text, fact.kind)
    except ValueError:
        examples = {
            "duration": _("a time such as 30m, 2h or 3d"),
            "bytes": _("a size such as 500kB, 20MB or 1.5GB"),
            "share": _("a share such as 0.5 or 50%"),
        }
        example = examples.get(fact.kind, _("a number such as 0.001, 1e-3 or 12k"))
        message = _("{name} wants {example}, not {value}.").format(name=fact.name, example=example, value=text)
        raise FilterError(message, *place) from None
    if fact.kind == "share" and "%" not in text and number > 1:
        number /= 100  # nobody means five thousand per cent
    return number


def _values(fact: Fact, row: RunRow) -> list[Value]:
    return [value for value in fact.values(row) if value is not None]


def _numbers(fact: Fact, row: RunRow) -> list[float]:
    """The values that are numbers; a duration in a hand-written run.toml may be text."""
    found: list[float] = []
    for value in _values(fact, row):
        if isinstance(value, str):
            try:
                value = parse_duration(value) if fact.kind == "duration" else float(value)  # type: ignore[assignment]
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(float(value))
    return found


def _as_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unquoted(text: str) -> str:
    return text.replace('"', "")
