"""Calling `minimind`, and looking at what it left."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.run.find import list_runs
from engine.run.folder import RunFolder


@dataclass(frozen=True)
class Called:
    """What a call of `minimind` did."""

    code: int
    out: str
    err: str


Minimind = Callable[..., Called]


def only_run(workspace: Path) -> RunFolder:
    """The one run of a workspace."""
    runs = list_runs(workspace / "runs")
    assert len(runs) == 1
    return runs[0]


def command(*arguments: str) -> list[str]:
    """`minimind` as a process of its own."""
    return [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())", *arguments]
