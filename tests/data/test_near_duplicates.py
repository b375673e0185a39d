"""Near duplicates: found when they are, never claimed when they are not."""

import random

import pytest
from data_material import WORDS

from engine.data.near_duplicates import SIMILAR, find_near_duplicates


def text_of(rng: random.Random, words: int = 60) -> list[str]:
    return [rng.choice(WORDS) + str(rng.randrange(100)) for _word in range(words)]


def test_a_changed_word_or_two_is_found_and_unrelated_texts_are_not() -> None:
    rng = random.Random(0)
    originals = [text_of(rng) for _text in range(300)]
    changed = []
    for original in originals[:60]:
        words = list(original)
        words[rng.randrange(len(words))] = "changed"
        changed.append(words)
    texts = [(line, " ".join(words)) for line, words in enumerate(originals + changed, 1)]
    found = find_near_duplicates(texts)
    assert found.documents == 360
    assert found.with_twin == 120
    assert found.share == pytest.approx(1 / 3)
    assert len(found.pairs) == 3
    for first, second, similarity in found.pairs:
        assert second == first + 300
        assert SIMILAR <= similarity < 1


def test_case_and_spaces_do_not_hide_a_copy() -> None:
    text = " ".join(text_of(random.Random(1)))
    found = find_near_duplicates([(3, text), (9, text.upper().replace(" ", "  "))])
    assert (found.with_twin, found.pairs) == (2, ((3, 9, 1.0),))


def test_chinese_texts_without_spaces() -> None:
    rng = random.Random(2)
    base = "".join(rng.choices("春夏秋冬山水花鸟风雨日月天地人心江河湖海东南西北", k=200))
    other = "".join(rng.choices("春夏秋冬山水花鸟风雨日月天地人心江河湖海东南西北", k=200))
    assert find_near_duplicates([(1, base), (2, base[:100] + "龙" + base[101:])]).with_twin == 2
    assert find_near_duplicates([(1, base), (2, other)]).with_twin == 0


def test_a_template_with_many_members_is_seen_whole() -> None:
    rng = random.Random(3)
    frame = " ".join(text_of(rng, 80))
    texts = [(line, f"{frame} {line}") for line in range(500)]
    found = find_near_duplicates(texts)
    assert found.with_twin == 500


@pytest.mark.parametrize("texts", [[], [(1, "short")], [(1, "short"), (2, "short")], [(1, "x" * 50)]])
def test_too_little_to_compare(texts: list[tuple[int, str]]) -> None:
    found = find_near_duplicates(texts)
    assert (found.with_twin, found.share, found.pairs) == (0, 0.0, ())
