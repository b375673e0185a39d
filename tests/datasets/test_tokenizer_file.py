"""The shipped tokenizer: its entries, that it loses nothing, that it is shorter than MiniMind's; and its scripts."""

import os
from pathlib import Path

import compare_tokenizers
import pytest
import train_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_texts import held_out, is_chinese, read_texts
from tokenizers import Tokenizer, pre_tokenizers

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MINIMIND_SHARED", CHECKOUT.parent / "shared"))
REAL = SHARED / "data" / "real.jsonl"
LIMIT = 1.03
TOKENIZER = Tokenizer.from_file(str(CHECKOUT / "datasets" / "tokenizer.json"))


def round_trip(text: str) -> str:
    return TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)


def test_entries_and_ids() -> None:
    assert TOKENIZER.get_vocab_size(with_added_tokens=True) == 6400
    assert sorted(TOKENIZER.get_vocab().values()) == list(range(6400))
    assert [TOKENIZER.id_to_token(i) for i in range(3)] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    added = TOKENIZER.get_added_tokens_decoder()
    assert sorted(added) == [0, 1, 2]
    assert all(token.special for token in added.values())
    assert TOKENIZER.model.unk_token is None
    assert set(pre_tokenizers.ByteLevel.alphabet()) <= set(TOKENIZER.get_vocab())
    assert TOKENIZER.post_processor is None  # begin and end are the trainer's to add


def test_special_tokens_are_one_token_each() -> None:
    assert TOKENIZER.encode("<|im_start|>你好<|im_end|>").ids[0] == 1
    assert TOKENIZER.encode("<|im_start|>你好<|im_end|>").ids[-1] == 2


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_survives(text: str) -> None:
    assert round_trip(text) == text


@given(st.text(alphabet=" \t\r\n\u3000\xa0ab1中，.'’é́👍🏽‍", max_size=60))
@settings(max_examples=300, deadline=None)
def test_spaces_marks_and_joined_emoji_survive(text: str) -> None:
    assert round_trip(text) == text


def test_every_byte_has_its_token() -> None:
    for code in (*range(1, 0x800), 0xFFFD, 0x10FFFF, 0x1F469):
        assert round_trip(chr(code)) == chr(code)


def test_mixed_text_survives() -> None:
    text = "Hello 你好，世界！👩‍👩‍👧 3.14 + 2 = 5.14\r\n\tdef f(x): return x  # 注释 naïve Ωμέγα кот 猫"
    assert round_trip(text) == text


def test_digits_stand_alone_and_borders_hold() -> None:
    assert TOKENIZER.encode("2024").tokens == ["2", "0", "2", "4"]
    assert TOKENIZER.encode("x12y").tokens == ["x", "1", "2", "y"]
    offsets = TOKENIZER.encode("What colour is it?\nIt is 7.").offsets
    cuts = {start for start, _ in offsets}
    assert {18, 19} <= cuts  # the line end is no part of the mark before it: a prompt may stop at either


def test_everyday_characters_and_openings_are_short(mini_texts: list[str]) -> None:
    characters = {character for text in mini_texts for character in text if "\u4e00" <= character <= "\u9fff"}
    split = [character for character in sorted(characters) if len(TOKENIZER.encode(character).ids) > 1]
    assert not split
    assert len(TOKENIZER.encode("Once upon a time").ids) <= 5
    assert len(TOKENIZER.encode("从前").ids) == 1


@pytest.fixture(scope="module")
def held_out_texts() -> dict[str, list[str]]:
    if not REAL.is_file():
        pytest.skip(f"the real texts are not at {REAL} (MINIMIND_SHARED names another folder)")
    texts = [text for text in read_texts(REAL) if held_out(text, 0.1)]
    english = [text for text in texts if not is_chinese(text)]
    return {"Chinese": [text for text in texts if is_chinese(text)], "English": english[:2_000]}


