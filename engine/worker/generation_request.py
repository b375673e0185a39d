"""What the generating process is asked: one JSON object a request, checked before torch is there."""

import math
from dataclasses import dataclass, fields
from typing import Any

import orjson

from engine.errors import UserError
from engine.language import LANGUAGES, _, set_language

MOST_TOKENS = 32768
"""The most that one request may ask for: as many positions as MiniMind's models have."""


@dataclass(frozen=True)
class GenerationRequest:
    """What to continue, with which weights, and how.

    `id` asks the process to stay for more requests, and tags the answers. `shape` or `num_attention_heads` are for
    weights that do not tell theirs. `surrounded`: whether the model was trained on documents between bos and eos.
    `threads` limits the cpu's; None takes as many as torch would. Errors are told in `language`.

    Raises UserError for a number out of its bounds.
    """

    weights: str
    tokenizer: str
    prompt: str = ""
    id: int | None = None
    shape: dict[str, Any] | None = None
    num_attention_heads: int | None = None
    surrounded: bool = True
    max_tokens: int = 200
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.9
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    use_cache: bool = True
    language: str | None = None

    def __post_init__(self) -> None:
        self._check("max_tokens", 0, MOST_TOKENS, whole=True)
        self._check("temperature", 0, 1000)
        self._check("top_k", 0, 2**31, whole=True)
        self._check("top_p", 0, 1)
        self._check("seed", 0, 2**63 - 1, whole=True)
        for name in ("num_attention_heads", "threads"):
            if getattr(self, name) is not None:
                self._check(name, 1, 65536, whole=True)

    def _check(self, name: str, least: float, most: float, *, whole: bool = False) -> None:
        value = getattr(self, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int if whole else (int, float))
            or not (math.isfinite(value) and least <= value <= most)
        ):
            raise UserError(
                _("{name} is {value}; expected a number from {least} to {most}.").format(
                    name=name, value=value, least=least, most=most
                )
            )


def read_request(data: bytes) -> GenerationRequest:
    """The request in `data`; names it does not know are left out. Raises UserError when it is none."""
    known = {field.name for field in fields(GenerationRequest)}
    try:
        values = orjson.loads(data)
        if values.get("language") in LANGUAGES:
            set_language(values["language"])
        return GenerationRequest(**{name: value for name, value in values.items() if name in known})
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise UserError(_("The request for a generation is not understood: {problem}").format(problem=error)) from None
