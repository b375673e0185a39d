"""Looks into training text from a process of its own: what is found, what is refused, who comes first."""

import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from engine.language import current_language, set_language
from engine.settings.presets import load_preset
from engine.settings.settings import Settings
from minimind_tui.core.wizard.data_files import OTHER, data_choices
from minimind_tui.core.wizard.data_look import DataLook, LookRequest, Looks
from minimind_tui.core.wizard.look_process import look_into
from minimind_tui.core.wizard.looker import DataLooker


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = current_language()
    set_language("en")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIMIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield tmp_path
    set_language(before)


def texts(path: Path, number: int = 60) -> Path:
    lines = [
        orjson.dumps({"text": f"The otter number {place} swam to the other side of the river."})
        for place in range(number)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def settings(path: Path | str, **changes: object) -> Settings:
    return load_preset("mini").settings().model_copy(update={"data_path": str(path), **changes})


class Heard:
    """What a looker told, in order."""

    def __init__(self) -> None:
        self.looks: list[tuple[LookRequest, DataLook]] = []
        self._more = threading.Condition()

    def __call__(self, request: LookRequest, look: DataLook) -> None:
        with self._more:
            self.looks.append((request, look))
            self._more.notify_all()

    def wait(self, number: int, seconds: float = 30.0) -> list[LookRequest]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.looks) >= number, seconds), self.looks
        return [request for request, _look in self.looks]


def test_a_good_file_is_told_in_words_and_facts(workspace: Path) -> None:
    look = look_into(settings(texts(workspace / "a.jsonl")))
    assert look.problem == "" and look.vocab_size == 6400
    assert look.overview.startswith("a.jsonl: ") and "60 documents" in look.overview
    assert look.facts is not None and look.facts.tokens_per_epoch > 500 and look.facts.rows_per_epoch > 0
    assert look.worst == "warning" and any("Only" in text or "tokens for each" in text for _level, text in look.verdict)
    assert sum(bar.count for bar in look.bars) == 60
    assert look.row_length == 256 and look.rows[0].used <= 256
    assert look.rows[0].pieces[0].text.startswith("<|im_start|>The otter number")
    assert len(look.training) == 6


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jsonl", b"", "is empty"),
        ("a.jsonl.gz", b"\x1f\x8b\x08\x00", "compressed"),
        ("array.json", b'[{"text": "a"}]', "JSON array"),
        ("sft.jsonl", b'{"conversations": []}\n', "conversation (SFT) data"),
        ("field.jsonl", b'{"content": "long text"}\n', "--text_field content"),
        ("page.html", b"<!doctype html><html>", "web page"),
    ],
)
def test_a_bad_file_is_explained(workspace: Path, name: str, content: bytes, words: str) -> None:
    (workspace / name).write_bytes(content)
    look = look_into(settings(name))
    assert words in look.problem and look.worst == "error" and look.facts is None


@pytest.mark.parametrize("path", ["nothing.jsonl", "a\0b", "x" * 5000, "~nobody/there", "/", "."])
def test_no_path_breaks_it(path: str) -> None:
    assert look_into(settings(path)).problem


def test_bad_lines_are_named_by_their_number(workspace: Path) -> None:
    path = texts(workspace / "a.jsonl")
    path.write_bytes(path.read_bytes() + b'{"text": 5}\nnot json\n')
    look = look_into(settings(path))
    assert any("line 61" in line for line in look.problems) and any("line 62" in line for line in look.problems)
    assert look.worst == "error" and look.facts is not None and look.facts.problems


def test_a_tokenizer_that_is_missing_is_told_as_such() -> None:
    look = look_into(settings("x", tokenizer="nowhere"))
    assert look.tokenizer_problem and "nowhere" in look.problem


def test_control_characters_of_a_text_stay_out(workspace: Path) -> None:
    path = workspace / "a.jsonl"
    path.write_bytes(orjson.dumps({"text": "red \x1b[31m alert \u202e and more words to fill the line"}) + b"\n")
    shown = "".join(piece.text for row in look_into(settings(path)).rows for piece in row.pieces)
    assert "red [31m alert" in shown and "\x1b" not in shown and "\u202e" not in shown


def test_a_look_is_asked_for_anew_when_what_matters_changes(workspace: Path) -> None:
    path = texts(workspace / "a.jsonl")
    first = LookRequest.of(settings(path))
    assert first == LookRequest.of(settings(path, learning_rate=1.0, epochs=7))
    assert first != LookRequest.of(settings(path, max_seq_len=128))
    other_shape = LookRequest.of(settings(path, hidden_size=320))
    assert first != other_shape and first.whatever_the_shape == other_shape.whatever_the_shape
    set_language("zh")
    assert first != LookRequest.of(settings(path))
    set_language("en")
    texts(path, 61)
    assert first != LookRequest.of(settings(path)), "the file is another one now"


