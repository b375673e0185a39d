"""The shipped mini data: what its generator writes, unique, bilingual, true where it can be computed, and clean."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import make_mini
import pytest
from mini_corpus.chance import Chance, Deck
from mini_corpus.chinese import questions as chinese_questions
from mini_corpus.chinese import stories as chinese_stories
from mini_corpus.english import questions as english_questions
from mini_corpus.english import stories as english_stories
from mini_corpus.english.cast import a
from mini_corpus.fact import Fact
from tokenizer_texts import is_chinese
from tokenizers import Tokenizer

EQUATION = re.compile(r"(\d+(?: [+×-] \d+)+) = (\d+)")
SENTENCE = re.compile(r'(?<=[.!?])\s+|(?<=[.!?]")\s+|(?<=[。！？])(?!”)|(?<=”)|\n')


def sentences(texts: list[str]) -> set[str]:
    return {sentence for text in texts for sentence in SENTENCE.split(text) if sentence}


def run_script(datasets_folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(datasets_folder / "make_mini.py"), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_file_is_what_the_generator_writes(datasets_folder: Path) -> None:
    # Two hash seeds: nothing may hang on the order of a set.
    for seed in ("1", "2"):
        checked = run_script(datasets_folder, "--check", PYTHONHASHSEED=seed)
        assert checked.returncode == 0, checked.stderr


def test_check_notices_a_changed_file(datasets_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mini.jsonl"
    data = (datasets_folder / "mini_pretrain_data.jsonl").read_bytes()
    copy.write_bytes(data.replace(b"little", b"Little", 1))
    checked = run_script(datasets_folder, "--check", "--output", str(copy))
    assert checked.returncode == 1
    assert "run it without --check" in checked.stderr
    assert run_script(datasets_folder, "--output", str(copy)).returncode == 0
    assert copy.read_bytes() == data


def test_size_and_format(datasets_folder: Path) -> None:
    data = (datasets_folder / "mini_pretrain_data.jsonl").read_bytes()
    assert 1_000_000 <= len(data) <= 2_000_000
    assert b"\r" not in data
    assert data.endswith(b"\n")
    for line in data.decode("utf-8").splitlines():
        document = json.loads(line)
        assert list(document) == ["text"]
        assert isinstance(document["text"], str)
        assert document["text"] == document["text"].strip() != ""


def test_every_text_is_unique_and_sentences_are_many(mini_texts: list[str]) -> None:
    assert len(set(mini_texts)) == len(mini_texts) > 4_000
    assert len(sentences(mini_texts)) > 15_000


def test_the_generator_has_more_sentences_than_it_wrote(mini_texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = sentences(mini_texts)
    for seed in (1, 2):
        monkeypatch.setattr(make_mini, "SEED", seed)
        others = make_mini.texts()
        assert len(set(others) & set(mini_texts)) < len(others) / 20
        found |= sentences(others)
    assert len(found) > 30_000


def test_a_writer_that_repeats_itself_is_reported() -> None:
    with pytest.raises(RuntimeError, match="always the same"):
        list(make_mini._unique(lambda: "always the same", set()))


def test_near_duplicates_are_few(mini_texts: list[str]) -> None:
    # Every fifth text against every fifth, by shingles of characters; a flood would show in any sample.
    sample = mini_texts[::5]
    shingles = []
    for text in sample:
        width = 10 if is_chinese(text) else 24
        shingles.append({text[i : i + width] for i in range(max(1, len(text) - width + 1))})
    owners: dict[str, list[int]] = defaultdict(list)
    close = 0
    for number, own in enumerate(shingles):
        shared = Counter(other for shingle in own for other in owners[shingle])
        close += any(n / (len(own) + len(shingles[other]) - n) >= 0.7 for other, n in shared.items())
        for shingle in own:
            owners[shingle].append(number)
    assert close <= len(sample) / 100


def test_half_the_tokens_are_chinese_and_both_languages_are_mixed(
    mini_texts: list[str], shipped_tokenizer: Tokenizer
) -> None:
    lengths = [len(encoding.ids) for encoding in shipped_tokenizer.encode_batch(mini_texts)]
    chinese = [n if is_chinese(text) else 0 for n, text in zip(lengths, mini_texts, strict=True)]
    assert 0.45 <= sum(chinese) / sum(lengths) <= 0.55
    for start in range(0, len(mini_texts) - 500, 500):  # shuffled: every stretch holds both
        stretch = slice(start, start + 500)
        assert 0.35 <= sum(chinese[stretch]) / sum(lengths[stretch]) <= 0.65


def test_the_readme_tells_the_numbers_of_the_file(
    mini_texts: list[str], shipped_tokenizer: Tokenizer, datasets_folder: Path
) -> None:
    readme = (datasets_folder / "README.md").read_text(encoding="utf-8")
    lengths = [len(encoding.ids) for encoding in shipped_tokenizer.encode_batch(mini_texts)]
    assert f"{len(mini_texts):,} short texts" in readme
    assert f"{sum(lengths):,} tokens" in readme
    assert f"{max(lengths)} at most" in readme


def test_all_arithmetic_is_right(mini_texts: list[str]) -> None:
    checked = 0
    for text in mini_texts:
        equations = EQUATION.findall(text)
        assert len(equations) == text.count("="), text
        for left, right in equations:
            terms = left.replace("×", "*")
            assert re.fullmatch(r"[\d +*-]+", terms)
            assert eval(terms) == int(right), text
            checked += 1
    assert checked > 2_000


def test_answers_answer_their_questions(mini_texts: list[str]) -> None:
    spoken = {"plus": "+", "minus": "-", "times": "×", "加": "+", "减": "-", "乘以": "×"}
    asked = re.compile(
        r"(?:What is (\d+) (\S+) (\d+)\?\nAnswer|(\d+)(加|减|乘以)(\d+)等于多少？\n答)[:：] ?(\d+) (\S) (\d+) = "
    )
    larger = re.compile(
        r"(?:Which number is (larger|smaller), (\d+) or (\d+)\?\nAnswer: (\d+) is (\w+) than (\d+)"
        r"|(\d+)和(\d+)，哪个数(大|小)？\n答：(\d+)比(\d+)(大|小))"
    )
    counted = re.compile(r"(?:from|从)\D*(\d+)\D+?(\d+)(?: in steps of (\d+)|，每次数(\d+)个)?[:：]\s?([\d, ，]+)")
    concluded = re.compile(r"= (\d+)(?:, so|，所以)([^.。]*)")
    sums = comparisons = rows = conclusions = 0
    for text in mini_texts:
        for found in asked.findall(text):
            x, op, y = found[:3] if found[0] else found[3:6]
            assert (x, spoken.get(op, op), y) == found[6:], text
            sums += 1
        for found in larger.findall(text):
            if found[0]:
                word, x, y, best, again, other = found[:6]
            else:
                x, y, word, best, other, again = found[6:]
            assert word == again
            assert {x, y} == {best, other}
            assert (int(best) > int(other)) == (word in ("larger", "大"))
            comparisons += 1
        for first, last, step, schritt, row in counted.findall(text):
            numbers = [int(n) for n in re.findall(r"\d+", row)]
            assert (numbers[0], numbers[-1]) == (int(first), int(last))
            assert {abs(b - c) for b, c in pairwise(numbers)} == {int(step or schritt or 1)}
            rows += 1
        for result, told in concluded.findall(text):
            assert re.findall(r"\d+", told) == [result], text
            conclusions += 1
    assert min(sums, comparisons, rows, conclusions) > 100


def test_change_and_price_are_told_as_computed(mini_texts: list[str]) -> None:
    told = re.compile(r"= (\d+)\. (?:That is|Here is your change:) (\d+) coins?|= (\d+)，(?:一共|找您)(\d+)元")
    found = [match for text in mini_texts for match in told.findall(text)]
    assert len(found) > 100
    assert all(match[0] == match[1] and match[2] == match[3] for match in found)


@pytest.mark.parametrize("facts", [english_questions.FACTS, chinese_questions.FACTS], ids=["english", "chinese"])
def test_one_question_has_one_answer_and_every_fact_is_told(facts: list[Fact], mini_texts: list[str]) -> None:
    answers: dict[str, tuple[str, ...]] = {}
    for fact in facts:
        for question in fact.questions:
            assert answers.setdefault(question, fact.answers) == fact.answers
    whole = "\n".join(mini_texts)
    for fact in facts:
        assert any(answer in whole for answer in fact.answers), fact
        assert any(question in whole for question in fact.questions), fact


def test_no_residue_of_patterns_and_no_slips_of_grammar(mini_texts: list[str]) -> None:
    residue = re.compile(r"[{}|<>_\\]|  |None|nan\b|\bNaN|\(\)| [,.?!;:]|\.\.|,,|，，|。。|[，。？！][，。]|的的|了了")
    doubled = re.compile(r"\b(\w+) \1\b")
    wrong_article = re.compile(r"\b[Aa] (?:[aeiou]\w*)|\b[Aa]n (?:[bcdfgjklmnpqrstvwxyz]\w*|h(?!our|onest)\w*)")
    two_with_er = re.compile(r"[^第十]二[个只条本支朵张件]")
    for text in mini_texts:
        for pattern in (residue, wrong_article, two_with_er):
            assert not pattern.search(text), (pattern.pattern, text)
        # "What is the past tense of ..." and names in a row are fine; the same word twice is not.
        twice = [word for word in doubled.findall(text) if not word.isdigit()]
        assert not twice, (twice, text)
        for left, right in ("“”", "（）"):
            assert text.count(left) == text.count(right), text
        assert text.count('"') % 2 == 0, text


def test_sentences_begin_and_end_as_they_should(mini_texts: list[str]) -> None:
    for text in mini_texts:
        for line in text.split("\n"):
            if not is_chinese(line) and re.match(r"[A-Za-z]", line):
                assert line[0].isupper(), text
            is_sum_or_name = EQUATION.fullmatch(line) or line.startswith(("Your friend ", "你的朋友"))
            assert is_sum_or_name or line[-1] in '.!?:,。！？：”"', (line[-1], text)


def test_pronouns_of_a_story_fit_its_hero() -> None:
    chance = Chance(5)
    heroes: Counter[str] = Counter()
    about_the_friend = re.compile(
        r"(His|Her) best friend was|(He|She) had a good friend|and (his|her) friend|(He|She) liked to spend"
    )
    for plot in english_stories.PLOTS:
        for _ in range(20):
            story = english_stories.tell(plot, chance)
            hero = re.search(r"\b(girl|boy)\b", story.split(".")[0])
            found = about_the_friend.search(story)
            assert found, story
            if hero:
                pronoun = next(group for group in found.groups() if group).lower()
                assert (pronoun in ("her", "she")) == (hero[1] == "girl"), story
                heroes[hero[1]] += 1
    assert min(heroes["girl"], heroes["boy"]) > 20


def test_animals_are_it_and_children_are_not() -> None:
    chance = Chance(6)
    for plot in chinese_stories.PLOTS:
        for _ in range(20):
            story = chinese_stories.tell(plot, chance)
            opening = story.split("好朋友")[0].split("最好")[0]
            if re.search(r"一[只匹]", opening):
                assert "女孩" not in story
                assert not re.search(r"[他她](?!们)", story), story


def test_articles() -> None:
    words = ("apple", "pear", "hour", "honest man", "unit", "university", "useful tool", "one-way street", "umbrella")
    assert [a(word) for word in words] == [
        "an apple",
        "a pear",
        "an hour",
        "an honest man",
        "a unit",
        "a university",
        "a useful tool",
        "a one-way street",
        "an umbrella",
    ]


def test_chance_repeats_itself_and_a_deck_deals_all() -> None:
    first, second = Chance(1), Chance(1)
    items = tuple("abcdefghij")
    assert [first.below(9) for _ in range(9)] == [second.below(9) for _ in range(9)]
    assert "".join(Chance(1).shuffled(items)) == "iadefcjghb"  # a change here changes the shipped file
    assert Chance(4).in_order(items, 4) == sorted(Chance(4).in_order(items, 4))
    deck = Deck(items, Chance(3))
    assert sorted(deck.draw() for _ in items) == sorted(deck.draw() for _ in items) == list(items)
