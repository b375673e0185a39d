"""The held-out documents: by hash of the text, no copy of one in training, independent of the file's order."""

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from data_material import make_texts

from engine.data import split as split_module
from engine.data.split import Split, choose_validation
from engine.data.token_cache import TokenCache

MakeCache = Callable[[Sequence[str]], TokenCache]
MANY = 10**9


def held_out_hashes(cache: TokenCache, split: Split) -> set[int]:
    return set(cache.text_hashes[~split.training].tolist())


@pytest.mark.parametrize(("documents", "held_out"), [(5, 0), (10, 1), (300, 30), (640, 64), (3000, 64), (9000, 90)])
def test_how_many_are_held_out(make_cache: MakeCache, documents: int, held_out: int) -> None:
    split = choose_validation(make_cache(make_texts(documents, longest=2)), max_tokens=MANY)
    assert (split.held_out, split.left_out, len(split.validation)) == (held_out, held_out, held_out)
    assert split.training.sum() == documents - held_out


def test_never_more_than_two_thousand(make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_module, "MOST", 70)
    assert choose_validation(make_cache(make_texts(9000, longest=2)), max_tokens=MANY).held_out == 70
    monkeypatch.undo()
    assert split_module.MOST == 2000


def test_the_choice_depends_on_the_texts_and_not_on_their_order(make_cache: MakeCache) -> None:
    texts = make_texts(2000, longest=5)
    shuffled = random.Random(1).sample(texts, len(texts))
    first, second = make_cache(texts), make_cache(shuffled)
    one, two = choose_validation(first, max_tokens=500), choose_validation(second, max_tokens=500)
    assert held_out_hashes(first, one) == held_out_hashes(second, two)
    assert set(first.text_hashes[one.validation]) == set(second.text_hashes[two.validation])
    assert not one.training[:200].all() or not one.training[-200:].all()
    assert np.flatnonzero(~one.training).max() > 500  # spread over the file, not its head


def test_no_copy_of_a_held_out_text_is_trained_on(make_cache: MakeCache) -> None:
    texts = make_texts(500, longest=5)
    rng = random.Random(2)
    copies = texts + rng.choices(texts, k=1500)
    rng.shuffle(copies)
    cache = make_cache(copies)
    split = choose_validation(cache, max_tokens=MANY)
    trained = set(cache.text_hashes[split.training].tolist())
    held = set(cache.text_hashes[split.validation].tolist())
    assert held and not trained & held
    assert trained | held == set(cache.text_hashes.tolist())
    assert len(held) == len(split.validation) == split.held_out  # each text is evaluated once
    assert split.left_out == (~split.training).sum() > split.held_out
    assert split.left_out <= len(copies) // 10


def test_a_text_that_makes_up_half_the_file_stays_in_training(make_cache: MakeCache) -> None:
    texts = make_texts(1000, longest=3)
    for common in sorted(texts, key=lambda text: text)[:3]:
        cache = make_cache(texts + [common] * 1000)
        split = choose_validation(cache, max_tokens=MANY)
        assert split.left_out <= 200
        assert split.held_out == 64


def test_forty_texts_in_a_thousand_lines(make_cache: MakeCache) -> None:
    split = choose_validation(make_cache(make_texts(40) * 25), max_tokens=MANY)
    assert (split.held_out, split.left_out) == (4, 100)


def test_evaluation_is_capped_in_tokens_and_training_does_not_change(make_cache: MakeCache) -> None:
    cache = make_cache(make_texts(1000))
    whole, capped = choose_validation(cache, max_tokens=MANY), choose_validation(cache, max_tokens=300)
    targets = [len(cache.document(index)) + 1 for index in capped.validation]
    assert 0 < sum(targets) <= 300
    assert set(capped.validation) < set(whole.validation)
    assert np.array_equal(capped.training, whole.training)
    assert len(choose_validation(cache, max_tokens=1).validation) == 1


def test_a_large_file_is_sampled_with_the_same_result(make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = make_texts(4000, longest=2)
    cache = make_cache(texts + texts[:2000])
    monkeypatch.setattr(split_module, "MOST", 32)
    monkeypatch.setattr(split_module, "FEWEST", 32)
    whole = choose_validation(cache, max_tokens=MANY)
    monkeypatch.setattr(split_module, "_SAMPLED_DOCUMENTS", 1500)
    monkeypatch.setattr(split_module, "_BLOCK", 100)
    sampled = choose_validation(cache, max_tokens=MANY)
    assert np.array_equal(sampled.training, whole.training)
    assert np.array_equal(sampled.validation, whole.validation)