def test_looks_are_kept(workspace: Path) -> None:
    path = texts(workspace / "a.jsonl")
    looks, request, look = Looks(), LookRequest.of(settings(path)), DataLook(overview="x")
    assert looks.of(request) is None
    looks.keep(request, look)
    other_shape = LookRequest.of(settings(path, hidden_size=320))
    assert looks.of(request) is look and looks.of(other_shape) is None and looks.rows_of(other_shape) is look


def test_the_process_answers_without_numpy_here(workspace: Path) -> None:
    path = texts(workspace / "a.jsonl")
    heard = Heard()
    looker = DataLooker(heard)
    looker.want(LookRequest.of(settings(path)))
    heard.wait(1)
    assert replace(heard.looks[0][1], seconds=0.0) == replace(look_into(settings(path)), seconds=0.0)


def test_the_answer_is_in_the_language_asked_for(workspace: Path) -> None:
    heard = Heard()
    set_language("zh")
    request = LookRequest.of(settings("nothing.jsonl"))
    set_language("en")
    DataLooker(heard).want(request)
    heard.wait(1)
    assert "nothing.jsonl" in heard.looks[0][1].problem
    assert any("\u4e00" <= character <= "\u9fff" for character in heard.looks[0][1].problem)


@pytest.fixture
def slow(workspace: Path) -> Callable[[], str]:
    """A module that answers when a file named as the data appears."""
    (workspace / "slow_look.py").write_text(
        textwrap.dedent(
            """
            import json, sys, time, pathlib
            asked = json.loads(sys.stdin.read())
            while not pathlib.Path(asked["data_path"]).exists():
                time.sleep(0.01)
            print(json.dumps({"overview": asked["data_path"]}))
            """
        )
    )
    return lambda: "slow_look"


def test_who_is_waited_for_comes_first(workspace: Path, slow: Callable[[], str]) -> None:
    heard = Heard()
    looker = DataLooker(heard, module=slow())
    one, two, three = (LookRequest.of(settings(name)) for name in ("one", "two", "three"))
    looker.want(one)
    looker.want(two)
    looker.want(three, first=True)
    looker.want(three, first=True)
    for name in ("one", "two", "three"):
        (workspace / name).write_text("")
    assert heard.wait(3)[0] == three
    assert sorted(heard.wait(3), key=repr) == sorted([one, two, three], key=repr)
    assert all(look.overview for _request, look in heard.looks)


def test_what_is_forgotten_is_not_told_and_its_process_ends(workspace: Path, slow: Callable[[], str]) -> None:
    heard = Heard()
    looker = DataLooker(heard, module=slow())
    one, two = (LookRequest.of(settings(name)) for name in ("one", "two"))
    looker.want(one)
    _until(lambda: looker._process is not None)
    process = looker._process
    assert process is not None
    looker.forget(one)
    looker.want(two)
    (workspace / "two").write_text("")
    assert heard.wait(1) == [two]
    assert process.wait(5) == -9


def test_closing_ends_everything(workspace: Path, slow: Callable[[], str]) -> None:
    heard = Heard()
    looker = DataLooker(heard, module=slow())
    looker.want(LookRequest.of(settings("one")))
    looker.want(LookRequest.of(settings("two")))
    _until(lambda: looker._process is not None)
    looker.close()
    _until(lambda: looker._thread is None)
    assert heard.looks == [] and looker.current is None


@pytest.mark.parametrize("body", ["raise SystemExit('out of order')", "print('no json')", "import os; os._exit(3)"])
def test_a_process_that_fails_is_told(workspace: Path, body: str) -> None:
    (workspace / "broken_look.py").write_text(f"import sys\nsys.stdin.read()\n{body}\n")
    heard = Heard()
    DataLooker(heard, module="broken_look").want(LookRequest.of(settings("x")))
    heard.wait(1)
    assert "The look into the text failed" in heard.looks[0][1].problem


def test_no_numpy_is_needed_to_ask() -> None:
    import subprocess

    code = (
        "import sys, minimind_tui.core.wizard.looker, minimind_tui.core.wizard.draft\n"
        "print([name for name in ('numpy', 'tokenizers', 'torch', 'textual') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def test_files_to_choose_from(workspace: Path) -> None:
    (workspace / "datasets").mkdir()
    texts(workspace / "datasets" / "mine.jsonl")
    choices = data_choices("datasets/pretrain_data.jsonl")
    assert [choice.value for choice in choices] == [
        "datasets/pretrain_data.jsonl",
        "datasets/mine.jsonl",
        "datasets/mini_pretrain_data.jsonl",
        OTHER,
    ]
    assert "not here yet" in choices[0].words and "built in" in choices[2].words and "kB" in choices[1].words
    assert "preset" in data_choices("datasets/mine.jsonl")[0].words


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
