"""Reads JSONL of any size line by line: constant memory, and every unusable line is named by its number."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from engine.errors import UserError
from engine.language import _

ProblemKind = Literal[
    "bad_json", "bad_utf8", "no_text", "wrong_type", "empty", "too_long", "bom", "crlf", "blank", "replaced"
]
NOTE_KINDS: frozenset[str] = frozenset({"bom", "crlf", "blank", "replaced"})
"""Kinds that are worth a word but lose no text; every other kind makes the line unusable."""

MAX_LINE_BYTES = 32 * 2**20
BLOCK_BYTES = 2**20
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Problem:
    """What is wrong with one line: its number from 1, the kind, and a sentence without the line number."""

    line: int
    kind: ProblemKind
    message: str

    @property
    def is_note(self) -> bool:
        """True where the line's text was used all the same."""
        return self.kind in NOTE_KINDS

    def __str__(self) -> str:
        return _("line {line}: {message}").format(line=self.line, message=self.message)


class _Tap(io.RawIOBase):
    """A raw file that shows every block it reads to an observer."""

    def __init__(self, raw: io.FileIO, observe: Callable[[memoryview], None]) -> None:
        self._raw = raw
        self._observe = observe

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        count = self._raw.readinto(buffer)
        if count:
            self._observe(memoryview(buffer)[:count])
        return count


class LineParser:
    """Takes the text out of single lines and keeps count of what is wrong with them.

    on_problem gets every unusable line, and each kind of note at its first occurrence; `counts` counts them all.
    """

    def __init__(self, text_field: str, on_problem: Callable[[Problem], None] | None = None) -> None:
        self.text_field = text_field
        self.counts: Counter[str] = Counter()
        self._on_problem = on_problem

    @property
    def unusable(self) -> int:
        """Lines whose text could not be used so far."""
        return sum(count for kind, count in self.counts.items() if kind not in NOTE_KINDS)

    def parse(self, number: int, line: bytes) -> str | None:
        """The text of one line (with its newline, if it has one), or None after reporting why there is none."""
        if number == 1 and line.startswith(_BOM):
            line = line.removeprefix(_BOM)
            self.report(number, "bom", _("the file starts with a byte order mark (ignored)"))
        if line.endswith(b"\r\n"):
            self.report(number, "crlf", _("ends in CRLF, as Windows writes (accepted)"))
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if not line.strip():
                self.report(number, "blank", _("blank (ignored)"))
                return None
            parsed = self._second_opinion(number, line, error)
            if parsed is None:
                return None
            record = parsed[0]
        text = record.get(self.text_field) if type(record) is dict else None
        if type(text) is str and text and not text.isspace():
            return text
        self.report(number, *describe_unusable(record, self.text_field))
        return None

    def _second_opinion(self, number: int, line: bytes, error: orjson.JSONDecodeError) -> tuple[Any] | None:
        """What Python's own parser makes of a line orjson refuses: it takes NaN and lone surrogates, both common."""
        try:
            string = line.decode("utf-8")
        except UnicodeDecodeError as broken:
            self.report(number, "bad_utf8", _("not UTF-8 at byte {byte} of the line").format(byte=broken.start + 1))
            return None
        try:
            record = json.loads(string)
        except (ValueError, RecursionError):
            message = _("not JSON: {reason} (column {column})").format(reason=error.msg, column=error.colno)
            if not line.endswith(b"\n"):
                message += _("; the file ends within this line, as after a download that broke off")
            self.report(number, "bad_json", message)
            return None
        if type(record) is dict and type(text := record.get(self.text_field)) is str:
            clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if clean != text:
                record[self.text_field] = clean
                self.report(number, "replaced", _("holds half a surrogate pair (replaced by U+FFFD)"))
        return (record,)

    def report(self, number: int, kind: ProblemKind, message: str) -> None:
        """Count a problem of line `number` and pass it on."""
        self.counts[kind] += 1
        if self._on_problem is not None and (kind not in NOTE_KINDS or self.counts[kind] == 1):
            self._on_problem(Problem(number, kind, message))


