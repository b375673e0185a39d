"""What the screens do to runs. Everything here may take a second: call it from a thread."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.control import ask, send_request
from engine.run.folder import RunFolder
from engine.run.fork import ForkPlan, make_fork
from engine.run.launch import RunPlan, apply_changes, choose_cache, make_run
from minimind_tui.starting import planned_resume, start_detached


def start(plan: RunPlan) -> RunFolder:
    """Make a planned run and start it. Raises UserError."""
    folder = make_run(plan)
    start_detached(folder)
    return folder


def resume(folder: RunFolder, values: Mapping[str, Any] | None = None) -> None:
    """Go on with a run, with changed `values` where it may take them; wakes a paused one. Raises UserError."""
    plan = planned_resume(folder, values or {})
    apply_changes(plan)
    if not plan.paused:
        start_detached(folder, again=plan.finished)
        return
    answer = ask(folder, "continue")
    if answer is not None and not answer.accepted:
        raise UserError(_("{run} refused {op}: {reason}").format(run=folder.id, op="continue", reason=answer.reason))


def resume_on_cache(folder: RunFolder) -> None:
    """Go on with a run on the token cache of its text, where the file is another one or gone. Raises UserError."""
    choose_cache(folder)
    resume(folder)


def fork(plan: ForkPlan, on_bytes: Callable[[int], None] | None = None) -> RunFolder:
    """Make a planned fork and start it; `on_bytes` hears of the checkpoint's bytes as they are verified.

    Raises UserError.
    """
    folder = make_fork(plan, on_bytes=on_bytes)
    start_detached(folder)
    return folder


def request(folder: RunFolder, op: str, args: Mapping[str, Any] | None = None) -> str:
    """Ask something of a live run; returns the request's id, its answer is an event. Raises UserError."""
    return send_request(folder, op, args)
