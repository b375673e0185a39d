"""A small tokenizer trained on the fly, and token caches made with it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import tokenizers
from data_material import SPECIALS, make_texts, write_jsonl
from tokenizers import decoders, models, pre_tokenizers, trainers

from engine.data.token_cache import TokenCache, open_token_cache
from engine.data.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(make_texts(300), trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    library.save(str(path))
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return Tokenizer.load(tokenizer_file)


@pytest.fixture
def make_cache(tmp_path: Path, tokenizer: Tokenizer) -> Callable[[Sequence[str]], TokenCache]:
    def make(texts: Sequence[str]) -> TokenCache:
        path = write_jsonl(tmp_path / f"data-{abs(hash(tuple(texts)))}.jsonl", texts)
        return open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", threads=1)

    return make
