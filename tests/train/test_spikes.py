"""The spike detector: silent on every healthy curve, deaf to nothing that stands out, the same after a resume."""

import json
import math
import random
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.train.spikes import LEAST, PATIENCE, WINDOW, SpikeDetector, SpikeState

THRESHOLD = 8.0
CURVES = json.loads((Path(__file__).parent / "real_curves.json").read_text())


def detector(state: SpikeState | None = None) -> SpikeDetector:
    return SpikeDetector(state or SpikeState(), THRESHOLD)


def warmed_up(loss: float = 3.0, norm: float = 0.5, noise: float = 0.02) -> SpikeDetector:
    rng, found = random.Random(0), detector()
    for _update in range(WINDOW):
        assert found.observe(loss + rng.gauss(0, noise), norm * math.exp(rng.gauss(0, 0.1))) is None
    return found


@pytest.mark.parametrize("name", CURVES)
def test_the_curves_of_real_runs_are_healthy(name):
    found = detector()
    assert len(CURVES[name]) > 100
    assert [found.observe(loss, norm) for loss, norm in CURVES[name]] == [None] * len(CURVES[name])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    first=st.floats(3.0, 12.0),
    last=st.floats(0.05, 4.0),
    exponent=st.floats(0.2, 1.5),
    noise=st.floats(0.0, 0.1),
    norm_noise=st.floats(0.02, 0.35),
    warmup=st.integers(0, 60),
)
def test_a_loss_that_falls_with_noise_never_stands_out(seed, first, last, exponent, noise, norm_noise, warmup):
    rng, found = random.Random(seed), detector()
    last = min(last, first)
    for update in range(400):
        made = max(0, update - warmup)
        loss = (last + (first - last) * (1 + made / 5) ** -exponent) * math.exp(rng.gauss(0, noise))
        norm = (0.4 + 8.0 * (1 + made / 10) ** -1.0) * math.exp(rng.gauss(0, norm_noise))
        assert found.observe(loss, norm) is None, (update, loss, norm)


def test_a_small_last_update_of_an_epoch_may_scatter_more_and_says_nothing_of_what_is_usual():
    rng, found = random.Random(1), warmed_up()
    before = asdict(found.state)
    for _epoch in range(200):  # two rows of 256
        assert found.observe(3.0 + rng.gauss(0, 0.02 * 11), 0.5 * 11 * math.exp(rng.gauss(0, 0.3)), 2 / 256) is None
    assert asdict(found.state) == before
    assert found.observe(60.0, 0.5, 2 / 256) is not None


@pytest.mark.parametrize("factor", [1.3, 2.0, 1e6])
def test_a_loss_that_jumps_stands_out(factor):
    spike = warmed_up().observe(3.0 * factor, 0.5)
    assert spike is not None and spike.what == "loss" and spike.z > THRESHOLD
    assert spike.usual == pytest.approx(3.0, abs=0.02) and spike.value == 3.0 * factor


@pytest.mark.parametrize("factor", [8.0, 1e9])
def test_a_gradient_that_jumps_stands_out(factor):
    spike = warmed_up().observe(3.0, 0.5 * factor)
    assert spike is not None and spike.what == "gradient" and spike.usual == pytest.approx(0.5, rel=0.1)


def test_what_falls_or_is_a_ripple_does_not():
    assert warmed_up().observe(0.001, 1e-9) is None
    assert warmed_up(noise=0.0).observe(3.0 * 1.09, 0.5) is None  # a curve without noise makes nothing of it
    assert warmed_up(noise=0.0).observe(3.0 * 1.11, 0.5) is not None


def test_it_says_nothing_before_it_knows_enough_but_of_an_explosion():
    found = detector()
    assert found.observe(8.7, 2.0) is None
    assert found.observe(14.0, 200.0) is None  # it may be how such runs begin
    spike = found.observe(40.0, 200.0)
    assert spike is not None and spike.z == math.inf
    assert found.state.losses == [8.7, 14.0]
    for _update in range(LEAST):
        assert found.observe(9.0, 2.0) is None
    assert found.observe(20.0, 2.0) is not None


def test_spikes_are_not_taken_for_usual_until_they_are_accepted():
    found = warmed_up()
    before = list(found.state.losses)
    for number in range(1, PATIENCE + 1):
        assert found.observe(9.0, 0.5) is not None
        assert found.state.in_a_row == number and found.state.losses == before
    found.accept(164)
    assert (found.state.lost_at, found.state.lost_usual) == (115, pytest.approx(3.0, abs=0.02))
    assert all(found.observe(9.0, 0.5) is None for _update in range(2 * LEAST))


@given(st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(1e-3, 1e3)), max_size=120), st.integers(0, 120))
@settings(max_examples=30, deadline=None)
def test_a_saved_state_decides_as_if_it_had_not_been_saved(values, cut):
    straight, first = detector(), detector()
    expected = [straight.observe(*value) for value in values]
    head = [first.observe(*value) for value in values[:cut]]
    second = detector(SpikeState(**json.loads(json.dumps(asdict(first.state)))))
    assert head + [second.observe(*value) for value in values[cut:]] == expected
    assert second.state == straight.state
