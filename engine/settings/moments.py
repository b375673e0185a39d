"""Durations and moments as people write them."""

import re
from datetime import UTC, datetime, time, timedelta

from engine.language import _

_DURATION = re.compile(
    r"^(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s?)?$"
)
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_duration(value: object) -> object:
    """Seconds from `90`, `90s`, `30m`, `2h`, `1h30m`, `1d`; `none` is 0. Anything that is no text is returned as it is.

    Raises ValueError when the text is no duration.
    """
    if not isinstance(value, str):
        return value
    text = value.strip().lower().replace(" ", "")
    if text == "none":
        return 0.0
    match = _DURATION.match(text)
    if not text or match is None:
        raise ValueError(_("a duration such as 90s, 30m, 2h or 1h30m"))
    return sum(float(amount) * _SECONDS[unit] for unit, amount in match.groupdict().items() if amount)


def format_duration(seconds: float) -> str:
    """`1h30m`, `2m05s`, `40s`: the two largest units that say something."""
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{secs:02d}s"
    return f"{secs}s"


def parse_deadline(value: object) -> object:
    """Checks a deadline: `none`, `HH:MM`, or an ISO 8601 moment; the text is returned as it is.

    Raises ValueError when it is neither.
    """
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text != "none":
        deadline_at(text, datetime.now(UTC))
    return text


def deadline_at(text: str, now: datetime) -> datetime:
    """The moment a deadline means, in UTC: `HH:MM` is the next such time of the local clock after `now`.

    A moment without a zone is local time. Raises ValueError when the text is no moment.
    """
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            clock = time.fromisoformat(text.zfill(5) if text.count(":") == 1 else text.zfill(8))
            local = now.astimezone()
            moment = datetime.combine(local.date(), clock).astimezone()
            if moment <= local:
                moment = datetime.combine(local.date() + timedelta(days=1), clock).astimezone()
            return moment.astimezone(UTC)
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ValueError(_("a moment such as 08:00 or 2026-12-01T08:00")) from None
