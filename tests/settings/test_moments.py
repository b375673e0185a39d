"""Durations and deadlines as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.settings.moments import deadline_at, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("30min", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400),
     ("1d", 86400), ("2H 5m", 7500), ("0", 0), ("none", 0)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "h", "5x", "1m2h", "-5s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.6, "1m00s"), (125, "2m05s"), (5400, "1h30m"), (90000, "1d01h")]
)
def test_durations_are_shown_in_two_units(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, 10**7))
def test_a_shown_duration_reads_back_within_its_smaller_unit(seconds):
    back = parse_duration(format_duration(seconds))
    assert isinstance(back, float | int) and abs(back - seconds) < (3600 if seconds >= 86400 else 60)


def test_a_clock_time_is_the_next_one():
    now = datetime(2026, 11, 24, 7, 30).astimezone()
    assert deadline_at("08:00", now).astimezone() == now.replace(hour=8, minute=0)
    assert deadline_at("7:30", now).astimezone() == now + timedelta(days=1)
    assert deadline_at("06:15", now).astimezone() == now.replace(hour=6, minute=15) + timedelta(days=1)


def test_a_full_moment_keeps_its_zone():
    assert deadline_at("2026-12-01T08:00+02:00", datetime.now(UTC)) == datetime(2026, 12, 1, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["25:00", "tomorrow", "8", ""])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match="moment"):
        deadline_at(text, datetime.now(UTC))
