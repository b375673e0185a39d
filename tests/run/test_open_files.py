"""Too few files allowed is told with the limit."""

import resource

import pytest

from engine.run.open_files import words_of_files


def test_the_limit_is_named_and_other_errors_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (24, 24))
    assert "24 (ulimit -n)" in words_of_files(OSError(24, "Too many open files"))
    wrapped = RuntimeError("no cache")
    wrapped.__cause__ = OSError(24, "Too many open files")
    assert "24 (ulimit -n)" in words_of_files(wrapped)
    assert words_of_files(OSError(5, "Input/output error")) == "" == words_of_files(MemoryError())
