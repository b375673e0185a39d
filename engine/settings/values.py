"""The kinds of values that settings have, and how people write them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.settings.moments import parse_deadline, parse_duration

Auto = Literal["auto"]


def _flag(value: object) -> object:
    """Truth as people write it; anything else is left for pydantic to refuse (`bool("False")` would be true)."""
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _auto_or_flag(value: object) -> object:
    return value if value == "auto" else _flag(value)


Flag = Annotated[bool, BeforeValidator(_flag)]
Count = Annotated[int, Field(ge=1, le=1048576)]
AutoFlag = Annotated[Auto | bool, BeforeValidator(_auto_or_flag)]
Duration = Annotated[float, BeforeValidator(parse_duration)]
Deadline = Annotated[str, BeforeValidator(parse_deadline)]
