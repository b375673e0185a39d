"""The token cache: faithful, built once, reused, rebuilt when stale or damaged, never half there (traps 15, 16, 22)."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_material import make_texts, write_jsonl

from engine.data import cache_folder, content_hash, encoding
from engine.data.cache_folder import BuildProgress, BuildStopped
from engine.data.encoding import text_hash
from engine.data.token_cache import TokenCache, open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError

HOUR = 3600


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return aged(write_jsonl(tmp_path / "data.jsonl", make_texts(3000)))


def aged(path: Path, seconds: float = HOUR) -> Path:
    """Set a file's time back, so that its hash may be remembered; ctime is now, so the clock of the test moves on."""
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything written before an open counts as long ago, unless a test says otherwise."""
    monkeypatch.setattr(content_hash, "RACY_NS", -HOUR * 10**9)


def folders(cache_dir: Path) -> list[str]:
    return sorted(path.name for path in (cache_dir / "tokens").iterdir() if path.is_dir() and path.name != "hashes")


def contents(cache: TokenCache) -> list[list[int]]:
    return [cache.document(index).tolist() for index in range(cache.document_count)]


@pytest.mark.parametrize("threads", [1, 3])
def test_every_document_is_there_as_the_tokenizer_gives_it(
    data: Path, tmp_path: Path, tokenizer: Tokenizer, threads: int
) -> None:
    texts = make_texts(3000)
    cache = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache", threads=threads)
    assert contents(cache) == [tokenizer.encode(text) for text in texts]
    assert cache.lines.tolist() == list(range(1, 3001))
    assert cache.text_bytes.tolist() == [len(text.encode()) for text in texts]
    assert cache.text_hashes.tolist() == [text_hash(text.encode()) for text in texts]
    assert cache.tokens.dtype == np.uint16
    assert cache.built
    assert (cache.document_count, cache.token_count) == (3000, sum(map(len, contents(cache))))
    assert 1 not in cache.tokens and 2 not in cache.tokens


def test_lines_skipped_are_counted_and_numbers_kept(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"text": "one"}\nbroken\n\n{"text": "two"}\n{"text": 4}\n{"text": "three"}')
    cache = open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", bad_lines_limit=0.5)
    assert [tokenizer.decode(document) for document in contents(cache)] == ["one", "two", "three"]
    assert cache.lines.tolist() == [1, 4, 6]
    assert cache.problem_counts == {"bad_json": 1, "wrong_type": 1, "blank": 1}
    assert (cache.skipped_lines, cache.line_count) == (2, 6)
    again = open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", bad_lines_limit=0.5)
    assert not again.built
    assert (again.problems, again.problem_counts) == (cache.problems, cache.problem_counts)


def test_the_policy_holds_when_building_and_when_reusing(tmp_path: Path, tokenizer: Tokenizer) -> None:
    lines = [json.dumps({"text": text}) for text in make_texts(100)]
    lines[16] = "broken"
    lines[39] = '{"text": []}'
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    options: dict[str, Any] = {"tokenizer": tokenizer, "cache_dir": tmp_path / "cache"}

    def refused() -> None:
        with pytest.raises(UserError, match=r"data\.jsonl, line 17: not JSON.*--bad_lines skip"):
            open_token_cache(path, **options, bad_lines="stop")
        with pytest.raises(UserError, match=r"2 of 100 lines.*line 17: .*line 40: .*--bad_lines_limit"):
            open_token_cache(path, **options, bad_lines_limit=0.019)

    refused()
    assert folders(tmp_path / "cache") == []
    assert open_token_cache(path, **options, bad_lines_limit=0.02).skipped_lines == 2
    refused()


def test_a_hopeless_file_is_given_up_early(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "data.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.write('{"text": "one good line"}\n')
        file.writelines('{"title": "no text in this one"}\n' for _line in range(200_000))
    seen: list[BuildProgress] = []
    with pytest.raises(UserError) as caught:
        open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", progress=seen.append)
    lines = int(str(caught.value).split(" of ")[1].split()[0])
    assert lines < 20_000


def test_bad_lines_at_the_front_do_not_condemn_a_good_file(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "data.jsonl"
    good = [json.dumps({"text": text}) for text in make_texts(25_000, longest=3)]
    path.write_text("\n".join([good[0], *["broken"] * 200, *good]), encoding="utf-8")
    assert open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache").skipped_lines == 200


def test_no_usable_text_is_an_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"text": ""}\n{"text": " "}\n')
    with pytest.raises(UserError, match="no usable text in 2 lines"):
        open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", bad_lines_limit=1)
    assert folders(tmp_path / "cache") == []


def test_a_second_open_reads_neither_the_file_nor_the_tokenizer(
    data: Path, tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(content_hash, "_hash", lambda *_: pytest.fail("the file was read again"))
    monkeypatch.setattr(encoding, "_encode", lambda *_: pytest.fail("the texts were tokenised again"))
    again = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert not again.built
    assert contents(again) == contents(first)


def test_another_name_for_the_same_content_shares_the_cache(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    first = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    copy = Path(shutil.copy(data, tmp_path / "copy.jsonl"))
    again = open_token_cache(copy, tokenizer, cache_dir=tmp_path / "cache")
    assert (again.key, again.built) == (first.key, False)


def test_a_changed_file_is_built_again(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    first = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    texts = make_texts(3000)
    same_size = texts[5][:-1] + ("x" if texts[5][-1] != "x" else "y")
    if len(same_size.encode()) == len(texts[5].encode()):
        texts[5] = same_size
    else:
        texts[5] += "x"
    before = data.stat()
    write_jsonl(data, texts)
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))  # the time of change is forged; ctime tells
    again = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert again.built and again.key != first.key
    assert contents(again)[5] == tokenizer.encode(texts[5])


def test_a_file_changed_just_now_is_not_taken_on_its_time_stamp(
    data: Path, tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_hash, "RACY_NS", 2 * 10**9)
    data.touch()
    open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache" / "tokens").glob("hashes/*.json"))
    in_three_seconds = time.time_ns() + 3 * 10**9
    monkeypatch.setattr(content_hash.time, "time_ns", lambda: in_three_seconds)
    open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "tokens").glob("hashes/*.json"))) == 1


def test_tokenizer_field_and_control_text_have_caches_of_their_own(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a <|im_end|> b", "title": "c"}\n{"text": "d", "title": "e"}\n', encoding="utf-8")
    cache_dir = tmp_path / "cache"
    other_file = tmp_path / "other.json"
    spec = json.loads(tokenizer.path.read_text(encoding="utf-8"))
    spec["model"]["merges"] = []
    other_file.write_text(json.dumps(spec), encoding="utf-8")
    control = open_token_cache(path, tokenizer, cache_dir=cache_dir)
    text = open_token_cache(path, tokenizer, cache_dir=cache_dir, control_text="text")
    title = open_token_cache(path, tokenizer, cache_dir=cache_dir, text_field="title")
    other = open_token_cache(path, Tokenizer.load(other_file), cache_dir=cache_dir)
    assert len({control.key, text.key, title.key, other.key}) == 4
    assert (control.control_tokens, control.control_documents) == (1, 1)
    assert 2 in control.document(0)
    assert (text.control_tokens, text.control_documents) == (0, 0)
    assert 2 not in text.document(0)
    assert tokenizer.decode(text.document(0)) == "a <|im_end|> b"
    assert tokenizer.decode(title.document(1)) == "e"


@pytest.mark.parametrize(("highest", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_ids_are_as_wide_as_the_vocabulary_needs(
    tmp_path: Path, tokenizer: Tokenizer, highest: int, dtype: type
) -> None:
    spec = json.loads(tokenizer.path.read_text(encoding="utf-8"))
    spec["model"]["vocab"] |= {f"<filler-{index}>": index for index in range(400, highest)}
    spec["model"]["vocab"]["<top>"] = highest
    spec["added_tokens"].append({**spec["added_tokens"][0], "id": highest, "content": "<top>"})
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    wide = Tokenizer.load(path)
    assert wide.vocab_size == highest + 1
    data = write_jsonl(tmp_path / "data.jsonl", ["a<top>b", "c"])
    cache = open_token_cache(data, wide, cache_dir=tmp_path / "cache")
    assert cache.tokens.dtype == dtype
    assert cache.document(0).tolist() == wide.encode("a<top>b")
    assert highest in cache.document(0)


def damage_truncate(folder: Path) -> None:
    with (folder / "tokens.bin").open("r+b") as file:
        file.truncate(100)


def damage_missing(folder: Path) -> None:
    (folder / "offsets.bin").unlink()


def damage_zeroes(folder: Path) -> None:
    size = (folder / "lines.bin").stat().st_size
    (folder / "lines.bin").write_bytes(bytes(size))


def damage_meta(folder: Path) -> None:
    (folder / "meta.json").write_bytes((folder / "meta.json").read_bytes()[:-20])


def damage_format(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_bytes())
    (folder / "meta.json").write_text(json.dumps({**meta, "format": 99}), encoding="utf-8")


@pytest.mark.parametrize("damage", [damage_truncate, damage_missing, damage_zeroes, damage_meta, damage_format])
def test_a_damaged_cache_is_built_again(data: Path, tmp_path: Path, tokenizer: Tokenizer, damage: Any) -> None:
    first = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    wanted = contents(first)
    damage(first.folder)
    again = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")  # while `first` still counts as in use
    assert again.built
    assert contents(again) == wanted
    assert folders(tmp_path / "cache") == [again.key]


def test_a_full_disk_is_told_in_words_and_leaves_nothing(
    data: Path, tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = cache_folder.Staging.append
    calls = 0

    def full(self: cache_folder.Staging, name: str, array: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, name, array)

    monkeypatch.setattr(cache_folder.Staging, "append", full)
    with pytest.raises(UserError, match=r"disk is full.*needs about [\d.]+ MB, [\d.]+ MB are free.*MINIMIND_CACHE"):
        open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []
    monkeypatch.undo()
    assert open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache").built


def test_a_cache_folder_that_cannot_be_written(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(UserError, match=r"cache.*cannot be used.*MINIMIND_CACHE"):
        open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")


def test_stopping_leaves_nothing(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    seen: list[BuildProgress] = []
    with pytest.raises(BuildStopped):
        open_token_cache(
            data,
            tokenizer,
            cache_dir=tmp_path / "cache",
            progress=seen.append,
            should_stop=lambda: any(state.phase == "tokenising" for state in seen),
        )
    assert folders(tmp_path / "cache") == []
    assert not any(thread.name.startswith("tokenise") for thread in threading.enumerate())


def test_progress_tells_both_phases_to_the_end(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    seen: list[BuildProgress] = []
    open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache", progress=seen.append)
    size = data.stat().st_size
    for phase in ("hashing", "tokenising"):
        states = [state for state in seen if state.phase == phase]
        assert [state.done for state in states] == sorted(state.done for state in states)
        assert (states[-1].done, states[-1].total) == (size, size)
    assert [state for state in seen if state.phase == "tokenising"][-1].documents == 3000


def test_a_file_that_grows_meanwhile_is_refused(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    def grow(state: BuildProgress) -> None:
        if state.phase == "hashing":
            with data.open("ab") as file:
                file.write(b'{"text": "more"}\n')

    with pytest.raises(UserError, match="changed while it was read"):
        open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache", progress=grow)
    assert not (tmp_path / "cache" / "tokens").exists() or folders(tmp_path / "cache") == []


def test_a_file_that_changes_between_the_two_passes_is_refused(
    data: Path, tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.token_cache.content_sha256", lambda *_args, **_options: "0" * 64)
    with pytest.raises(UserError, match="changed while it was read"):
        open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert folders(tmp_path / "cache") == []


BUILD = """
import sys, time
from itertools import pairwise
from pathlib import Path
from engine.data import token_cache
from engine.data.tokenizer import Tokenizer
def progress(state):
    print(state.phase, state.done, flush=True)
    if slow and state.phase == "tokenising":
        time.sleep(0.4)
