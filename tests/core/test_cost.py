"""Budgets as people write them, and time and money in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.estimate.band import Band
from engine.estimate.preview import RunPreview
from engine.language import set_language
from engine.settings.resolve import build_settings
from minimind_tui.core.cost import (
    MOST_EPOCHS,
    Price,
    amount_words,
    band_words,
    epochs_to_fill,
    money,
    parse_budget,
    parse_price,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200), ("1h30m", 5400), (" 90 s ", 90), ("1.5h", 5400), ("1d", 86400), ("45min", 2700),
        ("2小时", 7200), ("1 小时 30 分", 5400), ("30分钟", 1800), ("2H", 7200),
    ],
)  # fmt: skip
def test_a_duration_is_a_time_budget(text: str, seconds: float) -> None:
    budget = parse_budget(text, now=NOON)
    assert budget.values == {"time_budget": seconds, "deadline": "none"} and budget.seconds == seconds
    assert build_settings(budget.values).time_budget == seconds


@pytest.mark.parametrize(
    ("text", "price", "seconds"),
    [
        ("$5", "2.50", 7200), ("5 $", "$2.5", 7200), ("5$", "2.5 $/h", 7200), ("USD 10", "2.5", 14400),
        ("20 元", "¥10/小时", 7200), ("¥7", "14元/时", 1800), ("€3", "1.5 €", 7200), ("$1,000", "100", 36000),
        ("$2,50", "2.5", 3600), ("$.5", "1", 1800),
    ],
)  # fmt: skip
def test_an_amount_is_the_time_it_pays_for(text: str, price: str, seconds: float) -> None:
    budget = parse_budget(text, price=parse_price(price), now=NOON)
    assert budget.values == {"time_budget": seconds, "deadline": "none"}


@given(amount=st.floats(0.01, 1e4), per_hour=st.floats(0.01, 100))
@settings(max_examples=100, deadline=None)
def test_a_budget_of_money_is_never_overspent(amount: float, per_hour: float) -> None:
    try:
        budget = parse_budget(f"${amount:.2f}", price=Price(per_hour))
    except UserError:
        assert round(amount, 2) / per_hour * 3600 < 1
        return
    assert budget.values["time_budget"] / 3600 * per_hour <= float(f"{amount:.2f}") * (1 + 1e-9)


@pytest.mark.parametrize("text", ["08:00", "8:00", "until 08:00", "到 08:00"])
def test_a_time_of_day_is_the_next_such_deadline(text: str) -> None:
    budget = parse_budget(text, now=NOON)
    assert budget.values["time_budget"] == 0.0 and budget.values["deadline"] in ("08:00", "8:00")
    assert 0 < budget.seconds <= 86400
    assert build_settings(budget.values).deadline == budget.values["deadline"]


def test_a_moment_is_a_deadline_until_it_is_over() -> None:
    budget = parse_budget("2026-11-24T14:00:00+00:00", now=NOON)
    assert budget.values == {"time_budget": 0.0, "deadline": "2026-11-24T14:00:00+00:00"} and budget.seconds == 7200
    with pytest.raises(UserError, match="is over"):
        parse_budget((NOON - timedelta(seconds=1)).isoformat(), now=NOON)


@pytest.mark.parametrize("text", ["", "  ", "5", "abc", "2 parsecs", "$", "$1,00,0", "-2h", "h", "0h", "5 dollars"])
def test_what_is_no_budget_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UserError, match=r"2h.*\$5.*08:00"):
        parse_budget(text, price=Price(1.0), now=NOON)


@pytest.mark.parametrize("text", ["25:00", "8:00 pm", "2026-13-01", "12:60"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UserError, match="08:00"):
        parse_budget(text, now=NOON)


def test_money_needs_a_price_in_its_own_currency() -> None:
    with pytest.raises(UserError, match="what an hour costs"):
        parse_budget("$5", now=NOON)
    with pytest.raises(UserError, match="one currency"):
        parse_budget("20 元", price=Price(2.0, "$"), now=NOON)
    with pytest.raises(UserError, match="too little"):
        parse_budget("$0", price=Price(2.0), now=NOON)
    with pytest.raises(UserError, match="too little"):
        parse_budget("$0.01", price=Price(100.0), now=NOON)


@pytest.mark.parametrize("text", ["", "0", "-1", "$0", "free", "1/0", "2.5.1", "nan", "inf"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="price"):
        parse_price(text)


def test_a_bare_price_is_in_the_languages_currency() -> None:
    assert parse_price("2.5") == Price(2.5, "$") and parse_price("1,5") == Price(1.5, "$")
    set_language("zh")
    try:
        assert parse_price("2.5") == Price(2.5, "¥")
    finally:
        set_language("en")


def test_time_costs_money() -> None:
    cost = money(Band(3600, 7200, "calibrated"), Price(2.5, "€"))
    assert (cost.low, cost.high, str(cost)) == (2.5, 5.0, "€2.50 to €5.00")
    assert str(money(Band(3600, 3600, "calibrated"), Price(2.5))) == "about $2.50"
    assert str(Price(0.35)) == "$0.35 an hour"


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0.0, "$0.00"), (0.001, "under $0.01"), (0.5, "$0.50"), (99.994, "$99.99"), (1234.5, "$1,234")],
)
def test_amounts_in_words(amount: float, words: str) -> None:
    assert amount_words(amount, "$") == words


def test_bands_in_words() -> None:
    assert band_words(Band(100, 130, "calibrated")) == "about 1m40s to 2m10s"
    assert band_words(Band(3600, 3610, "calibrated")) == "about 1h00m"
    assert band_words(Band(100, 1300, "rough")) == "very roughly 1m40s to 21m40s"
    assert band_words(Band(60, 60, "rough")) == "very roughly 1m00s"
    assert band_words(None) == "?"


def test_bands_in_chinese() -> None:
    set_language("zh")
    try:
        assert band_words(Band(100, 130, "calibrated")) == "约 1m40s 至 2m10s"
        assert "1m40s" in band_words(Band(100, 1300, "rough")) and "very" not in band_words(Band(100, 1300, "rough"))
    finally:
        set_language("en")


def preview(**values: Any) -> RunPreview:
    given_ = {"batch_size": 1, "accumulation_steps": 1, "processes": 1, "rows_per_update": 1}
    return RunPreview(**{**given_, "positions_per_update": 8, "epochs": 1, **values})


def test_enough_epochs_outlast_a_budget() -> None:
    known = preview(updates_per_epoch=100, seconds_per_update=Band(0.5, 2.0, "calibrated"))
    assert (
        epochs_to_fill(known, 50) == 1 and epochs_to_fill(known, 51) == 2 and epochs_to_fill(known, 1e12) == MOST_EPOCHS
    )
    assert epochs_to_fill(preview(updates_per_epoch=100), 50) is None
    assert epochs_to_fill(preview(seconds_per_update=Band(1, 1, "rough")), 50) is None
