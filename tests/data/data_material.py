"""Texts and files that the tests of this room share."""

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = [
    "the",
    "a",
    "river",
    "stone",
    "light",
    "runs",
    "over",
    "under",
    "small",
    "old",
    "green",
    "quickly",
    "slowly",
    "and",
    "because",
    "when",
    "bird",
    "tree",
    "house",
    "water",
    "wind",
    "春天",
    "河流",
    "石头",
    "光",
    "在",
    "小",
    "老",
    "绿色",
    "慢慢地",
    "和",
    "因为",
    "鸟",
    "树",
    "房子",
    "水",
    "风",
    "你好",
    "世界",
]


def make_texts(count: int, seed: int = 0, longest: int = 40) -> list[str]:
    """Distinct texts of 1 to `longest` words, Chinese and English mixed."""
    rng = random.Random(seed)
    return [f"{index} " + " ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for index in range(count)]


def write_jsonl(path: Path, texts: Sequence[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
    return path


def shared_data(name: str) -> Path:
    """A file of the shared real data, or skip: MINIMIND_SHARED_DATA, else ../shared/data beside the checkout."""
    root = Path(os.environ.get("MINIMIND_SHARED_DATA") or Path(__file__).parents[3] / "shared" / "data")
    path = root / name
    if not path.exists():
        pytest.skip(f"the shared data {name} is not on this machine")
    return path
