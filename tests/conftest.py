"""What holds for every test: messages are in English, a terminal has its own size, garbage is sought now and then."""

import gc
import os
from collections.abc import Iterator

import pytest

from engine.language import set_language


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """English before and after, in this process and in those it starts."""
    before = os.environ.get("MINIMIND_LANG")
    set_language("en")
    yield
    set_language("en")
    if before is None:
        os.environ.pop("MINIMIND_LANG", None)
    else:
        os.environ["MINIMIND_LANG"] = before


@pytest.fixture(autouse=True)
def terminals_have_their_own_size() -> None:
    """A library that was loaded may have told the environment the size of a terminal: no other one has it."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: garbage is sought among what the tests make, which costs a fifth less."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes do not name a test: those of an archive hold the time it was made, and every process collects another."""
    return argname if isinstance(val, bytes) else None
