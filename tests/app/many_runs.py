"""Thousands of run folders, written fast: the small files alone, copied from one made by the run room's writers."""

import shutil
from pathlib import Path

from run_material import EPOCH, write_run

from engine.run.clock import utc_iso
from engine.run.schema import State

_STATES = (State.FINISHED, State.STOPPED, State.FAILED, State.CRASHED)


def write_many(workspace: Path, count: int) -> list[str]:
    """`count` ended runs of several states, a minute apart; returns their ids, the newest first."""
    templates = []
    for state in _STATES:
        made = write_run(workspace, f"template-{state}", state=state, steps=40, checkpoints=1)
        files = {name: (made.path / name).read_bytes() for name in ("manifest.json", "status.json", "run.toml")}
        templates.append((made.id.encode(), files))
        shutil.rmtree(made.path)
    ids = []
    for number in range(count):
        moment = utc_iso(EPOCH - 60.0 * number)
        stamp = moment[:19].replace("-", "").replace(":", "").replace("T", "-")
        run_id = f"{stamp}-run{number:04d}"
        folder = workspace / "runs" / run_id
        folder.mkdir(parents=True)
        template_id, files = templates[number % len(templates)]
        made_at = utc_iso(EPOCH).encode()
        for name, content in files.items():
            content = content.replace(template_id, run_id.encode())
            if name == "manifest.json":
                content = content.replace(made_at, moment.encode(), 1)
            (folder / name).write_bytes(content)
        ids.append(run_id)
    return ids
