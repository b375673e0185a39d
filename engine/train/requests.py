"""What people ask of a running training: polled between micro-batches, honoured between updates."""

import time
from dataclasses import dataclass, field
from typing import Literal

from engine.language import _
from engine.run.schema import Reason, Request, State
from engine.run.worker_link import WorkerLink
from engine.train.state import TrainerState

POLL_SECONDS = 0.2
MOST_WAITING = 16
"""Requests of a kind that wait for the update's end; more are refused, so that no flood of them becomes a queue."""


@dataclass(frozen=True)
class Stop:
    """Why the loop ends, in which state, and whether it saves first."""

    state: Literal[State.FINISHED, State.STOPPED, State.PAUSED, State.FAILED]
    reason: Reason
    message: str
    save: bool = True


@dataclass
class RequestDesk:
    """Takes control requests and signals; the loop asks it what to do.

    saves, samples, scales, exclusions: requests to be answered once that is done. changed: the state changed and must
    be saved.
    """

    link: WorkerLink
    state: TrainerState = field(default_factory=TrainerState)
    stop: Stop | None = None
    saves: list[Request] = field(default_factory=list)
    samples: list[Request] = field(default_factory=list)
    scales: list[Request] = field(default_factory=list)
    exclusions: list[Request] = field(default_factory=list)
    changed: bool = False
    only_stops: bool = False
    """Whether training has ended but for its last save: only a new stop means anything then."""
    _polled: float = 0.0

    def poll(self) -> Stop | None:
        """Look for requests and signals (files at most every POLL_SECONDS); the stop that was asked for, if any."""
        if self.stop is None and self.link.stop_requested:
            self.stop = Stop(State.STOPPED, self.link.stop_reason, _("Stopped; everything is saved."))
        now = time.monotonic()
        if now - self._polled >= POLL_SECONDS:
            self._polled = now
            for request in self.link.poll_requests():
                self._take(request)
        return self.stop

    def take_only_stops(self) -> None:
        """Training has ended; from now on hear only of stops, and of new ones."""
        self.only_stops = True
        self.stop = None
        self.link.forget_signal()

    def answer(self, request: Request, accepted: bool = True, reason: str = "") -> None:
        """Answer a request at the state's step."""
        self.link.answer(request.id, accepted, reason or None, self.state.step)

    def _take(self, request: Request) -> None:
        match request.op:
            case "pause" | "sample" | "set" if self.only_stops:
                self.answer(request, False, _("It has ended but for its last save, and waits until the disk takes it."))
            case "save":
                self._queue(self.saves, request)
            case "sample":
                self._queue(self.samples, request)
            case "stop":
                self.stop = Stop(State.STOPPED, Reason.REQUEST, _("Stopped on request; everything is saved."))
                self.answer(request)
            case "pause":
                self.stop = Stop(State.PAUSED, Reason.REQUEST, _("Paused; its memory is free."))
                self.answer(request)
            case "set":
                self._queue(self.scales, request)
            case "exclude":
                self._queue(self.exclusions, request)
            case _:
                self.answer(request, False, _("It is not paused."))

    def _queue(self, waiting: list[Request], request: Request) -> None:
        if len(waiting) < MOST_WAITING:
            waiting.append(request)
        else:
            self.answer(request, False, _("{n} requests of this kind are waiting already.").format(n=len(waiting)))

    def apply_scales(self) -> None:
        """Between two updates: take over the learning rate's factors that were asked for meanwhile."""
        while self.scales:
            request = self.scales.pop(0)
            before, self.state.lr_scale = self.state.lr_scale, float(request.args["lr_scale"])
            self.changed = True
            self.answer(request)
            self.link.update(lr_scale=self.state.lr_scale)
            message = _("From the next update on the learning rate's factor is {after:g} (before: {before:g}).")
            self.link.event(
                "lr_scale",
                self.state.step,
                message=message.format(before=before, after=self.state.lr_scale),
                before=before,
                after=self.state.lr_scale,
            )
