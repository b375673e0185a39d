"""Lines made to break a reader, and very many bad ones: named, bounded, never a traceback, never a hang."""

from pathlib import Path

import pytest

from engine.data.jsonl import LineReader, Problem
from engine.data.token_cache import open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError

DEEP = 100_000


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        pytest.param(b"[" * DEEP + b"]" * DEEP, "bad_json", id="arrays, deep"),
        pytest.param(b'{"text":' * DEEP + b'"a"' + b"}" * DEEP, "bad_json", id="objects, deep"),
        pytest.param(b'{"text": ' + b"[" * 5000 + b"]" * 5000 + b"}", "bad_json", id="a text that is deep"),
        pytest.param(b"[" * DEEP, "bad_json", id="never closed"),
        pytest.param(b'{"text": ["a", ["b"]]}', "wrong_type", id="nested arrays"),
        pytest.param(b'{"text": 1' + b"0" * 300 + b"}", "wrong_type", id="a number of 301 digits"),
        pytest.param(b'{"text": 1' + b"0" * 9000 + b"}", "bad_json", id="a number of 9,001 digits"),
        pytest.param(b'{"text": -1e999999999}', "wrong_type", id="a number beyond all"),
        pytest.param(b"\0" * 1000, "bad_json", id="NUL bytes"),
        pytest.param(b'{"text": "a\0b"}', "bad_json", id="a NUL byte in a text"),
        pytest.param(b'{"text": "\xed\xa0\x80"}', "bad_utf8", id="a surrogate in bytes"),
        pytest.param(b'{"text": "a"}{"text": "b"}', "bad_json", id="two objects"),
        pytest.param(b'{"TEXT": "a"}', "no_text", id="another spelling"),
    ],
)
def test_a_line_made_to_break_it_is_named_and_the_next_is_read(tmp_path: Path, line: bytes, kind: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    problems: list[Problem] = []
    assert list(LineReader(path, on_problem=problems.append)) == [(1, "before"), (3, "after")]
    ((number, found, message),) = [(problem.line, problem.kind, str(problem)) for problem in problems]
    assert (number, found) == (2, kind)
    assert len(message) < 300 and "\0" not in message


def test_very_many_bad_lines_are_given_up_early_with_the_first_ones_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"text": "fine"}\n' * 1000 + b'{"txt": broken}\n' * 100_000)
    with pytest.raises(UserError, match=r"line 1001: .*line 1005: ") as refused:
        open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", threads=1)
    assert len(str(refused.value)) < 1000 and "line 1006" not in str(refused.value)
    assert not list((tmp_path / "cache" / "tokens").glob("*/tokens.bin"))
