"""The ring's formulas against values computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UserError
from engine.estimate.links import LINKS, link_of, ring_bytes, ring_seconds


@pytest.mark.parametrize(("ranks", "sent"), [(1, 0), (2, 100), (4, 150), (8, 175), (64, 196.875)])
def test_each_sends_two_n_minus_one_nths(ranks: int, sent: float) -> None:
    assert ring_bytes(100, ranks) == pytest.approx(sent)


def test_seconds_by_hand() -> None:
    """103,319,552 bytes (25,829,888 parameters, fp32) among 8 over PCIe 4: 180.8 MB at 12.6 GB/s, 14 steps of 10 us."""
    assert ring_seconds(4 * 25_829_888, 8, LINKS["pcie4"]) == pytest.approx(180_809_216 / 12.6e9 + 14e-5)
    assert ring_seconds(4 * 25_829_888, 1, LINKS["pcie4"]) == 0


def test_published_rates() -> None:
    assert LINKS["25gbe"].rate * 8 == 25e9 and LINKS["100gbe"].rate * 8 == 100e9
    assert LINKS["pcie4"].rate == pytest.approx(16e9 * 16 * 128 / 130 / 8, rel=2e-3)
    assert 2 * LINKS["nvlink3"].rate == 600e9 and 2 * LINKS["nvlink4"].rate == 900e9
    assert all(0 < link.share <= 1 and link.latency > 0 and link.source for link in LINKS.values())


@given(st.integers(1, 10**12), st.integers(1, 2048), st.sampled_from(sorted(LINKS)))
def test_more_ranks_and_bytes_never_take_less(size: int, ranks: int, name: str) -> None:
    link = LINKS[name]
    here = ring_seconds(size, ranks, link)
    assert here <= ring_seconds(size, ranks + 1, link)
    assert here <= ring_seconds(size + 1, ranks, link)
    assert ring_bytes(size, ranks) < 2 * size


def test_an_unknown_link_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"10gbe.*Did you mean 100gbe"):
        link_of("10gbe")
