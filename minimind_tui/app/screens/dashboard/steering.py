"""What a person does to the run from its dashboard: requests, resume, leaving. What may block runs in threads."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.binding import ActiveBinding
from textual.worker import Worker, WorkerState

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.run.schema import ENDED_STATES, State
from engine.run.view import RunView
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.dialogs import Choice, ChoiceDialog, TextDialog
from minimind_tui.app.guarding import describe, tell
from minimind_tui.app.screens.dashboard.banner_panel import BannerPanel
from minimind_tui.app.screens.dashboard.learning_rate_dialog import LearningRateDialog
from minimind_tui.core import run_actions
from minimind_tui.core.dashboard.banner import SLOW_TO_STOP_SECONDS, unsaved
from minimind_tui.core.dashboard.requests import Asked, Requests, op_word, request_words

if TYPE_CHECKING:
    from engine.run.resumability import ResumeStatement

_LONGEST_PROMPT = 20_000
_RESUMABLE = frozenset({State.STOPPED, State.FAILED, State.CRASHED, State.CREATED})
_STEERABLE = {
    "save_now": frozenset({State.STARTING, State.RUNNING}),
    "sample_now": frozenset({State.STARTING, State.RUNNING}),
    "change_lr": frozenset({State.STARTING, State.RUNNING}),
    "pause": frozenset({State.STARTING, State.RUNNING, State.PAUSED}),
    "stop": frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING, State.STALLED}),
    "resume": _RESUMABLE,
}


class SteeredScreen(BaseScreen):
    """The requests of a dashboard and their answers. Subclasses show them: `look` is called when something was done."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder
        self.view = RunView(folder)
        self.requests = Requests()
        self._statement: ResumeStatement | None = None
        self._answered_at = float("-inf")
        self._resuming = False

    def look(self, *, everything: bool = False) -> None:
        """Look at the run again, now."""
        raise NotImplementedError

    def show_tab(self, tab: str) -> None:
        """Show a tab of the dashboard."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        states = _STEERABLE.get(action)
        if states is not None and self.view.observation.state not in states:
            return False
        if action == "resume" and self._statement is not None and not self._statement.possible:
            return False
        if action == "playground":
            return self.view.observation.state is State.FINISHED or self._has_checkpoint
        return super().check_action(action, parameters)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings with the key table's words, and with those that fit a paused, a new and a finished run."""
        other = {
            State.PAUSED: ("dashboard.pause", _("Go on")),
            State.CREATED: ("dashboard.resume", _("Start")),
            State.FINISHED: ("dashboard.playground", _("Playground")),
        }
        action, word = other.get(self.view.observation.state, ("", ""))
        return {
            pressed: active._replace(binding=replace(active.binding, description=word, show=True))
            if active.binding.id == action
            else active
            for pressed, active in super().active_bindings.items()
        }

    @property
    def _has_checkpoint(self) -> bool:
        status = self.view.observation.status
        return status is not None and status.last_checkpoint is not None

    # -- requests

    def action_save_now(self) -> None:
        """Ask for a checkpoint."""
        self._ask("save")

    def action_sample_now(self) -> None:
        """Ask for a prompt, and the run for a text."""
        self.app.push_screen(
            TextDialog(
                _("Sample now"),
                _("The model continues this text, after the present update. Empty: the run's own prompts."),
                check=lambda text: (
                    _("At most {n} characters.").format(n=_LONGEST_PROMPT) if len(text) > _LONGEST_PROMPT else ""
                ),
            ),
            self._sample,
        )

    def _sample(self, prompt: str | None) -> None:
        if prompt is None:
            return
        self._ask("sample", {"prompt": prompt} if prompt else {})
        self.show_tab("samples")

    def action_pause(self) -> None:
        """Pause, or go on."""
        if self.view.observation.state is State.PAUSED:
            self._resume()
        else:
            self._ask("pause")

    def action_change_lr(self) -> None:
        """Ask for a factor on the learning rate."""
        self.app.push_screen(LearningRateDialog(self.view.observation.status), self._change_lr)

    def _change_lr(self, factor: float | None) -> None:
        if factor is not None:
            self._ask("set", {"lr_scale": factor})

    def action_stop(self) -> None:
        """Ask whether to save and stop; a run that hangs may be stopped at once."""
        seen = self.view.observation
        hangs = seen.state is State.STALLED or self.requests.waiting("stop") is not None
        hangs = hangs or (seen.state is State.STOPPING and (seen.idle_s or 0.0) > SLOW_TO_STOP_SECONDS)
        choices = [Choice("stop", _("Save and stop"), "s", "warning"), Choice("stay", _("Go on"), "g")]
        body = _("It saves a checkpoint and ends. It can be resumed from there.")
        if hangs:
            choices.insert(1, Choice("now", _("Stop at once"), "n", "error"))
            body += "\n\n" + _("It does not answer. Stopping at once kills it without saving.")
            body += " " + unsaved(seen.status)
        self.app.push_screen(ChoiceDialog(_("Stop this run?"), body, choices), self._stop)

    def _stop(self, choice: str | None) -> None:
        if choice == "stop":
            self._ask("stop")
        elif choice == "now":
            self._ask("stop", {"now": True})

    def _stop_at_once(self) -> None:
        self.app.push_screen(
            ChoiceDialog(
                _("Stop at once?"),
                _("It is killed without saving.") + " " + unsaved(self.view.observation.status),
                [Choice("now", _("Stop at once"), "n", "error"), Choice("stay", _("Leave it"), "l")],
            ),
            self._stop,
        )

    def _ask(self, op: str, args: Mapping[str, Any] | None = None) -> None:
        self.run_worker(partial(self._send, op, args), name=f"ask {op}", group="ask", thread=True, exit_on_error=False)

    def _send(self, op: str, args: Mapping[str, Any] | None) -> tuple[str, str]:
        return op, run_actions.request(self.folder, op, args)

    def answered(self, asked: Asked) -> None:
        """A request was answered: a refusal is told aloud."""
        self._answered_at = time.monotonic()
        if asked.outcome != "accepted":
            tell(self, request_words(asked, self._answered_at), severity="warning")

    # -- going on

    def judge_resume(self) -> None:
        """Find out whether and how an ended run can go on; the banner says so once it is known."""
        self._statement = None
        if self.view.observation.state in _RESUMABLE:
            self.run_worker(
                self._state_resume, name="judge", group="judge", thread=True, exclusive=True, exit_on_error=False
            )

    def _state_resume(self) -> "ResumeStatement":
        from engine.run.resumability import resume_statement

        return resume_statement(self.folder)

    def action_resume(self) -> None:
        """Say what a resume will be, then go on."""
        statement = self._statement
        lines = statement.lines() if statement is not None else []
        created = self.view.observation.state is State.CREATED
        verb = _("Start") if created else _("Resume")
        choices = [Choice("resume", verb, "r", "primary")]
        if statement is not None and statement.cache_instead:
            cache = Choice("cache", _("Train on with the cache of its text"), "c")
            choices = [*choices, cache] if statement.possible else [cache]
        self.app.push_screen(
            ChoiceDialog(
                _("Start this run?") if created else _("Resume this run?"),
                "\n".join(lines) or _("It goes on from its newest checkpoint."),
                [*choices, Choice("no", _("Leave it"), "l")],
            ),
            lambda choice: self._resume(use_cache=choice == "cache") if choice in ("resume", "cache") else None,
        )

    def _resume(self, *, use_cache: bool = False) -> None:
        if not self._resuming:
            self._resuming = True
            go_on = run_actions.resume_on_cache if use_cache else run_actions.resume
            self.run_worker(lambda: go_on(self.folder), name="resume", group="resume", thread=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        name = event.worker.name
        if event.state is WorkerState.ERROR:
            event.stop()
            self._resuming = self._resuming and name != "resume"
            self._failed(name, event.worker.error)
        elif event.state is WorkerState.SUCCESS:
            event.stop()
            if name.startswith("ask "):
                op, request_id = cast("tuple[str, str]", event.worker.result)
                status = self.view.observation.status
                attempt = status.attempt if status is not None else 0
                self.requests.sent(request_id, op, at=time.monotonic(), attempt=attempt)
            elif name == "judge":
                self._statement = event.worker.result
            elif name == "resume":
                self._resuming = False
            self.look()

    def _failed(self, name: str, error: BaseException | None) -> None:
        if isinstance(error, UserError):
            tell(self, str(error), severity="error")
        elif isinstance(error, Exception):
            doing = _("Resuming failed") if name == "resume" else op_word(name.removeprefix("ask "))
            tell(self, f"{doing}: {describe(error)}", severity="error")

    # -- leaving

    def action_playground(self) -> None:
        """Let this run's model write."""
        self.minimind.open_playground(folder=self.folder)

    def action_detach(self) -> None:
        """Leave the run to itself."""
        if self.view.observation.state not in ENDED_STATES:
            tell(self, _("{run} goes on by itself. Come back: minimind-tui {run}").format(run=self.folder.id))
        self.minimind.action_show_home()

    def on_banner_panel_taken(self, event: BannerPanel.Taken) -> None:
        match event.offer:
            case "start" | "resume":
                self.action_resume()
            case "continue":
                self._resume()
            case "stop_now":
                self._stop_at_once()
            case "playground":
                self.action_playground()
            case "log":
                self.show_tab("log")
