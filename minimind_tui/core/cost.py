"""Time and money of a run in words, and budgets of either as people write them."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import UserError
from engine.estimate.band import Band
from engine.estimate.preview import RunPreview
from engine.language import _, current_language
from engine.settings.moments import deadline_at, format_duration, parse_duration

MOST_EPOCHS = 100_000

_CURRENCIES = {"$": "$", "usd": "$", "€": "€", "eur": "€", "£": "£", "gbp": "£", "¥": "¥", "￥": "¥", "元": "¥"}
_CURRENCIES |= {"cny": "¥", "rmb": "¥", "块": "¥"}
_SIGN = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True))
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+|\d+,\d{1,2}"
_MONEY = re.compile(
    rf"^(?:(?P<before>{_SIGN})\s*(?P<first>{_NUMBER})|(?P<second>{_NUMBER})\s*(?P<after>{_SIGN}))$", re.IGNORECASE
)
_PER_HOUR = re.compile(r"\s*(?:/|per|每)\s*(?:h|hour|小时|时)\s*$", re.IGNORECASE)
_UNTIL = re.compile(r"^(?:until|till|by|直到|到|至)\s*", re.IGNORECASE)
_CHINESE_UNITS = (("天", "d"), ("个小时", "h"), ("小时", "h"), ("分钟", "m"), ("分", "m"), ("秒钟", "s"), ("秒", "s"))


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour of the machine costs."""

    per_hour: float
    currency: str = "$"

    def __str__(self) -> str:
        return _("{amount} an hour").format(amount=amount_words(self.per_hour, self.currency))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that lies between two numbers."""

    low: float
    high: float
    currency: str

    def __str__(self) -> str:
        low, high = (amount_words(amount, self.currency) for amount in (self.low, self.high))
        return (
            _("about {amount}").format(amount=low) if low == high else _("{low} to {high}").format(low=low, high=high)
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound on a run's time: the values of the settings `time_budget` and `deadline`, one of which is set.

    `seconds` is how long that is from now on.
    """

    values: dict[str, Any]
    seconds: float


def parse_price(text: str) -> Price:
    """A price per hour from `2.5`, `$2.5`, `2.5 $/h`, `¥12`, `12 元/小时`. Raises UserError.

    A bare number is in dollars, in Chinese in yuan.
    """
    bare = _PER_HOUR.sub("", text.strip())
    found = _money(bare)
    if found is None and re.fullmatch(_NUMBER, bare):
        found = _number(bare), "¥" if current_language() == "zh" else "$"
    if found is None or found[0] <= 0:
        raise UserError(_("{text} is no price: write what an hour costs, such as 2.50 or $2.50.").format(text=text))
    return Price(*found)


def parse_budget(text: str, *, price: Price | None = None, now: datetime | None = None) -> Budget:
    """A budget from a duration (`2h`, `1h30m`), an amount of money at `price` (`$5`, `5 $`) or a moment (`08:00`).

    Raises UserError: no budget, money without a price or in another currency, a moment that is over.
    """
    start = now or datetime.now(UTC)
    asked = text.strip()
    if (money := _money(asked)) is not None:
        return _of_money(asked, *money, price)
    moment = _UNTIL.sub("", asked)
    if ":" in moment or re.match(r"\d{4}-\d{2}-\d{2}", moment):
        return _of_moment(asked, moment, start)
    seconds = _seconds(asked)
    if seconds is None:
        raise UserError(
            _("{text!r} is no budget: write a time (2h, 1h30m), an amount ($5) or a moment (08:00).").format(text=asked)
        )
    return _of_seconds(asked, seconds)


def money(band: Band, price: Price) -> Money:
    """What so much time costs."""
    return Money(band.low / 3600 * price.per_hour, band.high / 3600 * price.per_hour, price.currency)


def band_words(band: Band | None) -> str:
    """`about 1m40s to 2m10s`; `very roughly ...` where nothing was measured; `?` for what is not known."""
    if band is None:
        return "?"
    low, high = format_duration(band.low), format_duration(band.high)
    if band.source == "rough":
        if low == high:
            return _("very roughly {time}").format(time=low)
        return _("very roughly {low} to {high}").format(low=low, high=high)
    if low == high:
        return _("about {time}").format(time=low)
    return _("about {low} to {high}").format(low=low, high=high)


def amount_words(amount: float, currency: str) -> str:
    """`$1.20`, `$150`, `under $0.01`."""
    if 0 < amount < 0.01:
        return _("under {amount}").format(amount=f"{currency}0.01")
    return f"{currency}{amount:,.0f}" if amount >= 100 else f"{currency}{amount:.2f}"


def epochs_to_fill(preview: RunPreview, seconds: float) -> int | None:
    """The fewest epochs that last at least `seconds`, however fast the device turns out to be; None if unknown.

    With so many the time ends the run, not the data.
    """
    if preview.seconds_per_update is None or not preview.updates_per_epoch:
        return None
    epoch = preview.seconds_per_update.low * preview.updates_per_epoch
    return max(1, min(MOST_EPOCHS, math.ceil(seconds / epoch)))


def _of_money(text: str, amount: float, currency: str, price: Price | None) -> Budget:
    if price is None:
        raise UserError(_("{text}: to spend an amount, say what an hour costs.").format(text=text))
    if currency != price.currency:
        raise UserError(_("{text} and a price of {price}: write both in one currency.").format(text=text, price=price))
    return _of_seconds(text, amount / price.per_hour * 3600)


def _of_moment(text: str, moment: str, now: datetime) -> Budget:
    try:
        until = deadline_at(moment, now)
    except ValueError as error:
        raise UserError(_("{text}: expected {wanted}.").format(text=text, wanted=error)) from None
    left = (until - now).total_seconds()
    if left <= 0:
        raise UserError(
            _("{text} is over: it is {now} now.").format(
                text=text, now=now.astimezone().isoformat(sep=" ", timespec="minutes")[:16]
            )
        )
    return Budget({"time_budget": 0.0, "deadline": moment}, left)


def _of_seconds(text: str, seconds: float) -> Budget:
    if seconds < 1:
        raise UserError(_("{text} is too little for a run.").format(text=text))
    return Budget({"time_budget": float(math.floor(seconds)), "deadline": "none"}, seconds)


def _seconds(text: str) -> float | None:
    """A duration with a unit in seconds; None for anything else: a bare number could mean hours, minutes or money."""
    for chinese, unit in _CHINESE_UNITS:
        text = text.replace(chinese, unit)
    if not re.search(r"[a-z]", text, re.IGNORECASE):
        return None
    try:
        seconds = parse_duration(text)
    except ValueError:
        return None
    return seconds if isinstance(seconds, float | int) and seconds > 0 else None


def _money(text: str) -> tuple[float, str] | None:
    """(amount, currency) of `$5`, `5 $`, `20 元`; None for anything else."""
    found = _MONEY.match(text)
    if found is None:
        return None
    sign = (found["before"] or found["after"]).lower()
    return _number(found["first"] or found["second"]), _CURRENCIES[sign]


def _number(text: str) -> float:
    """`1,000`, `2.5` or, as some write it, `2,50`."""
    return float(text.replace(",", "." if re.fullmatch(r"\d+,\d{1,2}", text) else ""))
