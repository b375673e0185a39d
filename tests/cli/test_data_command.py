"""`minimind data`: the token cache listed and cleaned."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tokenizers
from cli_helpers import Minimind
from tokenizers import decoders, models, pre_tokenizers, trainers

from engine.data.token_cache import TokenCache, open_token_cache
from engine.data.tokenizer import Tokenizer
from minimind_tui.cli.completion import complete_data
from minimind_tui.cli.inspection import histogram


@pytest.fixture(scope="session")
def small_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer.json of bytes alone."""
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(["Text number 1."], trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    library.save(str(path))
    return path


@pytest.fixture
def caches(workspace: Path, small_tokenizer: Path) -> Iterator[list[TokenCache]]:
    """The caches of two data files; while a cache is in the list it is in use."""
    (workspace / "other.jsonl").write_text('{"text": "Another \\u001b[2Jtext."}\n')
    tokenizer = Tokenizer.load(small_tokenizer)
    yield [
        open_token_cache(workspace / name, tokenizer, cache_dir=workspace / "cache", threads=1)
        for name in ("texts.jsonl", "other.jsonl")
    ]


def test_the_cache_is_listed_with_its_size(minimind: Minimind, workspace: Path, caches: list[TokenCache]) -> None:
    called = minimind("data", "cache")
    assert called.code == 0
    assert str(workspace / "texts.jsonl") in called.out and str(workspace / "other.jsonl") in called.out
    assert "2 caches, " in called.out and str(workspace / "cache") in called.out
    records = [json.loads(line) for line in minimind("data", "cache", "--json").out.splitlines()]
    assert {Path(record["source"]).name: record["documents"] for record in records} == {
        "texts.jsonl": 40,
        "other.jsonl": 1,
    }
    assert sum(record["bytes"] for record in records) > 0


def test_cleaning_leaves_what_is_in_use_and_says_what_it_freed(
    minimind: Minimind, workspace: Path, caches: list[TokenCache]
) -> None:
    caches.pop()  # nobody uses the second any more
    called = minimind("data", "cache", "clean")
    assert called.code == 0
    assert "Removed 1 caches; " in called.out
    assert f"In use, left alone: {workspace / 'texts.jsonl'}" in called.out
    caches.clear()
    assert "Removed 0 caches" in minimind("data", "cache", "clean", "--older-than", "1h").out
    assert "Removed 1 caches" in minimind("data", "cache", "clean").out
    assert "0 caches, 0 B" in minimind("data", "cache").out


def test_a_wrong_age_is_a_mistake(minimind: Minimind) -> None:
    called = minimind("data", "cache", "clean", "--older_than", "long")
    assert called.code == 2
    assert "older_than = long (--older_than): expected a duration" in called.err


def inspect(minimind: Minimind, small_tokenizer: Path, *more: str) -> str:
    called = minimind("data", "inspect", "data.jsonl", "--tokenizer", str(small_tokenizer), *more)
    assert (called.code, called.err) == (0, "")
    return called.out


def test_a_thousand_lines_of_forty_texts_are_seen_through(minimind: Minimind, small_tokenizer: Path) -> None:
    texts = [json.dumps({"text": f"The {n}th of forty texts, \x1b[2J每一篇都不同。" * 3}) for n in range(40)]
    lines = [texts[n % 40] for n in range(1000)]
    lines[500] = "{broken"
    lines[700] = '{"txt": "no text"}'
    Path("data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    out = inspect(minimind, small_tokenizer, "--preset", "mini", "--rows", "1")
    flat = " ".join(out.split())
    assert "data.jsonl: " in out.splitlines()[0] and "998 documents" in out.splitlines()[0]
    assert "998 documents, but only 40 distinct texts" in flat
    assert "exact copies: 96.0% (40 distinct of 998 compared)" in flat
    assert "line 501: not JSON" in flat and "line 701: no field 'text'; it has 'txt'" in flat
    assert "rows of 256 positions" in flat
    assert "<|im_start|>The " in flat and "\x1b" not in out
    assert flat.index("Verdict") < flat.index("Length in tokens") < flat.index("Problems") < flat.index("Rows as")


def test_the_histogram_is_as_long_as_its_counts(minimind: Minimind, small_tokenizer: Path) -> None:
    lines = [json.dumps({"text": "ab " * words}) for words in [10] * 30 + [80] * 10]
    Path("data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [line for line in inspect(minimind, small_tokenizer).splitlines() if "█" in line]
    assert [row.count("█") for row in rows] == [40, 13]
    assert [row.split()[-1] for row in rows] == ["30", "10"]


@pytest.mark.parametrize("width", [20, 30, 80])
def test_the_histogram_fits_and_hides_no_bin(width: int) -> None:
    lines = list(histogram([("0-7", 3), ("8-15", 100_000), ("16-31", 0)], width))
    assert all(len(line) <= max(width, 26) for line in lines)
    assert [line.count("█") > 0 for line in lines] == [True, True, False]


def test_settings_of_its_own_and_json(minimind: Minimind, small_tokenizer: Path) -> None:
    Path("data.jsonl").write_text('{"content": "one two three"}\n' * 3, encoding="utf-8")
    report = json.loads(inspect(minimind, small_tokenizer, "--text_field", "content", "--max-seq-len", "64", "--json"))
    assert (report["documents"], report["max_seq_len"]) == (3, 64)
    assert report["verdict"][0]["level"] in ("warning", "error")
    called = minimind("data", "inspect", "data.jsonl", "--tokenizer", str(small_tokenizer))
    assert called.code == 2 and "--text_field content" in called.err


def test_a_wrong_path_names_the_nearest(minimind: Minimind, workspace: Path) -> None:
    called = minimind("data", "inspect", "text.jsonl")
    assert called.code == 2 and "texts.jsonl" in called.err
    called = minimind("data", "inspect", "texts.jsonl", "--max_seq_len", "many")
    assert called.code == 2 and "--max_seq_len" in called.err


def test_tokens_are_compared_with_the_presets_model(minimind: Minimind, small_tokenizer: Path) -> None:
    Path("data.jsonl").write_text('{"text": "one two three"}\n' * 3, encoding="utf-8")
    sizes = {
        name: json.loads(inspect(minimind, small_tokenizer, "--preset", name, "--json"))["parameters"]
        for name in ("mini", "full")
    }
    assert sizes["full"] == 25_829_888 - (6400 - Tokenizer.load(small_tokenizer).vocab_size) * 512
    assert sizes["mini"] < sizes["full"]


def test_the_shell_completes_data_files(workspace: Path) -> None:
    (workspace / "more").mkdir()
    assert complete_data("te") == ["texts.jsonl"]
    assert "more/" in complete_data("")
