"""Files as no writer of ours leaves them: arbitrary bytes, and valid files changed in byte or in meaning."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = {"quick": 40, "long": 1_000}[os.environ.get("HYPOTHESIS_PROFILE", "quick")]
"""HYPOTHESIS_PROFILE=long looks for a quarter of an hour in all; without it, a few seconds a reader."""

HANG_SECONDS = 60

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES == 40,
    suppress_health_check=list(HealthCheck),
)

TOKENS = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"-0", b"0.1", b"-1", b"9" * 19, b"9" * 20, b"9" * 400,
    b"9" * 5000, b"1e308", b"5e-324", b"null", b"true", b"false", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u0000"',
    b'"\\u001b[2J"', b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1b]52;c;eA==\x07",
    b"[" * 5_000, b"{", b"}", b'{"a":' * 5_000, b"[" * 100_000, b",", b":", b'"', b"\\", b"\n", b"\r\n",
    b"\t", b"=", b"#",
    b'"kind"', b'"step"', b'"v"',
]  # fmt: skip

tokens = st.integers(0, len(TOKENS) - 1).map(TOKENS.__getitem__)

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**40, -(10**40), 10**308, 0.5, -0.5]
    ),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 1e16]),
    st.text(max_size=20),
    st.sampled_from(
        ["", "\0", "\x1b[2J", "\ud800", "../../etc", "/", "x" * 9_999, "2026-11-24T03:15:00.000Z", "0001-01-01"]
    ),
)
values = st.one_of(
    leaves,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
        max_leaves=8,
    ),
)


def _flip(draw: Any, data: bytearray) -> None:
    if data:
        data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))


def _cut(draw: Any, data: bytearray) -> None:
    del data[draw(st.integers(0, len(data))) :]


def _drop(draw: Any, data: bytearray) -> None:
    start = draw(st.integers(0, len(data)))
    del data[start : start + draw(st.integers(1, 40))]


def _splice(draw: Any, data: bytearray) -> None:
    start, place = draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))
    data[place:place] = data[start : start + draw(st.integers(1, 400))]


def _insert(draw: Any, data: bytearray) -> None:
    place = draw(st.integers(0, len(data)))
    data[place:place] = draw(tokens)


@st.composite
def changed_bytes(draw: Any, valid: list[bytes]) -> bytes:
    """A valid file with some of its bytes flipped, cut, repeated, or something put in between."""
    data = bytearray(draw(st.sampled_from(valid)))
    for _change in range(draw(st.integers(1, 4))):
        draw(st.sampled_from([_flip, _cut, _drop, _splice, _insert]))(draw, data)
    return bytes(data)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _places(child, (*place, key))


@st.composite
def changed_meaning(draw: Any, valid: list[bytes]) -> bytes:
    """JSON, or lines of JSON, in which some values are of another type, out of all bounds, missing or there twice."""
    lines = []
    chosen, in_lines = draw(st.sampled_from(valid)), _is_lines(valid)
    for raw in chosen.splitlines() if in_lines else [chosen]:
        value = json.loads(raw)
        for _change in range(draw(st.integers(0 if in_lines else 1, 3))):
            place = draw(st.sampled_from(list(_places(value))))
            if not place:
                continue
            holder = value
            for key in place[:-1]:
                holder = holder[key]
            if draw(st.integers(0, 5)) == 0:
                del holder[place[-1]]
            else:
                holder[place[-1]] = draw(values)
        text = json.dumps(value)
        if text.startswith("{") and draw(st.integers(0, 9)) == 0:
            text = '{"step": 1, "step": "x", ' + text[1:]
        lines.append(text.encode())
    return b"\n".join(lines) + b"\n"


def _is_lines(valid: list[bytes]) -> bool:
    try:
        return all(json.loads(line) for one in valid for line in one.splitlines()) and len(valid[0].splitlines()) > 1
    except ValueError:
        return False


def _is_json(valid: list[bytes]) -> bool:
    try:
        return all(json.loads(one) is not None for one in valid)
    except ValueError:
        return _is_lines(valid)


def hostile(valid: list[bytes]) -> st.SearchStrategy[bytes]:
    """Anything that may stand in the place of one of these valid files."""
    kinds = [st.binary(max_size=2_000), tokens, st.sampled_from([b"", *valid]), *[changed_bytes(valid)] * 2]
    if _is_json(valid):
        kinds += [changed_meaning(valid)] * 4
    return st.one_of(kinds)


@contextmanager
def no_hang() -> Iterator[None]:
    """Fails when what is within takes longer than any file is worth."""

    def fail(_number: int, _frame: object) -> None:
        raise AssertionError(f"a reader took more than {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


Reader = Callable[[bytes], object]