@pytest.mark.parametrize("theirs", ["minimind2", "minimind3"])
@pytest.mark.parametrize("language", ["Chinese", "English"])
def test_needs_no_more_tokens_than_minimind(held_out_texts: dict[str, list[str]], language: str, theirs: str) -> None:
    path = SHARED / "data" / "tokenizers" / theirs / "tokenizer.json"
    texts = held_out_texts[language]
    assert len(texts) > 500
    ours = compare_tokenizers.count_tokens(TOKENIZER, texts)
    assert ours <= LIMIT * compare_tokenizers.count_tokens(Tokenizer.from_file(str(path)), texts)


def test_training_repeats_itself_and_keeps_its_promises(datasets_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    lines = (datasets_folder / "mini_pretrain_data.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    source.write_text("".join(lines[:300]), encoding="utf-8")
    written = []
    for name in ("first.json", "second.json"):
        output = tmp_path / name
        arguments = [f"{source}=2", "--vocab", "700", "--holdout", "0.2", "--output", str(output)]
        assert train_tokenizer.main([*arguments, "--characters", "5"]) == 0
        written.append(output.read_bytes())
    assert written[0] == written[1]
    tokenizer = Tokenizer.from_file(str(output))
    assert tokenizer.get_vocab_size() == 700
    assert [tokenizer.id_to_token(i) for i in range(3)] == list(train_tokenizer.SPECIAL_TOKENS)
    assert tokenizer.decode(tokenizer.encode("猫 and dog\n").ids) == "猫 and dog\n"


def test_weights_change_what_is_learned(tmp_path: Path) -> None:
    for name, text in (("zh", "天空是蓝色的，小猫在睡觉。" * 3), ("en", "the quick brown fox jumps " * 3)):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"text": "{text}"}}\n', encoding="utf-8")
    zh, en = tmp_path / "zh.jsonl", tmp_path / "en.jsonl"

    def texts(
        *files: tuple[Path, int | None], chinese: int = 1, characters: int = 0, holdout: float = 0.0
    ) -> list[str]:
        found = train_tokenizer.training_texts(files, holdout, chinese, characters)
        return [text for text in found if text]

    assert len(texts((zh, None), (en, None), chinese=4)) == 5
    assert len(texts((zh, 2), (en, None), chinese=4)) == 3
    assert "猫\n猫\n猫" in texts((zh, 1), characters=3)
    assert texts((en, None), (zh, 2), holdout=1.0) == texts((zh, 2))  # a file with a count of its own is read whole


def test_a_bad_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "bad.jsonl"
    source.write_text('{"text": "good"}\n{"txt": "bad"}\n', encoding="utf-8")
    assert train_tokenizer.main([str(source), "--output", str(tmp_path / "out.json")]) == 1
    assert f"{source}, line 2" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_too_little_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "short.jsonl"
    source.write_text('{"text": "good"}\n', encoding="utf-8")
    assert train_tokenizer.main([str(source), "--output", str(tmp_path / "out.json"), "--holdout", "0"]) == 1
    assert "give more text" in capsys.readouterr().err


def test_comparison_table(
    datasets_folder: Path, mini_texts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "texts.jsonl"
    lines = (datasets_folder / "mini_pretrain_data.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    source.write_text("".join(lines[:100]), encoding="utf-8")
    same = f"same={datasets_folder / 'tokenizer.json'}"
    assert compare_tokenizers.main([str(source), "--holdout", "1", "--tokenizer", same]) == 0
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in capsys.readouterr().out.splitlines()]
    chinese = [text for text in mini_texts[:100] if is_chinese(text)]
    tokens = sum(len(encoding.ids) for encoding in TOKENIZER.encode_batch(chinese))
    assert [row[1] for row in rows[2:]] == ["ours", "same", "ours", "same"]
    assert rows[2][2] == rows[3][2] == f"{tokens:,}"
    assert all(row[4] == "1.000" for row in rows[2:])
    assert float(rows[2][3]) == pytest.approx(sum(map(len, chinese)) / tokens, abs=0.005)


def test_the_held_out_share_is_a_function_of_the_text() -> None:
    texts = [f"text {number}" for number in range(4_000)]
    held = [text for text in texts if held_out(text, 0.1)]
    assert 320 <= len(held) <= 480
    assert all(held_out(text, 0.2) for text in held)  # a larger share holds the smaller one
    assert not any(held_out(text, 0.0) for text in texts)
