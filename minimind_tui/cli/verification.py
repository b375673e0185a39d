"""What `minimind verify` says of a run: a line for each thing that was looked at, and of a replay what came out."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.checkpoints import scan
from engine.run.folder import RunFolder
from engine.run.phase_words import phase_word
from engine.run.replay import CheckpointGoneError, ReplayResult, run_replay
from engine.run.replay_plan import ReplayPlan, plan_replay
from engine.run.verifying import Finding, verify_run
from minimind_tui import words
from minimind_tui.cli import exit_codes
from minimind_tui.cli.terminal import say
from minimind_tui.safe_text import one_line

_EVERY_SECONDS = 0.2
_PLANS = 3
"""How often a replay is planned anew when the run deletes the checkpoint meanwhile."""


def verify_and_tell(folder: RunFolder, step: int | None, replay: int | None, *, as_json: bool) -> int:
    """Verify a run, replay some of it if asked to, and say what was found; the exit code. Raises UserError."""
    result, problem = None, ""
    if replay is not None:
        plan = plan_replay(folder, replay, step)  # a mistake is told before hours of work
        # before the rest: a living run deletes the checkpoints that its newer ones replace
        try:
            result = _replay(plan, lambda: plan_replay(folder, replay, step))
        except UserError as error:
            problem = str(error)
    found: list[Finding] = []
    with _Notice() as notice:
        total = sum(info.size for info in scan(folder) if step in (None, 0, info.step))
        done = 0

        def on_bytes(count: int) -> None:
            nonlocal done
            done += count
            notice.show(
                _("Verifying {done} of {total} ...").format(done=words.size(done), total=words.size(max(done, total)))
            )

        for finding in verify_run(folder, step or None, on_bytes):
            found.append(finding)
            if not as_json:
                notice.clear()
                say(_line(finding))
    damaged = [finding for finding in found if finding.verdict == "damaged"]
    holds = not damaged and (result is None or result.identical) and not problem
    if as_json:
        say(json.dumps(_record(folder, found, result, problem, holds=holds), ensure_ascii=False))
    else:
        if result is not None:
            for line in replay_lines(result):
                say(line)
        say(
            _("{run}: all of it holds.").format(run=folder.id)
            if not damaged
            else _("{run}: {n} of {total} are damaged.").format(run=folder.id, n=len(damaged), total=len(found))
        )
    if problem:
        if not as_json:
            raise UserError(problem)
        return exit_codes.MISTAKE
    return exit_codes.OK if holds else exit_codes.FAILED


def replay_lines(result: ReplayResult) -> list[str]:
    """What a replay showed: first what was other than in the run, then whether the bits are the same, or where not."""
    lines = []
    if result.surroundings:
        lines.append(
            _("replay: it was made under other conditions, so other bits are to be expected: {reasons}").format(
                reasons=one_line("; ".join(result.surroundings))
            )
        )
    what = [_("{n} logged lines").format(n=result.lines)]
    if result.target is not None:
        what.append(_("checkpoint {step}").format(step=result.target))
    compared = _("replay: updates {first} to {last} made again; compared: {what}").format(
        first=result.start + 1, last=result.until, what=", ".join(what)
    )
    lines.append(compared)
    if result.identical:
        lines.append(_("replay: bit-identical"))
        return lines
    lines.append(_("replay: NOT bit-identical"))
    if result.line is not None:
        lines.append(
            _("replay: the first logged difference is at step {step}: {name} is {run}, made again {replay}").format(
                step=result.line.step,
                name=result.line.name,
                run=repr(result.line.run),
                replay=repr(result.line.replay),
            )
        )
    lines += [_part_words(name, part) for name, part in (result.parts or {}).items() if part["different"]]
    return lines


def _part_words(name: str, part: dict[str, Any]) -> str:
    labels = {
        "weights": _("weights"),
        "optimizer": _("the optimizer's state"),
        "scaler": _("the loss scale"),
        "rng": _("the random state"),
        "position": _("the position"),
    }
    text = _("replay: {part}: {n} of {count} differ, the first is {name}").format(
        part=labels.get(name, name), n=part["different"], count=part["count"], name=one_line(part["first"]["name"])
    )
    if "elements" in part["first"]:
        text += _(" ({elements} of {of} elements, by {largest} at most)").format(
            elements=part["first"]["elements"],
            of=part["first"]["of"],
            largest="?" if part["first"]["largest"] is None else f"{part['first']['largest']:.3g}",
        )
    return text


def _replay(plan: ReplayPlan, plan_again: Callable[[], ReplayPlan]) -> ReplayResult:
    with _Notice() as notice:

        def on_progress(phase: str, step: int) -> None:
            notice.show(
                _("Replaying: {phase}, step {step} of {until} ...").format(
                    phase=phase_word(phase), step=step, until=plan.until
                )
            )

        for _time in range(_PLANS - 1):
            try:
                return run_replay(plan, on_progress)
            except CheckpointGoneError:
                plan = plan_again()
        return run_replay(plan, on_progress)


def _line(finding: Finding) -> str:
    verdict = {"ok": _("ok"), "damaged": _("DAMAGED"), "note": _("note")}[finding.verdict]
    labels = {
        "manifest": _("manifest"),
        "settings": _("settings"),
        "checkpoint": _("checkpoint"),
        "weights": _("weights"),
        "metrics": _("metrics"),
        "events": _("events"),
    }
    name = f" {one_line(finding.name)}" if finding.what in ("checkpoint", "weights") and finding.name else ""
    return f"{labels[finding.what]}{name}: {verdict}, {one_line(finding.words)}"


def _record(
    folder: RunFolder, found: list[Finding], result: ReplayResult | None, problem: str, *, holds: bool
) -> dict[str, Any]:
    replay: dict[str, Any] | None = None
    if result is not None:
        replay = asdict(result) | {"identical": result.identical}
        if result.line is not None:  # JSON has no NaN
            replay["line"] = {name: None if value != value else value for name, value in replay["line"].items()}
    elif problem:
        replay = {"identical": None, "problem": problem}
    return {"run": folder.id, "holds": holds, "findings": [asdict(one) for one in found], "replay": replay}


class _Notice:
    """One line on a terminal's stderr that changes while something takes a while, and is gone afterwards."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last = 0.0

    def show(self, message: str) -> None:
        if self._shown and time.monotonic() - self._last >= _EVERY_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"\033[2K{one_line(message)}\r")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\033[2K")
            sys.stderr.flush()

    def __enter__(self) -> "_Notice":
        return self

    def __exit__(self, *_error: object) -> None:
        self.clear()
