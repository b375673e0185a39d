"""The playground's workspace: a writer without torch answers, and keeps what it is asked."""

from pathlib import Path

import pytest

from minimind_tui import generating

APP_TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def writer(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fake writer in place of torch; returns the file that keeps what it is asked."""
    monkeypatch.setattr(generating, "WORKER", "fake_writer")
    monkeypatch.setenv("PYTHONPATH", str(APP_TESTS))
    monkeypatch.setenv("FAKE_WRITER_STEP", "200")
    log = workspace / "asked.jsonl"
    monkeypatch.setenv("FAKE_WRITER_LOG", str(log))
    return log
