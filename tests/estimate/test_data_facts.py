"""What text comes to: exactly where its rows are built, nearly where it is only inspected; nothing is ever built."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from estimate_material import settings_of

from engine.data.inspect import inspect_file
from engine.data.row_options import row_options
from engine.data.rows import RowTable, build_rows
from engine.data.split import choose_validation
from engine.data.token_cache import open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.estimate.data_facts import DataFacts, data_facts, exact_data_facts
from engine.places import builtin_dir
from engine.settings.settings import Settings

VARIANTS: list[dict[str, Any]] = [
    {}, {"pack": False}, {"overlong": "truncate"}, {"special_tokens": "none"}, {"validation": False},
    {"max_seq_len": 512}, {"pack": False, "overlong": "truncate", "max_seq_len": 32},
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(builtin_dir("datasets") / "tokenizer.json")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """The first 800 shipped texts, as old as a file whose hash is remembered."""
    with (builtin_dir("datasets") / "mini_pretrain_data.jsonl").open(encoding="utf-8") as source:
        lines = [next(source) for _line in range(800)]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    os.utime(path, (1e9, 1e9))
    return path


def build(texts: Path, tokenizer: Tokenizer, settings: Settings, cache_dir: Path) -> tuple[RowTable, RowTable | None]:
    """The rows that a run builds, training's and validation's."""
    cache = open_token_cache(texts, tokenizer, cache_dir=cache_dir, bad_lines_limit=1.0, threads=1)
    split = choose_validation(cache, max_tokens=settings.validation_tokens) if settings.validation else None
    training = build_rows(cache, None if split is None else split.training, **row_options(settings, tokenizer))
    if split is None:
        return training, None
    return training, build_rows(cache, split.validation, **row_options(settings, tokenizer, validation=True))


def wait_until_remembered(texts: Path) -> None:
    """A file changed within the last two seconds may change again, so its hash is not remembered: ctime counts."""
    while time.time() < texts.stat().st_ctime + 2.1:
        time.sleep(0.05)


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_counts_are_exact_where_rows_are_built(texts: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    cache_dir = tmp_path / "cache"
    assert exact_data_facts(texts, tokenizer, settings_of(), cache_dir) is None
    assert not cache_dir.exists()
    wait_until_remembered(texts)
    for variant in VARIANTS:
        settings = settings_of(**variant)
        before = everything_below(cache_dir)
        assert exact_data_facts(texts, tokenizer, settings, cache_dir) is None, variant
        assert everything_below(cache_dir) == before
        training, validation = build(texts, tokenizer, settings, cache_dir)
        facts = exact_data_facts(texts, tokenizer, settings, cache_dir)
        assert facts == DataFacts(
            training.row_count,
            training.target_tokens,
            exact=True,
            validation_tokens=validation.target_tokens if validation is not None else 0,
            context=training.mean_context,
        )


def test_a_changed_file_is_not_taken_for_the_old_one(texts: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    wait_until_remembered(texts)
    build(texts, tokenizer, settings_of(), tmp_path / "cache")
    with texts.open("a") as file:
        file.write(json.dumps({"text": "One more."}) + "\n")
    assert exact_data_facts(texts, tokenizer, settings_of(), tmp_path / "cache") is None
    texts.unlink()
    facts = exact_data_facts(texts, tokenizer, settings_of(), tmp_path / "cache")
    assert facts is not None and str(texts) in facts.problems[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_inspection_comes_close(texts: Path, tokenizer: Tokenizer, tmp_path: Path, variant: dict[str, Any]) -> None:
    settings = settings_of(**variant)
    training, validation = build(texts, tokenizer, settings, tmp_path / "cache")
    estimate = data_facts(inspect(texts, tokenizer, settings), settings)
    assert not estimate.exact and not estimate.problems
    assert estimate.rows_per_epoch == pytest.approx(training.row_count, rel=0.05)
    assert estimate.tokens_per_epoch == pytest.approx(training.target_tokens, rel=0.05)
    held_out = validation.target_tokens if validation is not None else 0
    if settings.overlong == "split":
        assert estimate.validation_tokens == pytest.approx(held_out, rel=0.25)
    assert estimate.context == pytest.approx(training.mean_context, rel=0.35)


def inspect(texts: Path, tokenizer: Tokenizer, settings: Settings, limit: float = 0.01) -> Any:
    return inspect_file(
        texts,
        tokenizer,
        max_seq_len=settings.max_seq_len,
        special_tokens=settings.special_tokens,
        overlong=settings.overlong,
        bad_lines_limit=limit,
        sample_rows=1,
        threads=1,
    )


def spoil(texts: Path, lines: int) -> None:
    with texts.open("a") as file:
        file.write("{ torn\n" * lines)


def test_bad_lines_beyond_the_limit_are_a_problem(texts: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    spoil(texts, 40)
    settings = settings_of()
    (estimated,) = data_facts(inspect(texts, tokenizer, settings), settings).problems
    assert "bad_lines_limit" in estimated
    lenient = settings_of(bad_lines_limit=0.5)
    assert data_facts(inspect(texts, tokenizer, lenient, 0.5), lenient).problems == ()
    wait_until_remembered(texts)
    build(texts, tokenizer, settings, tmp_path / "cache")
    exact = exact_data_facts(texts, tokenizer, settings, tmp_path / "cache")
    assert exact is not None and "bad_lines_limit" in exact.problems[0]
    allowed = exact_data_facts(texts, tokenizer, lenient, tmp_path / "cache")
    assert allowed is not None and allowed.problems == () and allowed.rows_per_epoch > 0


def test_one_bad_line_is_a_problem_where_it_stops_the_run(texts: Path, tokenizer: Tokenizer) -> None:
    spoil(texts, 1)
    skip, stop = settings_of(), settings_of(bad_lines="stop")
    assert data_facts(inspect(texts, tokenizer, skip), skip).problems == ()
    (problem,) = data_facts(inspect(texts, tokenizer, stop), stop).problems
    assert "801" in problem


def test_nothing_usable_is_a_problem(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text('{"text": ""}\n' * 20)
    facts = data_facts(inspect(path, tokenizer, settings_of()), settings_of())
    assert facts.rows_per_epoch == 0 and facts.problems
