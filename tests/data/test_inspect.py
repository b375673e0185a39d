"""The report on a data file: exact on a small one, honest estimates on a large one, and a verdict in words."""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_material import WORDS, make_texts, write_jsonl

from engine.data import survey as survey_module
from engine.data.inspect import inspect_file
from engine.data.inspect_report import Finding, InspectReport
from engine.data.rows import build_rows
from engine.data.survey import UniformSample, survey_file
from engine.data.token_cache import open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.data.verdict import judge
from engine.errors import UserError


def levels(report: InspectReport) -> dict[str, str]:
    return {finding.message: finding.level for finding in report.verdict}


def finding(report: InspectReport, *words: str) -> Finding:
    found = [one for one in report.verdict if all(word in one.message for word in words)]
    assert found, [one.message for one in report.verdict]
    return found[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


@pytest.mark.parametrize("overlong", ["split", "truncate"])
@pytest.mark.parametrize("special_tokens", ["both", "none"])
def test_a_small_file_is_measured_exactly_as_training_will_see_it(
    path: Path, tokenizer: Tokenizer, tmp_path: Path, special_tokens: Any, overlong: Any
) -> None:
    write_jsonl(path, make_texts(800, longest=60))
    options: Any = {"special_tokens": special_tokens, "overlong": overlong}
    report = inspect_file(path, tokenizer, max_seq_len=128, parameters=1000, **options)
    cache = open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache")
    rows = {
        pack: build_rows(cache, max_seq_len=128, bos_id=1, eos_id=2, pack=pack, **options) for pack in (True, False)
    }
    assert (report.documents, report.documents_exact) == (800, True)
    assert (report.tokens, report.tokens_exact) == (cache.token_count, True)
    assert report.bytes == path.stat().st_size
    assert report.tokens_per_parameter == cache.token_count / 1000
    characters = sum(map(len, make_texts(800, longest=60)))
    assert report.characters_per_token == pytest.approx(characters / cache.token_count)
    assert report.bytes_per_token == pytest.approx(cache.text_bytes.sum() / cache.token_count)
    assert report.fill_packed == pytest.approx(rows[True].fill, abs=0.01)
    assert report.fill_padded == pytest.approx(rows[False].fill, abs=0.01)
    lengths = np.diff(cache.offsets.astype(int))
    counts, _edges = np.histogram(lengths, bins=report.length_edges)
    assert report.length_counts == tuple(counts)
    assert sum(report.length_counts) == report.length_documents == 800
    assert report.median_tokens == np.median(lengths)
    truncated = build_rows(
        cache, max_seq_len=128, bos_id=1, eos_id=2, special_tokens=special_tokens, overlong="truncate"
    )
    assert report.truncated_token_share == pytest.approx(truncated.truncated_tokens / cache.token_count)


def test_problems_carry_their_line_numbers_and_are_judged(path: Path, tokenizer: Tokenizer) -> None:
    lines = [json.dumps({"text": text}) for text in make_texts(500)]
    for number in (4, 17, 300):
        lines[number - 1] = "broken"
    lines[9] = '{"title": "x"}'
    path.write_text("\n".join(lines), encoding="utf-8")
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert [(problem.line, problem.kind) for problem in report.problems] == [
        (4, "bad_json"),
        (10, "no_text"),
        (17, "bad_json"),
        (300, "bad_json"),
    ]
    assert report.problem_counts == {"bad_json": 3, "no_text": 1}
    assert (report.documents, report.unusable_lines, report.lines_looked_at) == (496, 4, 500)
    assert finding(report, "0.80%", "skipped").level == "note"
    strict = inspect_file(path, tokenizer, max_seq_len=128, bad_lines_limit=0.005)
    assert finding(strict, "0.80%", "--bad_lines_limit").level == "error"
    assert not any(one.level == "ok" for one in strict.verdict)


def test_forty_texts_in_a_thousand_lines_are_said_with_advice(path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(path, make_texts(40) * 25)
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert (report.duplicates.compared, report.duplicates.distinct, report.duplicates.exact) == (1000, 40, True)
    assert report.duplicates.share == pytest.approx(0.96)
    told = finding(report, "1,000 documents", "40 distinct", "25 times", "many different texts")
    assert told.level == "warning"
    assert not any(one.level == "ok" for one in report.verdict)


def test_good_data_is_called_good(path: Path, tokenizer: Tokenizer) -> None:
    rng = random.Random(0)
    write_jsonl(path, [" ".join(f"{rng.choice(WORDS)}{rng.randrange(50)}" for _w in range(80)) for _t in range(900)])
    report = inspect_file(path, tokenizer, max_seq_len=512, parameters=5000)
    assert report.verdict[0].level == "ok"
    assert "900 documents" in report.verdict[0].message
    assert {one.level for one in report.verdict} <= {"ok", "note"}
    assert finding(report, "parameters", "plenty").level == "note"


def test_tokens_per_parameter_are_judged(path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(path, make_texts(500))
    tokens = inspect_file(path, tokenizer, max_seq_len=128).tokens
    few = inspect_file(path, tokenizer, max_seq_len=128, parameters=tokens * 4)
    assert finding(few, "0.25 tokens", "by heart", f"{80 * tokens:,}").level == "warning"
    some = inspect_file(path, tokenizer, max_seq_len=128, parameters=tokens // 5)
    assert finding(some, "several epochs").level == "note"
    assert finding(inspect_file(path, tokenizer, max_seq_len=128), "Only", "tokens").level == "warning"


def test_long_texts_are_told_with_what_truncation_loses(path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(path, [f"{number} " + " ".join(make_texts(20, seed=number)) for number in range(60)])
    split = inspect_file(path, tokenizer, max_seq_len=64)
    assert split.overlong_share == 1.0
    assert finding(split, "100.0%", "split").level == "note"
    cut = inspect_file(path, tokenizer, max_seq_len=64, overlong="truncate")
    assert cut.truncated_token_share > 0.5
    assert finding(cut, "truncated", "--overlong split").level == "warning"


def test_control_tokens_in_texts_are_told(path: Path, tokenizer: Tokenizer) -> None:
    texts = make_texts(100)
    texts[:30] = [f"<|im_start|>{text}<|im_end|> <|im_end|>" for text in texts[:30]]
    write_jsonl(path, texts)
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert report.control_share == pytest.approx(0.3)
    assert report.control_example in ("<|im_start|>", "<|im_end|>")
    assert finding(report, "30.0%", report.control_example).level == "note"


def test_scripts_are_shares_of_letters(path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(path, ["春天来了abcd, 123!", "дом", "é"])
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert report.scripts == pytest.approx({"chinese": 4 / 12, "latin": 5 / 12, "other": 3 / 12})


def test_a_tokenizer_that_does_not_fit_is_told(path: Path, tokenizer: Tokenizer) -> None:
    rng = random.Random(0)
    write_jsonl(path, ["".join(chr(rng.randrange(0x0E01, 0x0E3A)) for _c in range(50)) for _t in range(50)])
    assert finding(inspect_file(path, tokenizer, max_seq_len=128), "does not fit").level == "warning"


def test_sample_rows_show_what_the_model_sees(path: Path, tokenizer: Tokenizer) -> None:
    texts = [f"{number} " + "river " * (number % 90) + "end" for number in range(200)]
    write_jsonl(path, texts)
    report = inspect_file(path, tokenizer, max_seq_len=64, sample_rows=4)
    assert len(report.rows) == 4
    for row in report.rows:
        assert sum(piece.tokens - 1 for piece in row.pieces) + row.padding == 64
        for piece in row.pieces:
            whole = "<|im_start|>" + texts[piece.line - 1] + "<|im_end|>"
            assert piece.text in whole
            assert piece.starts_inside == (not whole.startswith(piece.text))
            assert piece.ends_inside == (not whole.endswith(piece.text))
    assert any(len(row.pieces) > 1 for row in report.rows)
    bare = inspect_file(path, tokenizer, max_seq_len=64, special_tokens="none")
    assert all("<|im" not in piece.text for row in bare.rows for piece in row.pieces)


def test_a_file_that_is_no_jsonl_is_refused(path: Path, tokenizer: Tokenizer) -> None:
    path.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(UserError, match="gzip"):
        inspect_file(path, tokenizer, max_seq_len=128)


def test_one_document_only(path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(path, ["a"])
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert (report.documents, report.duplicates.share, report.near_duplicates.share) == (1, 0.0, 0.0)
    assert len(report.rows) == 1


def test_nothing_usable_is_an_error(path: Path, tokenizer: Tokenizer) -> None:
    path.write_bytes(b'{"text": ""}\n' * 5)
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert (report.documents, report.tokens, report.rows) == (0, 0, ())
    assert report.verdict[0].level == "error"


@pytest.fixture
def large(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as too large to be read whole: 15,000 lines, a broken one in each hundred."""
    rng = random.Random(5)
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, 15_001):
            if number % 100 == 50:
                file.write("broken line\n")
            else:
                words = " ".join(rng.choices(WORDS, k=rng.randint(5, 60)))
                file.write(json.dumps({"text": f"{number} {words}"}, ensure_ascii=False) + "\n")
    monkeypatch.setattr(survey_module, "WHOLE_BYTES_PER_SECOND", 1000)
    monkeypatch.setattr(survey_module, "_CHUNK_BYTES", 1024)
    monkeypatch.setattr(survey_module, "_MARK_LINES", 16)
    return path


def test_a_large_file_is_sampled_with_exact_line_numbers(large: Path, tokenizer: Tokenizer) -> None:
    report = inspect_file(large, tokenizer, max_seq_len=128, time_budget_s=3)
    assert not report.whole and not report.documents_exact and not report.tokens_exact
    assert report.line_numbers_exact
    assert 1000 < report.lines_looked_at < 15_000
    assert report.documents == pytest.approx(14_850, rel=0.01)
    assert report.problems and all(problem.line % 100 == 50 for problem in report.problems)
    assert report.duplicates.compared == 15_000
    assert report.duplicates.distinct == 14_851  # the broken lines are alike
    for row in report.rows:
        for piece in row.pieces:
            if not piece.starts_inside:
                assert piece.text.startswith(f"<|im_start|>{piece.line} ")
    with large.open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file if line.startswith("{")]
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    assert report.tokens == pytest.approx(tokens, rel=0.03)


def test_out_of_time_the_report_is_still_whole_and_says_estimates(
    large: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**9))
    monkeypatch.setattr(survey_module.time, "monotonic", lambda: float(next(clock)) / 100)
    survey = survey_file(large, "text", 2.0)
    assert not survey.lines_exact and not survey.line_numbers_exact
    assert survey.hashed_bytes < survey.size
    assert survey.documents == pytest.approx(14_850, rel=0.05)
    assert 0 < survey.parsed_lines < 15_000
    lines = [line for line, _text in survey.sample.documents]
    assert max(lines) > 12_000 and min(lines) < 3_000  # spread over the file though the clock ran out


def test_a_uniform_sample_is_bounded_even_and_complete_when_it_fits() -> None:
    small = UniformSample(10_000)
    for line in range(1, 101):
        small.add(line, "x" * 50)
    assert small.complete and len(small.documents) == 100
    large = UniformSample(10_000)
    for line in range(1, 100_001):
        large.add(line, "x" * 50)
    lines = [line for line, _text in large.documents]
    assert not large.complete
    assert 100 <= len(lines) <= 200
    assert sum(len(text) for _line, text in large.documents) <= 10_000
    parts = np.histogram(lines, bins=5, range=(0, 100_000))[0]
    assert parts.min() > 0.7 * len(lines) / 5
    one_huge = UniformSample(100)
    one_huge.add(1, "x" * 1000)
    assert len(one_huge.documents) == 1


def test_near_duplicates_reach_the_verdict(path: Path, tokenizer: Tokenizer) -> None:
    frame = " ".join(WORDS * 3)
    write_jsonl(path, [f"{frame} {number}" for number in range(100)])
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert report.near_duplicates.share == 1.0
    assert finding(report, "100%", "template").level == "warning"


def test_the_verdict_is_a_function_of_the_report(path: Path, tokenizer: Tokenizer) -> None:
    write_jsonl(path, make_texts(300))
    report = inspect_file(path, tokenizer, max_seq_len=128)
    assert judge(report) == report.verdict
    assert judge(dataclasses.replace(report, documents=0))[0].level == "error"
    serious = [one.level for one in report.verdict if one.level != "ok"]
    assert serious == sorted(serious, key=["error", "warning", "note"].index)
