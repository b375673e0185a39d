"""The log's interval: weighted by tokens, blind to non-finite updates, resumable."""

from engine.train.interval import IntervalSums


def test_loss_is_weighted_by_tokens():
    sums = IntervalSums()
    sums.add(loss_sum=30.0, tokens=10, finite=True, seconds=1, data_wait=0)
    sums.add(loss_sum=90.0, tokens=90, finite=True, seconds=1, data_wait=1)
    assert sums.loss == 1.2  # not (3 + 1) / 2
    assert sums.tokens_per_second == 50
    assert sums.data_wait_share == 0.5


def test_a_non_finite_update_counts_its_tokens_but_not_its_loss():
    sums = IntervalSums()
    sums.add(loss_sum=float("nan"), tokens=10, finite=False, seconds=1, data_wait=0)
    assert sums.loss is None and sums.tokens == 10
    sums.add(loss_sum=20.0, tokens=10, finite=True, seconds=1, data_wait=0)
    assert sums.loss == 2.0


def test_it_survives_a_round_trip():
    sums = IntervalSums()
    sums.add(loss_sum=1 / 3, tokens=7, finite=True, seconds=0.1, data_wait=0.01)
    assert IntervalSums(**sums.to_dict()) == sums
