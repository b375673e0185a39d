import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.mask import cached_mask, document_mask, is_causal_enough


def test_document_mask_by_hand() -> None:
    mask = document_mask(torch.tensor([[1, 1, 2, 2, 0]]))[0, 0]
    assert mask.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=3))
def test_every_position_sees_itself_and_nothing_of_another_document(rows: list[list[int]]) -> None:
    ids = torch.tensor(rows)
    mask = document_mask(ids)
    assert mask.shape == (len(rows), 1, 6, 6)
    for row, query, key in mask[:, 0].nonzero().tolist():
        assert key <= query and rows[row][key] == rows[row][query]
    assert mask.diagonal(dim1=-2, dim2=-1).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=2))
def test_causal_is_enough_only_where_it_allows_real_positions_the_same(rows: list[list[int]]) -> None:
    ids = torch.tensor(rows)
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    real = ids > 0
    same = bool((document_mask(ids)[:, 0] == causal)[real].all())
    if is_causal_enough(ids):
        assert same
    if same and real[:, 0].all() and not ((ids[:, 1:] > 0) & (ids[:, :-1] == 0)).any():
        assert is_causal_enough(ids)


def test_cached_mask_is_aligned_to_the_end() -> None:
    mask = cached_mask(2, 3, torch.device("cpu"))
    assert mask is not None
    assert mask[0, 0].int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert cached_mask(1, 3, torch.device("cpu")) is None
