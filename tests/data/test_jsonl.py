"""Reading JSONL: every usable text, every unusable line named, constant memory (traps 15 to 17)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.jsonl import LineReader, Problem, read_lines
from engine.errors import UserError


def read(path: Path, content: bytes, **options: int) -> tuple[list[tuple[int, str]], list[Problem], LineReader]:
    path.write_bytes(content)
    problems: list[Problem] = []
    reader = LineReader(path, on_problem=problems.append, **options)
    return list(reader), problems, reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


@pytest.mark.parametrize(
    ("line", "kind", "word"),
    [
        (b'{"text": "cut of', "bad_json", "column"),
        (b"plain words", "bad_json", "JSON"),
        (b'{"text": "a"}{"text": "b"}', "bad_json", "JSON"),
        (b'{"text": "\xff\xfe"}', "bad_utf8", "byte 11"),
        (b'{"content": "x", "id": 3}', "no_text", "'content', 'id'"),
        (b'{"text": null}', "wrong_type", "null"),
        (b'{"text": 3}', "wrong_type", "number"),
        (b'{"text": true}', "wrong_type", "boolean"),
        (b'{"text": ["a"]}', "wrong_type", "array"),
        (b'{"text": {"text": "a"}}', "wrong_type", "object"),
        (b'["text"]', "wrong_type", "array"),
        (b'"text"', "wrong_type", "string"),
        (b'{"text": ""}', "empty", "empty"),
        (b'{"text": " \\n\\t "}', "empty", "empty"),
        (b"[" * 100_000, "bad_json", "JSON"),
        (b"9" * 5000, "bad_json", "JSON"),
    ],
)
def test_an_unusable_line_is_named_and_the_rest_is_read(path: Path, line: bytes, kind: str, word: str) -> None:
    texts, problems, reader = read(path, b'{"text": "one"}\n' + line + b'\n{"text": "three"}\n')
    assert texts == [(1, "one"), (3, "three")]
    assert [(problem.line, problem.kind) for problem in problems] == [(2, kind)]
    assert word in problems[0].message
    assert not problems[0].is_note
    assert reader.unusable == 1


def test_a_tolerated_oddity_is_a_note_and_loses_nothing(path: Path) -> None:
    texts, problems, reader = read(
        path, b'\xef\xbb\xbf{"text": "a"}\r\n\r\n   \n{"text": "b"}\r\n{"score": NaN, "text": "c"}\n{"text": "last"}'
    )
    assert texts == [(1, "a"), (4, "b"), (5, "c"), (6, "last")]
    assert [(problem.kind, problem.line) for problem in problems] == [("bom", 1), ("crlf", 1), ("blank", 2)]
    assert all(problem.is_note for problem in problems)
    assert reader.counts == {"bom": 1, "crlf": 3, "blank": 2}
    assert reader.unusable == 0
    assert reader.bytes_consumed == reader.bytes_read == path.stat().st_size


def test_a_bom_is_only_tolerated_at_the_start(path: Path) -> None:
    _texts, problems, _reader = read(path, b'{"text": "a"}\n\xef\xbb\xbf{"text": "b"}\n')
    assert [(problem.kind, problem.line) for problem in problems] == [("bad_json", 2)]


def test_half_a_surrogate_pair_becomes_a_replacement_character(path: Path) -> None:
    texts, problems, _reader = read(path, b'{"text": "x\\ud800y"}\n{"text": "\\ud83d\\ude00"}\n')
    assert texts == [(1, "x\ufffdy"), (2, "\U0001f600")]
    assert [problem.kind for problem in problems] == ["replaced"]


def test_a_download_that_broke_off_is_said(path: Path) -> None:
    _texts, problems, _reader = read(path, b'{"text": "a"}\n{"text": "cut o')
    assert problems[0].line == 2
    assert "download" in problems[0].message
    _texts, problems, _reader = read(path, b'{"text": "a"}\n{"text": "\xe4\xbd')
    assert (problems[0].line, problems[0].kind) == (2, "bad_utf8")


def test_a_line_too_long_is_skipped_and_the_next_is_read(path: Path) -> None:
    long_line = b'{"text": "' + b"x" * 5000 + b'"}\n'
    texts, problems, reader = read(path, long_line + b'{"text": "ok"}\n' + long_line.strip(), max_line_bytes=1000)
    assert texts == [(2, "ok")]
    assert [(problem.line, problem.kind) for problem in problems] == [(1, "too_long"), (3, "too_long")]
    assert reader.bytes_consumed == path.stat().st_size


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_longest_line_allowed(path: Path, extra: int) -> None:
    line = b'{"text": "' + b"x" * 88 + b'"}'
    assert len(line) == 100
    for end in (b"", b"\n"):
        texts, problems, _reader = read(path, line + end, max_line_bytes=100 + extra)
        assert (len(texts), len(problems)) == ((1, 0) if extra >= 0 else (0, 1))


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=20), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_all_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], newline: str, ascii_only: bool, last: bool
) -> None:
    path = tmp_path_factory.mktemp("lines") / "data.jsonl"
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    content = newline.join(json.dumps({"text": text}, ensure_ascii=ascii_only) for text in clean)
    path.write_bytes((content + (newline if last else "")).encode("utf-8"))
    wanted = [(number, text) for number, text in enumerate(clean, 1) if text.strip()]
    assert list(read_lines(path)) == wanted


def test_another_field(path: Path) -> None:
    path.write_bytes(b'{"content": "a"}\n')
    assert list(read_lines(path, text_field="content")) == [(1, "a")]


def test_a_file_that_vanished_is_told_in_words(path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.jsonl"):
        list(read_lines(path))


def test_the_observer_sees_every_byte_before_its_line_is_yielded(path: Path) -> None:
    content = b"".join(b'{"text": "%d"}\n' % number for number in range(200_000))
    path.write_bytes(content)
    seen = bytearray()
    for _line, _text in LineReader(path, on_block=seen.extend):
        pass
    assert bytes(seen) == content


def test_memory_stays_bounded_on_one_huge_line(path: Path) -> None:
    with path.open("wb") as file:  # 400 MiB in one line, sparse on disk
        file.write(b'{"text": "')
        file.truncate(400 * 2**20)
        file.seek(0, 2)
        file.write(b'"}\n{"text": "after"}\n')
    script = (
        "import sys, re, resource, pathlib\n"
        "from engine.data.jsonl import LineReader\n"
        "reader = LineReader(pathlib.Path(sys.argv[1]))\n"
        "print(list(reader), dict(reader.counts))\n"
        "status = pathlib.Path('/proc/self/status')\n"  # ru_maxrss on Linux would count the parent's memory as well
        "if status.exists():\n"
        "    print(int(re.search(r'VmHWM:\\s+(\\d+) kB', status.read_text())[1]) * 1024)\n"
        "else:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024))\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert output[0] == "[(2, 'after')] {'too_long': 1}"
    assert int(output[1]) < 200 * 2**20
