"""The training loop, from the saved cursor to the end: update; then log, validate, sample, save, in that order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.data.stream import Cursor, Update, UpdateStream
from engine.language import _
from engine.run.clock import ActiveClock
from engine.run.schema import Phase, Reason, State
from engine.run.worker_link import WorkerLink
from engine.settings.schedule import Horizon, Schedule
from engine.settings.settings import Settings
from engine.train.budget import EndPlanner
from engine.train.eta import EtaEstimator
from engine.train.finite import NotFiniteError
from engine.train.guard import Guard, Rows
from engine.train.micro_batch import MicroBatch
from engine.train.out_of_memory import MemoryTooSmallError, free_memory, is_out_of_memory
from engine.train.ranks import Command, Order, Ranks
from engine.train.reporting import Reporter
from engine.train.requests import RequestDesk, Stop
from engine.train.saves import Saves
from engine.train.saving import Saver
from engine.train.speed import SpeedRecorder
from engine.train.state import TrainerState
from engine.train.trackers import Trackers
from engine.train.update import PASSED_OVER, Updater, UpdateResult, Verdict
from engine.train.watching import Watcher


@dataclass
class Trainer:
    """A run's parts, put together by the worker, and the loop that drives them."""

    settings: Settings
    state: TrainerState
    link: WorkerLink
    desk: RequestDesk
    stream: UpdateStream
    updater: Updater
    schedule: Schedule
    horizon: Horizon
    planner: EndPlanner
    reporter: Reporter
    watcher: Watcher
    saver: Saver
    clock: ActiveClock
    trackers: Trackers
    speed: SpeedRecorder
    micro_batch: MicroBatch
    guard: Guard
    completes_save: bool = False
    """Whether it goes on from a checkpoint of its own, whose save a kill may have cut short."""
    eta: EtaEstimator = field(default_factory=EtaEstimator)

    def __post_init__(self) -> None:
        self.saves = Saves(self.saver, self.desk, self.link, self.ranks, self.clock)
        self._time_is_up = False
        self._updates_since_report = 0
        self._reported_at, self._reported_wait = self.clock.here, 0.0

    def run(self) -> Stop:
        """Train until the horizon's end or a stop; returns how it ended, with everything saved.

        A stop is honoured between two micro-batches: the partial sums are dropped and the last update's state is saved;
        several ranks honour it between two updates. Raises CheckpointError when the disk refused the last save for as
        long as it is waited for (engine.train.saves).
        """
        stop = self._run()
        self.ranks.tell(Command(Order.END))
        return stop

    def follow(self) -> None:
        """Another rank than 0: do as rank 0 says until it says that it is over."""
        while (command := self.ranks.hear()).order is not Order.END:
            match command.order:
                case Order.UPDATE:
                    self._update(next(self.stream), command.lr)
                case Order.PASS:
                    next(self.stream)
                case Order.VALIDATE:
                    self.watcher.measure()
                case Order.REPORT:
                    self._gather_seconds()
                case Order.WAIT:
                    continue

    @property
    def ranks(self) -> Ranks:
        """All processes of the run."""
        return self.updater.ranks

    def _update(self, update: Update, lr: float) -> UpdateResult | None:
        """This rank's part of an update; None when it was stopped within."""
        alone = self.ranks.size == 1
        self._updates_since_report += 1
        rows, begin = self._rows_of(update), update.cursor_before
        return self.updater.update(
            update.micro_batches,
            update.target_tokens,
            lr,
            lambda: alone and self._stop_wanted() is not None,
            self._micro_batch,
            lambda measured: self.guard.judge(
                measured, rows, lr, lambda: self.stream.rows_from(begin), lambda: self.desk.poll() is not None
            ),
        )

    def _rows_of(self, update: Update) -> Rows:
        """Where an update's rows lie, before it is made."""
        begin, share = update.cursor_before, update.row_count / self.stream.rows_per_update
        return Rows(begin.epoch, begin.row, update.row_count, share)

    def _passed_over(self) -> UpdateResult:
        """Leave an update out, on all ranks; the stream drops its micro-batches with the next one."""
        self.ranks.tell(Command(Order.PASS))
        return PASSED_OVER

    def _run(self) -> Stop:
        self.link.update(state=State.RUNNING)
        if self.completes_save:
            self.saver.complete_last(self.state)
        self._settle()  # what the last update of an earlier attempt still owes
        self.link.update(phase=Phase.TRAINING)
        while not (stop := self._stop_wanted()) and not self._is_last:
            started, waited = self.clock.here, self.stream.wait_seconds
            update = next(self.stream)
            lr = self.schedule.lr_at(self.state.step, self.horizon) * self.state.lr_scale
            passed = self.guard.passes_over(self._rows_of(update), update.target_tokens)
            result = self._passed_over() if passed else self._made(update, lr)
            if result is None:
                continue
            if result.verdict is not Verdict.END:
                self._advance(update, result, lr, self.clock.here - started, self.stream.wait_seconds - waited)
            if result is not PASSED_OVER:
                self.speed.add(update.row_count, update.target_tokens, self.clock.here - started)
            if stop := self.guard.stop:
                break
            self._settle()
            self.eta.mark(self.clock.here, self.state.step)
        if self._is_last and not self.state.pending and not (stop and stop.state is State.FAILED):
            stop = self._finished()
        return self._end(stop or self._finished())

    def _made(self, update: Update, lr: float) -> UpdateResult | None:
        """Make an update; where memory runs out, the same rows again with fewer at a time. None when it was stopped.

        Several ranks cannot agree on that within an update: they end, and the launcher starts them again with fewer.
        """
        while True:
            self.ranks.tell(Command(Order.UPDATE, lr))
            try:
                return self._update(update, lr)
            except Exception as error:
                if self.ranks.size > 1 or not is_out_of_memory(error):
                    raise
            # out here nothing refers to the error any more, whose traceback kept the update's tensors alive
            self.updater.drop()
            free_memory(self.updater.device)
            if not self._take_fewer_rows():
                return None
            update = next(self.stream)

    def _take_fewer_rows(self) -> bool:
        """Compute fewer rows at a time from the update on that memory ran out in; False when no fewer can be."""
        try:
            self.micro_batch.halve()
        except MemoryTooSmallError as error:
            self._give_up(error)
            return False
        rows, per_update = self.micro_batch.rows, self.micro_batch.per_update
        self.stream.deal_again(Cursor(self.state.epoch, self.state.row), rows)
        self.saver.note_surroundings(batch_size=rows, accumulation_steps=per_update)
        self.speed.measure_other(rows, per_update)
        self.desk.changed = True  # the checkpoint that follows repeats it
        return True

    def _give_up(self, error: MemoryTooSmallError) -> None:
        """End the run for want of memory, with all updates made saved."""
        self.desk.stop = Stop(State.FAILED, Reason.USER_ERROR, str(error))

    @property
    def _is_last(self) -> bool:
        """Whether no update is left to make."""
        return self._time_is_up or self.state.step >= self.horizon.end

    @property
    def _shown_epoch(self) -> int:
        """The epoch the last update belongs to, from 1: a cursor at a row 0 stands behind a whole epoch."""
        return self.state.epoch + (1 if self.state.row else 0)

    def _stop_wanted(self) -> Stop | None:
        if stop := self.desk.poll():
            return stop
        if not self._is_last and self.planner.expired(self.clock.seconds, time.time()):
            self.state.end_reason = self.planner.bounds.binding(self.clock.seconds, time.time())
            return self._finished()
        return None

    def _micro_batch(self, done: int, total: int) -> None:
        self.link.note(micro_batch=done, micro_batches=total)

    def _advance(self, update: Update, result: UpdateResult, lr: float, seconds: float, waited: float) -> None:
        """Count an update, log it when its interval is full, and note what its end owes."""
        state, settings = self.state, self.settings
        state.step += 1
        state.epoch, state.row = update.cursor_after.epoch, update.cursor_after.row
        state.tokens += update.target_tokens
        state.elapsed = self.clock.seconds
        for sums in (state.interval, state.since_validation):
            sums.add(
                result.loss_sum,
                0 if result is PASSED_OVER else update.target_tokens,
                result.finite,
                seconds,
                waited,
                result.aux_loss,
                result.expert_slots,
            )
        self.guard.count(result, self._rows_of(update), lr)
        self._plan_end()
        due = {"validate": settings.eval_interval, "sample": settings.sample_interval}
        state.pending = [
            part
            for part, every in due.items()
            if self.watcher.can[part] and (self._is_last or (every and state.step % every == 0))
        ]
        self._report(result, lr)

    def _report(self, result: UpdateResult, lr: float) -> None:
        """The status at every update; a log line when its interval is full, and at the end."""
        state = self.state
        changes = {
            "step": state.step,
            "epoch": self._shown_epoch,
            "tokens": state.tokens,
            "elapsed": round(state.elapsed, 3),
            "lr": lr,
            "micro_batch": 0,
            "skipped": state.skipped,
            "loss_scale": self.updater.scaler.shown,
            "total_steps": self.horizon.end,
            "eta_s": self.eta.seconds_left(self.horizon.end),
        }
        self.link.note(phase=Phase.TRAINING, **changes)
        if self._is_last or state.step % self.settings.log_interval == 0:
            seconds = {}
            if self.ranks.size > 1:
                self.ranks.tell(Command(Order.REPORT))
                seconds = self._gather_seconds()
            self.reporter.log(state, lr, result.grad_norm, self._shown_epoch, seconds)

    def _gather_seconds(self) -> dict[str, list[float]]:
        """Each rank's own seconds an update, and its share of time spent waiting for data, since the last report."""
        updates = max(1, self._updates_since_report)
        waited, began = self.stream.wait_seconds, self._reported_at
        self._reported_at = self.clock.here
        own, waits, spans = zip(
            *self.ranks.gather(
                self.ranks.clock.take() / updates, waited - self._reported_wait, max(1e-9, self._reported_at - began)
            ),
            strict=True,
        )
        self._reported_wait, self._updates_since_report = waited, 0
        return {
            "rank_seconds": [round(seconds, 4) for seconds in own],
            "rank_data_wait": [round(min(1.0, wait / span), 4) for wait, span in zip(waits, spans, strict=True)],
        }

    def _plan_end(self) -> None:
        """With a time budget or a deadline: move the horizon to the update that the time allows."""
        now = time.time()
        reserve = sum(self.watcher.last_seconds.values()) + self.saver.last_seconds
        end = self.planner.plan(
            self.state.step, self.horizon.end, self.state.elapsed, now, self.eta.seconds_per_update, reserve
        )
        if end is None:
            return
        self.state.end_reason = self.planner.bounds.binding(self.state.elapsed, now)
        if end <= self.state.step:
            self._time_is_up = True
            return
        self.horizon = self.schedule.replan(self.horizon, self.state.step, end)
        self.state.horizon = self.horizon.to_list()
        self.link.event("planned", self.state.step, total_steps=end, reason=self.state.end_reason)

    def _settle(self) -> None:
        """What an update's end owes: validate, sample, save. A stop leaves the rest to the next attempt."""
        state = self.state

        def should_stop() -> bool:
            return self.desk.poll() is not None

        while state.pending and not should_stop():
            if state.pending[0] == "validate":
                done = self._validate(should_stop)
            else:
                done = self.watcher.sample(state, should_stop)
            if done:
                state.pending = state.pending[1:]
        while self.desk.samples:
            request = self.desk.samples.pop(0)
            self.watcher.sample_on_request(state, request.args)
            self.desk.answer(request)
        self.desk.apply_scales()
        self.guard.exclude(self.desk)
        if not self._is_last and state.step > 0 and self.saves.is_due:
            self._save_between()

    def _validate(self, should_stop: Callable[[], bool]) -> bool:
        """Validate; where memory runs out, again with fewer rows at a time. False when it was stopped."""
        while True:
            try:
                return self.watcher.validate(self.state, self._shown_epoch, should_stop)
            except Exception as error:
                if self.ranks.size > 1 or not is_out_of_memory(error):
                    raise
            free_memory(self.updater.device)
            try:
                self.micro_batch.halve_validation()
            except MemoryTooSmallError as error:
                self._give_up(error)
                return False
            self.desk.changed = True

    def _save_between(self) -> None:
        """A save amid training, unless weights or optimiser are no numbers any more: then nothing of them is kept."""
        try:
            self.saves.save_between()
        except NotFiniteError as error:
            self.desk.stop = self.guard.instead_of(self.desk.stop, error.names)
            self.saves.answer(False, self.desk.stop.message)

    def _finished(self) -> Stop:
        messages = {
            Reason.COMPLETE: _("All epochs are done."),
            Reason.MAX_STEPS: _("max_steps is reached."),
            Reason.TIME_BUDGET: _("The time budget is used."),
            Reason.DEADLINE: _("The deadline is reached."),
        }
        reason = Reason(self.state.end_reason)
        words = f"{messages[reason]} {self.guard.last_words()}".strip()
        return Stop(State.FINISHED, reason, words)

    def _end(self, stop: Stop) -> Stop:
        """The last save, unless nothing has been made since the one before."""
        if stop.save:  # else nothing keeps them, and whoever opens the next attempt refuses what has no answer
            self.desk.apply_scales()
        self.guard.exclude(self.desk, at_end=True)
        if stop.save and self.state.step > 0 and (self.saver.last_step != self.state.step or self.desk.changed):
            try:
                stop = self.saves.save_at_end(stop)
            except NotFiniteError as error:
                stop = self.guard.instead_of(stop, error.names)
        self.speed.keep()
        self.saves.answer(stop.save, "" if stop.save else stop.message)
        while self.desk.samples:
            self.desk.answer(self.desk.samples.pop(0), False, _("The run ended before it."))
        return stop
