"""Amounts of text as people write them, what they come to, and what the caches made of them really take."""

import json
from pathlib import Path

import pytest
from estimate_material import data_of, settings_of

from engine.data.rows import build_rows
from engine.data.token_cache import open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.estimate.text_size import TEXT_KINDS, TextPlan, assumed_text, cache_bytes, known_text, parse_bytes
from engine.places import builtin_dir


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 10**9),
        ("1TB", 10**12),
        ("2.5 tb", 2_500_000_000_000),
        ("500M", 500_000_000),
        ("1GiB", 2**30),
        ("1024", 1024),
        ("7B", 7),
        (" 10GB ", 10**10),
    ],
)
def test_amounts(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "0", "0GB", "1XB", "1 G B", "1e9", "nan", "inf", "1iB", "9" * 400, "11PB", "1GB/s"]
)
def test_what_is_no_amount_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="no amount of text") as error:
        parse_bytes(text)
    assert "\n" not in str(error.value)


def test_tokens_by_hand() -> None:
    text = assumed_text(4_400_000, TEXT_KINDS["mixed"], settings_of())  # 4.4 bytes a token, 1,000 a text, an eos each
    assert (text.tokens, text.documents) == (1_000_000 + 4_400, 4_400)
    assert text.tokens_low == round(4_400_000 / 5.1) + 4_400 and text.tokens_high == round(4_400_000 / 3.2) + 4_400
    assert text.rows == pytest.approx(text.tokens / (0.97 * 128), abs=1)
    bare = assumed_text(4_400_000, TEXT_KINDS["mixed"], settings_of(special_tokens="none"))
    assert bare.tokens == 1_000_000 - 4_400  # the first of each text has nothing that predicts it


def test_a_padded_row_holds_one_text() -> None:
    text = assumed_text(10**6, TEXT_KINDS["zh"], settings_of(pack=False, max_seq_len=512))
    assert text.rows == text.documents == 1000
    assert text.fill == pytest.approx((1000 / 4.8 + 1) / 512, rel=1e-3)


@pytest.mark.parametrize("size", [1, 2, 999])
def test_a_little_text_is_still_some(size: int) -> None:
    for specials in ("both", "none"):
        text = assumed_text(size, TEXT_KINDS["en"], settings_of(special_tokens=specials))
        assert min(text.tokens_low, text.tokens, text.tokens_high, text.rows, text.documents) >= 1


def test_a_known_text_is_taken_as_it_is() -> None:
    text = known_text(10**6, data_of(rows=1000, tokens=100_000, context=50.0), settings_of())
    assert (text.tokens_low, text.tokens, text.tokens_high) == (100_000,) * 3
    assert text.rows == 1000 and text.fill == pytest.approx(100_000 / 128_000)
    assert text.source == "built" and text.bytes_to_tokenise == 0 and text.context == 50.0


def test_the_cache_takes_what_its_arrays_take(tmp_path: Path) -> None:
    """Against the files that engine.data writes, but for its two meta.json."""
    data = tmp_path / "texts.jsonl"
    data.write_text("".join(json.dumps({"text": f"Text number {n} of many."}) + "\n" for n in range(500)))
    tokenizer = Tokenizer.load(builtin_dir("datasets") / "tokenizer.json")
    cache = open_token_cache(data, tokenizer, cache_dir=tmp_path / "cache")
    rows = build_rows(cache, None, max_seq_len=128, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    held = sum(path.stat().st_size for path in cache.folder.rglob("*.bin"))
    text = TextPlan(
        bytes=data.stat().st_size,
        tokens=cache.token_count,
        tokens_low=cache.token_count,
        tokens_high=cache.token_count,
        documents=cache.document_count,
        rows=rows.row_count,
        fill=rows.fill,
        source="built",
    )
    pieces = cache.token_count // 128  # the formula allows for texts that are cut; none is here
    beginnings = 8 + 8  # two arrays of ends begin with a zero
    assert cache_bytes(text, settings_of(), tokenizer.vocab_size) == held - beginnings + 12 * pieces
    assert cache_bytes(text, settings_of(), 2**16 + 1) == cache_bytes(text, settings_of(), 6400) + 2 * text.tokens