class LineReader:
    """The usable texts of a JSONL file, in order, with their line numbers.

    Iterate it once: it yields (line number from 1, text). Memory is bounded by `max_line_bytes` whatever it holds.
    A byte order mark, CRLF, blank lines and a last line without a newline are tolerated and counted. Text never holds
    a lone surrogate, so it can always be encoded as UTF-8.

    `lines`, `bytes_read` and `bytes_consumed` (up to the end of the newest line) say how far it is; `counts` counts the
    problems by kind, and on_problem gets them as LineParser says. on_block sees every block of bytes as it is read from
    the file (for hashing), before its lines are yielded. Raises UserError when the file cannot be opened or read.
    """

    def __init__(
        self,
        path: Path,
        *,
        text_field: str = "text",
        on_problem: Callable[[Problem], None] | None = None,
        on_block: Callable[[memoryview], None] | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self.path = path
        self.max_line_bytes = max_line_bytes
        self.lines = 0
        self.bytes_read = 0
        self.bytes_consumed = 0
        self._parser = LineParser(text_field, on_problem)
        self._on_block = on_block

    @property
    def counts(self) -> Counter[str]:
        """How often each kind of problem occurred so far."""
        return self._parser.counts

    @property
    def unusable(self) -> int:
        """Lines whose text could not be used so far."""
        return self._parser.unusable

    def __iter__(self) -> Iterator[tuple[int, str]]:
        try:
            with open(self.path, "rb", buffering=0) as raw:  # noqa: PTH123
                yield from self._texts(io.BufferedReader(_Tap(raw, self._observe), BLOCK_BYTES))
        except OSError as error:
            raise UserError(
                _("{path}: reading failed at byte {byte}: {reason}").format(
                    path=self.path, byte=self.bytes_read, reason=error.strerror or error
                )
            ) from error

    def _observe(self, block: memoryview) -> None:
        self.bytes_read += len(block)
        if self._on_block is not None:
            self._on_block(block)

    def _texts(self, source: io.BufferedReader) -> Iterator[tuple[int, str]]:
        limit = self.max_line_bytes
        parse = self._parser.parse
        while line := source.readline(limit + 1):
            self.lines += 1
            self.bytes_consumed += len(line)
            if len(line) > limit and not line.endswith(b"\n"):
                del line
                self._skip_line(source)
                message = _("longer than {limit:.0f} MiB, too long for one document").format(limit=limit / 2**20)
                self._parser.report(self.lines, "too_long", message)
                continue
            text = parse(self.lines, line)
            if text is not None:
                yield self.lines, text

    def _skip_line(self, source: io.BufferedReader) -> None:
        while rest := source.readline(BLOCK_BYTES):
            self.bytes_consumed += len(rest)
            if rest.endswith(b"\n"):
                return


def describe_unusable(record: object, text_field: str) -> tuple[ProblemKind, str]:
    """Why a parsed line holds no usable text: the kind and a sentence."""
    if not isinstance(record, dict):
        return "wrong_type", _("a JSON {kind}, not an object with a field {field!r}").format(
            kind=json_type(record), field=text_field
        )
    if text_field not in record:
        names = ", ".join(sorted(repr(str(name)) for name in record)[:8]) or _("none")
        return "no_text", _("no field {field!r}; it has {names}").format(field=text_field, names=names)
    text = record[text_field]
    if not isinstance(text, str):
        return "wrong_type", _("field {field!r} is a JSON {kind}, not a string").format(
            field=text_field, kind=json_type(text)
        )
    return "empty", _("field {field!r} is empty").format(field=text_field)


def json_type(value: object) -> str:
    """The name JSON gives the type of a parsed value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), type(value).__name__)


def read_lines(
    path: Path, *, text_field: str = "text", on_problem: Callable[[Problem], None] | None = None
) -> Iterator[tuple[int, str]]:
    """(line number, text) of every usable line of a JSONL file, in constant memory. See LineReader."""
    return iter(LineReader(path, text_field=text_field, on_problem=on_problem))
