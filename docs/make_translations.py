"""Keeps the interface's translations in step with its messages.

    python docs/make_translations.py             take new messages into each .po, drop dead ones, compile each .mo
    python docs/make_translations.py --missing   list what is not translated or not current; exit 1 when anything is

Messages are the literal texts of `_("...")` in the two packages. A .po lies at engine/locale/LANGUAGE/LC_MESSAGES and
is edited by hand: fill each empty msgstr. Where a message changed, the old translation stays, marked fuzzy, until it is
mended and the mark taken away. Then run the first command once more.
"""

import ast
import re
import string
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from engine.language import DOMAIN, LANGUAGES, LOCALE_DIR
from minimind_tui import __version__

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "minimind_tui")
TRANSLATED = tuple(language for language in LANGUAGES if language != "en")  # the sources are English
HEADER = "# Translations of minimind-tui. Taken from the sources by docs/make_translations.py, translated by hand."


def po_path(language: str) -> Path:
    """Where a language's translations are edited."""
    return LOCALE_DIR / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def mo_path(language: str) -> Path:
    """Where gettext reads a language's translations."""
    return po_path(language).with_suffix(".mo")


def sources() -> list[Path]:
    """The files that messages are taken from."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def extract_messages() -> Catalog:
    """Every message of the sources, with the files it is in."""
    template = Catalog(charset="utf-8", fuzzy=False)
    for place, line, _call, message in _calls():
        if message:
            template.add(message, locations=[(place, line)])
    return template


def calls_without_a_literal() -> list[str]:
    """Calls of `_` whose message cannot be read off the source: its argument is no literal text."""
    return [f"{place}:{line}: {call}" for place, line, call, message in _calls() if not message]


def read_translations(language: str) -> Catalog:
    """A language's .po; an empty catalogue when there is none yet."""
    path = po_path(language)
    if not path.is_file():
        return _new_catalogue(language)
    with path.open("rb") as file:
        return read_po(file, locale=language, charset="utf-8", abort_invalid=True)


def translations_of(catalogue: Catalog) -> dict[str, str]:
    """Message and translation of each entry that gettext would use."""
    return {str(entry.id): str(entry.string) for entry in catalogue if entry.id and entry.string and not entry.fuzzy}


def problems(template: Catalog, catalogue: Catalog) -> list[str]:
    """What keeps a catalogue from being a whole translation of the messages; empty when nothing does."""
    found = []
    for message in template:
        if not message.id:
            continue  # the header
        entry = catalogue.get(message.id)
        where = f"{message.locations[0][0]}: {message.id!r}"
        if entry is None:
            found.append(f"not in the .po: {where}")
        elif not entry.string:
            found.append(f"not translated: {where}")
        elif entry.fuzzy:
            found.append(f"changed, and its translation is to be looked at: {where}")
        else:
            found += [f"{complaint}: {where}" for complaint in _disagreements(entry)]
    known = {message.id for message in template}
    dead = [entry.id for entry in catalogue if entry.id not in known]
    return found + [f"no longer a message: {message!r}" for message in [*dead, *catalogue.obsolete]]


def stale_problems(language: str) -> list[str]:
    """Whether the .mo holds what the .po says, nothing else."""
    path = mo_path(language)
    if path.is_file():
        with path.open("rb") as file:
            if translations_of(read_mo(file)) == translations_of(read_translations(language)):
                return []
    return [f"not compiled from the .po: {path.relative_to(ROOT)}"]


def update(language: str) -> None:
    """Bring a language's .po up to the sources, and its .mo up to the .po."""
    catalogue = read_translations(language)
    catalogue.update(extract_messages(), update_header_comment=False, update_creation_date=False)
    catalogue.obsolete.clear()
    po_path(language).parent.mkdir(parents=True, exist_ok=True)
    with po_path(language).open("wb") as file:
        # Without line numbers, which change with every edit of the sources.
        write_po(file, catalogue, width=110, sort_by_file=True, include_lineno=False, include_previous=True)
    with mo_path(language).open("wb") as file:
        write_mo(file, catalogue)


def main(arguments: list[str]) -> int:
    """Update the catalogues, or with `--missing` list what is wrong with them; returns the exit code."""
    if arguments not in ([], ["--missing"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not arguments:
        for language in TRANSLATED:
            update(language)
    unreadable = [f"not a literal text: {call}" for call in calls_without_a_literal()]
    template = extract_messages()
    found = [
        f"{language}: {problem}"
        for language in TRANSLATED
        for problem in problems(template, read_translations(language)) + stale_problems(language)
    ]
    for problem in unreadable + found:
        print(problem)
    print(f"{sum(1 for message in template if message.id)} messages, {len(unreadable + found)} problems")
    return 1 if unreadable + found else 0


def _calls() -> Iterator[tuple[str, int, str, str]]:
    """Each call of `_`: file, line, source, and its message, empty when that is no literal text.

    Read from the syntax tree: extractors that look at tokens miss calls within f-strings.
    """
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                match node:
                    case ast.Call(args=[ast.Constant(value=str(message))], keywords=[]):
                        pass
                    case _:
                        message = ""
                yield str(path.relative_to(ROOT)), node.lineno, ast.unparse(node), message


def _new_catalogue(language: str) -> Catalog:
    """An empty catalogue whose header leaves no blanks to fill in."""
    now = datetime.now(UTC)
    return Catalog(
        locale=language,
        header_comment=HEADER,
        project="minimind-tui",
        version=__version__,
        msgid_bugs_address="none",
        creation_date=now,
        revision_date=now,
        last_translator="the minimind-tui authors",
        language_team="the minimind-tui authors",
        charset="utf-8",
        fuzzy=False,
    )


def _disagreements(entry: Message) -> Iterator[str]:
    """In what a translation disagrees with its message, where it must not."""
    message, translation = str(entry.id), str(entry.string)
    if _fields(message) != _fields(translation):
        yield f"fields {_fields(translation)} instead of {_fields(message)}"
    for kept in (r"`[^`]*`", r"(?<![\w-])--[a-z][a-z_-]+"):
        if sorted(set(re.findall(kept, message))) != sorted(set(re.findall(kept, translation))):
            yield "commands, names and flags must stay as they are"
    if message.count("\n") != translation.count("\n"):
        yield "another number of lines"


def _fields(text: str) -> list[str] | None:
    """The {fields} of a message, with their formats, in order of name; None when it is no format string."""
    try:
        return sorted(f"{name}:{form}" for _text, name, form, _conversion in string.Formatter().parse(text) if name)
    except ValueError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
