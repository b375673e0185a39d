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
    assert "--older_than long: not a duration" in called.err