data, tokenizer, cache_dir, slow = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
cache = token_cache.open_token_cache(data, Tokenizer.load(tokenizer), cache_dir=cache_dir, threads=1, progress=progress)
print("built" if cache.built else "reused", cache.token_count, int(cache.tokens.sum()), flush=True)
"""


def build_elsewhere(data: Path, tokenizer: Tokenizer, cache_dir: Path, slow: bool) -> subprocess.Popen[str]:
    arguments = [str(data), str(tokenizer.path), str(cache_dir), str(int(slow))]
    return subprocess.Popen([sys.executable, "-c", BUILD, *arguments], stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return
    raise AssertionError(f"the other process ended without {word!r}")


def test_two_processes_build_once(data: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    slow = build_elsewhere(data, tokenizer, tmp_path / "cache", slow=True)
    wait_for(slow, "tokenising")
    seen: list[BuildProgress] = []
    mine = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache", progress=seen.append)
    output, _ = slow.communicate(timeout=60)
    assert output.splitlines()[-1] == f"built {mine.token_count} {int(mine.tokens.sum())}"
    assert not mine.built
    waiting = [state for state in seen if state.phase == "waiting"]
    assert waiting and waiting[-1].total == data.stat().st_size  # the builder's own progress


def test_a_killed_build_blocks_nobody_and_leaves_nothing_that_counts(
    data: Path, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    doomed = build_elsewhere(data, tokenizer, tmp_path / "cache", slow=True)
    wait_for(doomed, "tokenising")
    doomed.send_signal(signal.SIGKILL)
    doomed.communicate(timeout=60)
    assert any(name.startswith(cache_folder.STAGING) for name in folders(tmp_path / "cache"))
    cache = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert cache.built
    assert contents(cache) == [tokenizer.encode(text) for text in make_texts(3000)]
    assert folders(tmp_path / "cache") == [cache.key]


def test_a_text_of_megabytes_is_encoded_in_parts_with_the_same_ids(tmp_path: Path, tokenizer: Tokenizer) -> None:
    long_text = " ".join(make_texts(4000))
    assert len(long_text) > 2 * encoding.SEGMENT_CHARACTERS
    data = write_jsonl(tmp_path / "data.jsonl", ["short", long_text, "end"])
    cache = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    assert contents(cache) == [tokenizer.encode(text) for text in ("short", long_text, "end")]


def test_threads_are_gone_after_an_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    data = write_jsonl(tmp_path / "data.jsonl", make_texts(3000))
    with data.open("a", encoding="utf-8") as file:
        file.write("broken\n")
    with pytest.raises(UserError):
        open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache", bad_lines="stop")
    assert not any(thread.name.startswith("tokenise") for thread in threading.enumerate())
