from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from run_helpers import FakeRun, module_path

from engine.run.create import create_run
from engine.run.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The folder of a run that was made and not started."""
    return create_run(tmp_path / "runs", "mini", "steps = 1\n")


@pytest.fixture
def fake_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FakeRun]]:
    """Makes fake runs; whatever they leave running is ended."""
    monkeypatch.setenv("PYTHONPATH", module_path())
    runs: list[FakeRun] = []

    def make(**plan: Any) -> FakeRun:
        runs.append(FakeRun(tmp_path / "runs", **plan))
        return runs[-1]

    yield make
    for run in runs:
        run.clean_up()
