"""A workspace of its own for each test, and the command line called in this process."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_helpers import Called, Minimind

from engine.run.find import list_runs
from engine.run.observe import observe
from engine.run.process import is_alive

HERE = Path(__file__).parent
TEXTS = "".join(json.dumps({"text": f"Text number {n}. 第{n}篇。"}, ensure_ascii=False) + "\n" for n in range(40))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace with one data file, and the paced trainer as worker."""
    monkeypatch.chdir(tmp_path)
    for name in ("MINIMIND_RUNS", "MINIMIND_LANG", "LC_ALL", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MINIMIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MINIMIND_WORKER", "paced_trainer")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    (tmp_path / "texts.jsonl").write_text(TEXTS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def minimind(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Minimind:
    """`minimind("run", "--preset", "mini")` in this process."""
    from minimind_tui.cli import main

    def call(*arguments: str) -> Called:
        capsys.readouterr()
        code = main(list(arguments))
        caught = capsys.readouterr()
        return Called(code, caught.out, caught.err)

    return call


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`plan(steps=100, step_seconds=0.05)`: how the paced trainer behaves from now on."""
    return lambda **values: monkeypatch.setenv("MINIMIND_TEST_PLAN", json.dumps(values))


@pytest.fixture(autouse=True)
def no_run_left_behind(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """End what a failed test left running, so that it cannot disturb others."""
    yield
    for folder in list_runs(tmp_path / "runs"):
        status = observe(folder).status
        for process in (status.worker, status.supervisor) if status else ():
            if process is not None and is_alive(process):
                os.kill(process.pid, 9)
