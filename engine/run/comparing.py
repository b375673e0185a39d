"""Asking engine.worker.compare, a process with torch, whether what was saved twice has the same bits."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.language import _
from engine.run.start import module_environment, python_module


def compare_saved(pairs: Sequence[tuple[Path, Path]]) -> list[dict[str, Any]]:
    """The differences of each pair by part, as engine.worker.compare tells them; `problem` where one cannot be read,
    and `failed` as well where the comparison itself failed, which says nothing of the files.
    """
    if not pairs:
        return []
    done = subprocess.run(
        [*python_module("engine.worker.compare"), *(str(path) for pair in pairs for path in pair)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=module_environment(),
        check=False,
    )
    try:
        found = [json.loads(line) for line in done.stdout.splitlines()]
    except json.JSONDecodeError:
        found = []
    if len(found) != len(pairs):
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["?"]
        problem = _("they could not be compared (exit code {code}): {words}").format(
            code=done.returncode, words=last[0]
        )
        return [{"problem": problem, "failed": True}] * len(pairs)
    return found
