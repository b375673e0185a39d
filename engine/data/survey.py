"""Reads as much of a data file as a few seconds allow: all of a small one, evenly spaced parts of a large one."""

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.data.encoding import text_hash
from engine.data.jsonl import MAX_LINE_BYTES, LineParser, LineReader, Problem
from engine.data.order import permuted

KEPT_PROBLEMS = 20
WHOLE_BYTES_PER_SECOND = 20 * 2**20
"""A file is read whole when it is smaller than this times the budget."""
SAMPLE_CHARACTERS = 2**20
"""Characters of text kept for tokenising, per second of the budget."""
_CHUNKS = 512
_CHUNK_BYTES = 64 * 2**10
_MARK_LINES = 1024
_MOST_HASHES = 16 * 2**20


@dataclass
class UniformSample:
    """Evenly chosen documents of a stream of unknown length, thinned out whenever they exceed `most_characters`.

    A line is kept when the fractional part of line * golden ratio lies under a threshold that halves as needed: such
    lines are spread evenly over the file, whatever its period.
    """

    most_characters: int
    documents: list[tuple[int, str]] = field(default_factory=list)
    offered: int = 0
    _characters: int = 0
    _threshold: int = 2**64

    def add(self, line: int, text: str) -> None:
        """Offer one document."""
        self.offered += 1
        if _spread(line) < self._threshold:
            self.documents.append((line, text))
            self._characters += len(text)
            while self._characters > self.most_characters and len(self.documents) > 1:
                self._threshold //= 2
                self.documents = [pair for pair in self.documents if _spread(pair[0]) < self._threshold]
                self._characters = sum(len(pair[1]) for pair in self.documents)

    @property
    def complete(self) -> bool:
        """True when every document offered is in the sample."""
        return len(self.documents) == self.offered


def _spread(line: int) -> int:
    return line * 0x9E3779B97F4A7C15 & (2**64 - 1)


@dataclass
class Survey:
    """What was read of a file.

    parsed_lines and parsed_bytes tell how much of it was parsed. `hashes` are those of the parsed texts when the file
    was read whole, else of its raw lines as far as they were compared (the first `hashed_bytes`).
    """

    size: int
    whole: bool
    parsed_lines: int
    parsed_bytes: int
    texts: int
    characters: int
    text_bytes: int
    lines: int
    lines_exact: bool
    counts: Counter[str]
    problems: list[Problem]
    line_numbers_exact: bool
    hashes: npt.NDArray[np.uint64]
    hashed_bytes: int
    sample: UniformSample

    @property
    def documents(self) -> int:
        """Usable documents in the file: counted when it was read whole, else estimated."""
        return self.texts if self.whole else round(self.lines * self.texts / max(1, self.parsed_lines))


def survey_file(path: Path, text_field: str, seconds: float) -> Survey:
    """Read `path` for about `seconds`: whole where it fits, else its lines once and 512 spread chunks of it parsed."""
    size = path.stat().st_size
    sample = UniformSample(int(SAMPLE_CHARACTERS * max(seconds, 0.25)))
    if size <= WHOLE_BYTES_PER_SECOND * seconds:
        return _read_whole(path, size, text_field, sample)
    return _read_parts(path, size, text_field, sample, seconds)


def _read_whole(path: Path, size: int, text_field: str, sample: UniformSample) -> Survey:
    problems: list[Problem] = []
    hashes: list[int] = []
    characters = text_bytes = 0

    def keep(problem: Problem) -> None:
        if len(problems) < KEPT_PROBLEMS:
            problems.append(problem)

    reader = LineReader(path, text_field=text_field, on_problem=keep)
    for line, text in reader:
        raw = text.encode("utf-8")
        hashes.append(text_hash(raw))
        characters += len(text)
        text_bytes += len(raw)
        sample.add(line, text)
    return Survey(
        size=size,
        whole=True,
        parsed_lines=reader.lines,
        parsed_bytes=reader.bytes_consumed,
        texts=len(hashes),
        characters=characters,
        text_bytes=text_bytes,
        lines=reader.lines,
        lines_exact=True,
        counts=reader.counts,
        problems=problems,
        line_numbers_exact=True,
        hashes=np.array(hashes, dtype=np.uint64),
        hashed_bytes=size,
        sample=sample,
    )


@dataclass
class _LinePass:
    """Every line hashed once, with the offset of each 1,024th, as far as the deadline allowed."""

    hashes: npt.NDArray[np.uint64]
    marks: list[int]
    lines: int
    bytes: int


def _read_parts(path: Path, size: int, text_field: str, sample: UniformSample, seconds: float) -> Survey:
    passed = _pass_lines(path, time.monotonic() + 0.45 * seconds)
    complete = passed.bytes >= size
    deadline = time.monotonic() + 0.2 * seconds
    problems: list[Problem] = []
    parser = LineParser(text_field, problems.append)
    texts = characters = text_bytes = parsed_lines = parsed_bytes = 0
    bytes_per_line = passed.bytes / max(1, passed.lines)
    with path.open("rb") as file:
        for chunk in permuted(range(_CHUNKS), _CHUNKS, 0, 0).tolist():
            if time.monotonic() > deadline and parsed_lines:
                break
            offset = size * chunk // _CHUNKS
            mark = bisect_left(passed.marks, offset)
            if mark < len(passed.marks) and passed.marks[mark] - offset < size // _CHUNKS:
                offset, number = passed.marks[mark], mark * _MARK_LINES
                file.seek(offset)
            else:
                file.seek(max(0, offset - 1))
                file.readline(MAX_LINE_BYTES)  # the rest of the line that the chunk cut into
                number = round(file.tell() / bytes_per_line)
            end = file.tell() + _CHUNK_BYTES
            while file.tell() < end and (line := file.readline(MAX_LINE_BYTES)):
                number += 1
                parsed_lines += 1
                parsed_bytes += len(line)
                text = parser.parse(number, line)
                if text is not None:
                    texts += 1
                    characters += len(text)
                    text_bytes += len(text.encode("utf-8"))
                    sample.add(number, text)
    return Survey(
        size=size,
        whole=False,
        parsed_lines=parsed_lines,
        parsed_bytes=parsed_bytes,
        texts=texts,
        characters=characters,
        text_bytes=text_bytes,
        lines=passed.lines if complete else round(size * parsed_lines / max(1, parsed_bytes)),
        lines_exact=complete,
        counts=parser.counts,
        problems=sorted(problems, key=lambda problem: problem.line)[:KEPT_PROBLEMS],
        line_numbers_exact=complete,
        hashes=passed.hashes,
        hashed_bytes=passed.bytes,
        sample=sample,
    )


def _pass_lines(path: Path, deadline: float) -> _LinePass:
    hashes = np.empty(2**16, dtype=np.uint64)
    marks: list[int] = []
    lines = done = 0
    with path.open("rb", buffering=2**20) as file:
        while line := file.readline(MAX_LINE_BYTES):
            if lines % _MARK_LINES == 0:
                marks.append(done)
                if time.monotonic() > deadline:
                    break
            if lines == len(hashes) and lines < _MOST_HASHES:
                hashes = np.concatenate([hashes, np.empty_like(hashes)])
            if lines < len(hashes):
                hashes[lines] = hash(line) & 0xFFFFFFFFFFFFFFFF
            lines += 1
            done += len(line)
    return _LinePass(hashes[: min(lines, len(hashes))], marks, lines, done)
