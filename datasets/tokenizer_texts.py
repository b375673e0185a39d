"""What the tokenizer scripts agree on: which texts train it, which judge it, and which of them are Chinese."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")


def read_texts(path: Path) -> Iterator[str]:
    """The texts of a JSONL file with one {"text": ...} a line. Raises ValueError naming the line that is not."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as problem:
                raise ValueError(f'{path}, line {number}: no object with a "text" ({problem})') from problem
            if not isinstance(text, str):
                raise ValueError(f'{path}, line {number}: "text" is not a string')
            yield text


def held_out(text: str, share: float) -> bool:
    """True for `share` of all texts, decided by a hash of the text alone: a text is never on both sides."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def is_chinese(text: str) -> bool:
    """True when at least a quarter of the text's Chinese characters and Latin letters are Chinese characters.

    A Chinese character says about as much as three Latin letters, so such a text is at least half Chinese.
    """
    han = len(HAN.findall(text))
    return han > 0 and 3 * han >= len(LATIN.findall(text))
