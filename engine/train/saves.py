"""When a training saves, and what comes of a disk that refuses: training goes on, and the end waits for room."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from engine.language import _
from engine.run.checkpoints import CheckpointError, newest
from engine.run.clock import ActiveClock
from engine.run.schema import EventKind, Phase, Reason, State
from engine.run.worker_link import WorkerLink
from engine.train.ranks import Command, Order, Ranks
from engine.train.requests import RequestDesk, Stop
from engine.train.saving import Saver

FIRST_PAUSE, MOST_PAUSE = 2.0, 30.0
"""Seconds between two tries while the disk refuses, doubled from the first on."""

END_PATIENCE = 24 * 3600.0
"""Seconds that a training which has made all its updates waits for room to save them."""

STOP_PATIENCE = 600.0
"""Seconds that one which was asked to stop or pause waits."""

_LOOK_SECONDS = 0.1
_BREATH_SECONDS = 2.0
"""How often the other ranks hear that rank 0 lives, far below any rank_timeout."""


@dataclass
class SaveTrouble:
    """A disk that refuses saves: since when, how it says so, and when to try again. `now` in seconds."""

    now: Callable[[], float] = time.monotonic
    _told: set[str] = field(default_factory=set)
    _since: float = 0.0
    _pause: float = 0.0
    _next: float = 0.0

    @property
    def active(self) -> bool:
        """Whether the last save failed."""
        return bool(self._told)

    @property
    def is_due(self) -> bool:
        """Whether it is time to try again."""
        return self.active and self.now() >= self._next

    def note(self, error: CheckpointError) -> bool:
        """A save failed: plan the next try. Whether that is news: for a reason that was not told yet."""
        news = error.problem not in self._told
        if not self.active:
            self._since, self._pause = self.now(), FIRST_PAUSE
        self._told.add(error.problem)
        self._next = self.now() + self._pause
        self._pause = min(2 * self._pause, MOST_PAUSE)
        return news

    def over(self) -> float | None:
        """A save worked: how many seconds saves had been refused, None when they had not."""
        if not self.active:
            return None
        self._told.clear()
        return self.now() - self._since


class Saves:
    """Makes the saves of a training: those that are due, those asked for, and the last one."""

    def __init__(self, saver: Saver, desk: RequestDesk, link: WorkerLink, ranks: Ranks, clock: ActiveClock) -> None:
        self._saver = saver
        self._desk = desk
        self._link = link
        self._ranks = ranks
        self._clock = clock
        self.trouble = SaveTrouble()

    @property
    def is_due(self) -> bool:
        """Whether to save at this update's end; while the disk refuses, the pause between two tries alone decides."""
        if self._desk.saves or self.trouble.is_due:
            return True
        if self.trouble.active:
            return False
        return self._desk.changed or self._saver.is_due(self._desk.state.step)

    def save_between(self) -> None:
        """A save amid training; a disk that refuses does not end it. That is told once, not at every try."""
        problem = ""
        try:
            self._save()
        except CheckpointError as error:
            problem = str(error)
            if self.trouble.note(error):
                told = _("{problem} Training goes on, and saving is tried again until it works.")
                self._tell(told.format(problem=problem))
        self.answer(not problem, problem)

    def save_at_end(self, stop: Stop) -> Stop:
        """The last save, for which a training that has ended waits while the disk refuses.

        Returns how it ended: as `stop` says, or stopped without a save by a second request or signal, or because one
        who was asked to stop had waited STOP_PATIENCE. Raises CheckpointError when END_PATIENCE has passed.
        """
        patience = END_PATIENCE if stop.state is State.FINISHED else STOP_PATIENCE
        began = breathed = time.monotonic()
        while True:
            try:
                self._save()
                return stop
            except CheckpointError as error:
                refused = error
            news = self.trouble.note(refused)
            if not self._desk.only_stops:
                self._desk.take_only_stops()
                news = True
            if news:
                told = _(
                    "{problem} Training has ended at step {step} and waits for that, for up to {minutes} minutes more; "
                    "another stop ends the wait and gives up what is not saved."
                )
                minutes = round((patience - (time.monotonic() - began)) / 60)
                step = self._desk.state.step
                self._tell(told.format(problem=refused, step=step, minutes=minutes))
            while not self.trouble.is_due:
                waited = time.monotonic() - began
                self._link.note(phase=Phase.WAITING, phase_done=round(waited), phase_total=round(patience))
                if self._given_up:
                    return self._unsaved(stop, refused)
                if waited >= patience:
                    if stop.state is State.FINISHED:
                        raise refused
                    return self._unsaved(stop, refused)
                if time.monotonic() - breathed >= _BREATH_SECONDS:
                    breathed = time.monotonic()
                    self._ranks.tell(Command(Order.WAIT))
                time.sleep(_LOOK_SECONDS)

    def answer(self, accepted: bool, reason: str = "") -> None:
        """Answer the requests for a save."""
        while self._desk.saves:
            self._desk.answer(self._desk.saves.pop(0), accepted, reason)

    def _save(self) -> None:
        state = self._desk.state
        state.elapsed = self._clock.seconds
        self._saver.save(state, keep=any(request.args.get("keep") for request in self._desk.saves))
        self._desk.changed = False
        lasted = self.trouble.over()
        if lasted is not None:
            message = _("Saving works again after {seconds} s: step {step} is saved.")
            self._link.update(message=None)
            self._link.event("saving_again", state.step, message=message.format(seconds=round(lasted), step=state.step))

    def _tell(self, message: str) -> None:
        self._link.event(EventKind.CHECKPOINT_FAILED, self._desk.state.step, message=message)
        self._link.update(message=message)

    @property
    def _given_up(self) -> bool:
        """Whether a stop came after the end began; a supervisor that is lost meanwhile does not make it lose more."""
        stop = self._desk.poll()
        return stop is not None and (
            stop.reason is not Reason.SUPERVISOR_LOST or self._link.stop_reason is Reason.SIGNAL
        )

    def _unsaved(self, stop: Stop, refused: CheckpointError) -> Stop:
        last = newest(self._link.folder)
        message = _("{problem} It stopped without that save: what came after step {step} is lost.").format(
            problem=refused, step=0 if last is None else last.step
        )
        if stop.state is State.FAILED:
            return replace(stop, message=f"{stop.message} {message}", save=False)
        asked = stop if stop.state is not State.FINISHED else self._desk.stop
        return Stop(State.STOPPED, Reason.REQUEST if asked is None else asked.reason, message, save=False)
