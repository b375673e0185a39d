"""Every other file that is read: data, tokenizers, caches, preferences, presets, answers of processes."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import fuzzed, hostile, no_hang

from engine.data.cache_folder import META, read_intact_meta
from engine.data.cache_upkeep import cache_size
from engine.data.file_check import check_file
from engine.data.inspect import inspect_file
from engine.data.jsonl import LineReader
from engine.data.token_cache import existing_token_cache, open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.places import builtin_dir
from engine.run.interval_lists import lists_of
from engine.run.lock import holder_of
from engine.run.publishing import check_save_dir, may_publish, published_by
from engine.run.rank_errors import read_errors
from engine.settings.presets import preset_paths, read_preset
from engine.settings.run_toml import parse_settings
from engine.worker.generation_request import read_request
from minimind_tui.core.experts import expert_look, headline, layer_course, starving_line, strip
from minimind_tui.core.preferences import load_preferences, preferences_path, save_preferences
from minimind_tui.core.ranks import rank_lines, rank_look
from minimind_tui.core.run_settings import read_run_settings
from minimind_tui.generating import read_message, understood

Read = Callable[[Path], object]

TOKENIZER = builtin_dir("datasets") / "tokenizer.json"
TEXTS = b"".join(json.dumps({"text": f"Text {number}. \u7b2c{number}\u7bc7"}).encode() + b"\n" for number in range(30))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIMIND_RUNS", "MINIMIND_CACHE", "MINIMIND_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)


def fuzz(path: Path, valid: list[bytes], read: Read) -> None:
    """Put anything into `path`, and read it; a UserError is an answer."""
    path.parent.mkdir(parents=True, exist_ok=True)

    @fuzzed
    @given(st.data())
    def look(data: st.DataObject) -> None:
        path.write_bytes(data.draw(hostile(valid)))
        with no_hang():
            try:
                read(path)
            except UserError as error:
                assert str(error)

    look()


def test_data(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(TOKENIZER)

    def read(path: Path) -> None:
        for _number, text in LineReader(path):
            assert text.encode()
        inspect_file(path, tokenizer, max_seq_len=64, time_budget_s=5.0, threads=1)

    fuzz(tmp_path / "data.jsonl", [TEXTS], read)


def test_data_on_its_way_into_the_cache(tmp_path: Path, small_tokenizer: Tokenizer) -> None:
    def read(path: Path) -> None:
        check_file(path)
        open_token_cache(path, small_tokenizer, cache_dir=tmp_path / "cache", threads=1)

    fuzz(tmp_path / "data.jsonl", [TEXTS], read)


@pytest.fixture(scope="module")
def small_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    path = tmp_path_factory.mktemp("small") / "tokenizer.json"
    path.write_bytes(small_tokenizer_json())
    return Tokenizer.load(path)


def small_tokenizer_json() -> bytes:
    """The shipped tokenizer with its first pieces alone: small enough to be changed a thousand times."""
    content = json.loads(TOKENIZER.read_bytes())
    vocabulary = dict(sorted(content["model"]["vocab"].items(), key=lambda pair: pair[1])[:300])
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in content["model"]["merges"]]
    content["model"]["vocab"] = vocabulary
    content["model"]["merges"] = [
        pair for pair in merges if "".join(pair) in vocabulary and set(pair) <= set(vocabulary)
    ]
    content["added_tokens"] = [one for one in content["added_tokens"] if one["id"] < 300]
    return json.dumps(content).encode()


def test_tokenizer(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        tokenizer = Tokenizer.load(path)
        ids = tokenizer.encode("A text, \u7b2c\u4e00\u7bc7")
        tokenizer.decode(ids)

    fuzz(tmp_path / "tokenizer.json", [small_tokenizer_json()], read)


def test_what_stands_beside_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(small_tokenizer_json())
    config = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "pad_token": None}
    fuzz(tmp_path / "tokenizer_config.json", [json.dumps(config).encode()], lambda path: Tokenizer.load(path.parent))


def test_the_description_of_a_token_cache(tmp_path: Path, small_tokenizer: Tokenizer) -> None:
    data = tmp_path / "data.jsonl"
    data.write_bytes(TEXTS)
    cache = open_token_cache(data, small_tokenizer, cache_dir=tmp_path / "cache", threads=1)
    meta = cache.folder / META
    valid = meta.read_bytes()
    del cache

    def read(path: Path) -> None:
        read_intact_meta(path.parent, orjson.loads(valid)["format"])
        existing_token_cache(data, small_tokenizer, cache_dir=tmp_path / "cache")
        cache_size(tmp_path / "cache")

    fuzz(meta, [valid], read)


def test_the_memo_of_a_file_s_hash(tmp_path: Path, small_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.data.content_hash.RACY_NS", -(10**12))  # new files are remembered, too
    data = tmp_path / "data.jsonl"
    data.write_bytes(TEXTS)
    open_token_cache(data, small_tokenizer, cache_dir=tmp_path / "cache", threads=1)
    [memo] = (tmp_path / "cache" / "tokens" / "hashes").iterdir()
    valid = memo.read_bytes()
    fuzz(memo, [valid], lambda _path: existing_token_cache(data, small_tokenizer, cache_dir=tmp_path / "cache"))


def test_preferences(tmp_path: Path) -> None:
    valid = b'language = "en"\ntheme = "minimind-dark"\nrefresh_seconds = 1.0\nprice_per_hour = 0.5\nwelcomed = true\n'

    def read(_path: Path) -> None:
        preferences, _problem = load_preferences()
        save_preferences(preferences)

    fuzz(preferences_path(), [valid], read)


def test_presets_and_settings(tmp_path: Path) -> None:
    valid = [path.read_bytes() for path in preset_paths().values()]

    def read(path: Path) -> None:
        read_run_settings(path)
        for one in (read_preset, parse_settings, lambda path: read_preset(path).settings()):
            try:
                one(path)
            except UserError as error:
                assert path.name in str(error) or "preset" in str(error)

    fuzz(tmp_path / "presets" / "mine.toml", valid, read)


def test_whose_published_weights_are(tmp_path: Path) -> None:
    valid = orjson.dumps({"run": "20261124-031500-a", "step": 3, "tokenizer_hash": "h", "written": "t"})
    (tmp_path / "pretrain_16.pth").write_bytes(b"")

    def read(path: Path) -> None:
        published_by(path.parent, path.stem)
        may_publish(path.parent, path.stem, "a")
        check_save_dir(path.parent, path.stem, ancestors=frozenset({"a"}), start=None, force=False)

    fuzz(tmp_path / "pretrain_16.json", [valid], read)


def test_words_of_ranks_and_holders_of_locks(tmp_path: Path) -> None:
    error = orjson.dumps({"rank": 1, "at": 1.5, "reason": "memory", "message": "m", "about_others": True})
    fuzz(tmp_path / "rank-1.json", [error], lambda path: read_errors(path.parent))
    process = orjson.dumps({"pid": 1, "start": 1.0, "host": "h", "boot": "b", "pid_space": 2})
    fuzz(tmp_path / "run.lock", [process], holder_of)


def test_lists_in_the_log(tmp_path: Path) -> None:
    line = {"step": 3, "expert_load": [[0.5, 0.5], [0.1, 0.9]], "rank_seconds": [0.1, 0.2], "rank_data_wait": [0, 1]}

    def read(path: Path) -> None:
        for raw in path.read_bytes().splitlines():
            try:
                value = orjson.loads(raw)
            except orjson.JSONDecodeError:
                continue
            if not isinstance(value, dict) or (lists := lists_of({"step": 1} | value)) is None:
                continue
            if (experts := expert_look([lists, lists])) is not None:
                headline(experts, None)
                if experts.starving:
                    starving_line(experts)
                for layer in experts.layers:
                    strip(layer)
                    layer_course([lists, lists], layer.layer)
            if (ranks := rank_look([lists, lists])) is not None:
                rank_lines(ranks)

    fuzz(tmp_path / "lines", [orjson.dumps(line)], read)


def test_lines_of_the_generating_process(tmp_path: Path) -> None:
    request = {"weights": "w.pth", "tokenizer": "t", "prompt": "p", "id": 3, "seed": 1, "top_p": 0.5, "language": "en"}
    answers = [
        {"id": 1, "begun": True, "device": "cpu", "step": 3, "heads_assumed": None, "file_is_gone": False},
        {"id": 1, "text": "t", "tokens": 3},
        {"id": 1, "done": True, "tokens": 3, "tokens_per_s": 1.0, "log_probability": -1.0, "ended": "eos"},
        {"id": 1, "error": "why"},
    ]

    def read(path: Path) -> None:
        text = path.read_bytes()
        for line in io.StringIO(text.decode("utf-8", "replace")):
            if (message := read_message(line)) is not None:
                understood(message)
        read_request(text)

    fuzz(tmp_path / "request", [orjson.dumps(request)], read)
    fuzz(tmp_path / "answer", [orjson.dumps(answer) for answer in answers], read)
