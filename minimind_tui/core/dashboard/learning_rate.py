"""Changing the learning rate of a run in training: a factor on its schedule."""

from engine.language import _
from engine.run.schema import Status
from minimind_tui import words

MOST = 100.0
"""The largest factor a run accepts."""


def read_factor(text: str) -> tuple[float | None, str]:
    """The factor meant by `0.5`, `x0.5`, `1/2` or `50%`, or what is wrong with the text."""
    cleaned = text.strip().lower().lstrip("x×*").strip().replace("，", ".").replace(",", ".")
    example = _("A factor above 0 and at most {most}, such as 0.5 or 50%.").format(most=f"{MOST:g}")
    if not cleaned:
        return None, example
    try:
        if cleaned.endswith(("%", "％")):
            factor = float(cleaned[:-1]) / 100
        elif "/" in cleaned:
            above, below = cleaned.split("/")
            factor = float(above) / float(below)
        else:
            factor = float(cleaned)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None, example
    return (factor, "") if 0 < factor <= MOST else (None, example)


def check_factor(text: str, status: Status | None) -> str:
    """What is wrong with a factor, empty when nothing; a factor that changes nothing is wrong as well."""
    factor, problem = read_factor(text)
    if factor is not None and status is not None and factor == (status.lr_scale or 1.0):
        return _("That is the factor it has now.")
    return problem


def rate_now(status: Status | None) -> str:
    """The present learning rate and its factor, in words."""
    rate = status.lr if status is not None else None
    scale = (status.lr_scale if status is not None else None) or 1.0
    return _("Now: {rate} (schedule × {factor})").format(rate=_rate(rate), factor=f"{scale:g}")


def rate_then(text: str, status: Status | None) -> str:
    """What the learning rate would become; empty while the text is no factor."""
    factor, _problem = read_factor(text)
    if factor is None:
        return ""
    rate = status.lr if status is not None else None
    scale = (status.lr_scale if status is not None else None) or 1.0
    return _("Then: {rate} (schedule × {factor})").format(
        rate=_rate(None if rate is None else rate / scale * factor), factor=f"{factor:g}"
    )


def _rate(rate: float | None) -> str:
    return words.rate(rate) if rate is not None else "–"
