"""What becomes of an update whose numbers are not as they should be: made with a warning, skipped, gone back from, or
the end of the run. What is decided is written down before it happens, so that an interruption changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from engine.data.rows import Integers
from engine.errors import UserError
from engine.language import _
from engine.run.clock import ActiveClock
from engine.run.guard_record import KEPT_AUTOPSIES, GuardRecord, NamedDocument, Rollback, write_guard
from engine.run.guard_record import Autopsy as AutopsyRecord
from engine.run.schema import EventKind, Reason, State
from engine.run.worker_link import WorkerLink
from engine.settings.settings import Settings
from engine.train.autopsy import SECONDS, Autopsy, Findings
from engine.train.divergence import Fault, advice, before, documents_in_words, sentences
from engine.train.finite import not_finite
from engine.train.requests import RequestDesk, Stop
from engine.train.spikes import PATIENCE, SpikeDetector
from engine.train.state import TrainerState
from engine.train.update import PASSED_OVER, Measured, Updater, UpdateResult, Verdict

Policy = Literal["warn", "skip", "rollback", "stop"]
Deal = Callable[[], Integers]
"""Gives an update's rows, over all ranks."""

QUIET_UPDATES = 20
"""After a warning about a spike, so many updates pass before the next."""

_SHARE_OF_TIME = 0.05
"""Beyond the first look, autopsies take at most this share of the training's time."""


@dataclass(frozen=True)
class Rows:
    """An update's rows: its first one in its epoch's order, how many, and their share of a whole update's."""

    epoch: int
    row: int
    count: int
    share: float


class Guard:
    """Judges each update on every rank alike; rank 0 also tells, looks for the documents, and writes decisions."""

    def __init__(
        self,
        settings: Settings,
        state: TrainerState,
        link: WorkerLink,
        updater: Updater,
        autopsy: Autopsy,
        record: GuardRecord,
        clock: ActiveClock,
        dtype: str,
    ) -> None:
        self._settings = settings
        self._state = state
        self._link = link
        self._updater = updater
        self._autopsy = autopsy
        self._record = record
        self._clock = clock
        self._dtype = dtype
        self._detector = SpikeDetector(state.spikes, settings.spike_threshold)
        self._last_fault: tuple[Fault, Findings] | None = None
        self._last_made: tuple[int, Rows, float] | None = None
        self._examined_seconds = 0.0
        self.stop: Stop | None = None
        """How the attempt ends, once an update was judged END."""

    def passes_over(self, rows: Rows, target_tokens: int) -> bool:
        """Whether an update is not computed at all: a rollback says so, or all of its documents are excluded."""
        return target_tokens == 0 or self._record.passes_over(rows.epoch, rows.row, rows.count)

    def judge(self, measured: Measured, rows: Rows, lr: float, deal: Deal, should_stop: Callable[[], bool]) -> Verdict:
        """What becomes of the update after the last one made; every rank calls it. `deal` gives its rows."""
        step = self._state.step + 1
        if measured.finite:
            spike = self._detector.observe(measured.loss, measured.grad_norm, rows.share)
            policy = self._settings.spikes
            if self._state.spikes.in_a_row >= PATIENCE and (spike is None or policy in ("warn", "off")):
                self._accept(measured, lr)
                return Verdict.MAKE
            if spike is None or policy == "off":
                return Verdict.MAKE
            fault = Fault(step, spike.what, lr, self._dtype, spike=spike)
            if policy == "warn":
                self._warn(fault, measured, rows, deal, should_stop)
                return Verdict.MAKE
            return self._act(policy, fault, measured, rows, deal, should_stop)
        if measured.searching:
            return Verdict.SKIP
        if self._updater.ranks.rank != 0:
            return Verdict.SKIP  # no weight changes, whatever rank 0 makes of it
        broken = not_finite(self._updater.model, self._updater.optimizer)
        if broken:
            self.stop = self.weights_broken(broken)
            return Verdict.END
        found: Literal["loss", "gradient"] = "gradient" if abs(measured.loss) < float("inf") else "loss"
        return self._act(
            self._settings.nonfinite, Fault(step, found, lr, self._dtype), measured, rows, deal, should_stop
        )

    def count(self, result: UpdateResult, rows: Rows, lr: float) -> None:
        """Count an update that was judged, or passed over, once the state stands behind it."""
        state = self._state
        if result.verdict is Verdict.MAKE:
            state.skipped_in_a_row = 0
            self._last_made = (state.step, rows, lr)
            return
        state.skipped += 1
        if result is PASSED_OVER:
            message = _("Update {step} is passed over, as decided before.").format(step=state.step)
            self._link.event(EventKind.GUARD, state.step, message=message, passed_over=True)
            return
        if result.searching:
            message = _("Update {step} was skipped: its gradient overflowed in fp16; the loss scale is now {scale:g}.")
            self._link.event(
                EventKind.GUARD,
                state.step,
                message=message.format(step=state.step, scale=self._updater.scaler.scale),
                loss=result.loss_sum,
                grad_norm=result.grad_norm,
            )
            return
        state.skipped_in_a_row += 1
        self.stop = self.hopeless()

    def hopeless(self) -> Stop | None:
        """A failure when too many updates in a row were skipped."""
        if self._state.skipped_in_a_row < self._settings.nonfinite_limit:
            return None
        what = _("{n} updates in a row were skipped, the last is update {step}: training has diverged.").format(
            n=self._state.skipped_in_a_row, step=self._state.step
        )
        unknown = Fault(self._state.step, "loss", self._updater.optimizer.lr, self._dtype)
        fault, findings = self._last_fault or (unknown, None)
        return self._diverged(fault, findings, what, "" if self._last_fault is None else fault.what(), save=False)

    def weights_broken(self, names: list[str]) -> Stop:
        """How the attempt ends when weights or optimiser state are not finite: nothing of them may be saved."""
        step, rows, lr = self._last_made or (self._state.step, None, self._updater.optimizer.lr)
        fault = Fault(step, "weights", lr, self._dtype, broken=tuple(names))
        findings = Findings(0, 0, [], _("No document is to blame."))
        if self._settings.nonfinite == "rollback" and rows is not None:
            return self._roll_back(fault, rows, findings)
        return self._diverged(fault, findings, fault.what(), _("Nothing of that is saved."), save=False)

    def instead_of(self, stop: Stop | None, names: list[str]) -> Stop:
        """How a run ends whose save was refused for its `names`; one that a person stopped stays stopped."""
        broken = self.weights_broken(names)
        if stop is None or stop.reason not in (Reason.REQUEST, Reason.SIGNAL, Reason.SUPERVISOR_LOST):
            return broken
        return Stop(State.STOPPED, stop.reason, broken.message, save=False)

    def last_words(self) -> str:
        """What a run that ends must add: that its loss stands out still. Empty when all is well."""
        spikes = self._state.spikes
        if self._settings.spikes == "off":
            return ""
        if spikes.in_a_row:
            return _("But its last {n} updates stood out: the loss before them was {usual:.4g}.").format(
                n=spikes.in_a_row, usual=spikes.usual
            )
        if spikes.lost_at and spikes.losses and (now := median(spikes.losses)) > spikes.lost_usual:
            return _(
                "But its loss rose at update {step} from {usual:.4g} and never came back: it is {now:.4g}."
            ).format(step=spikes.lost_at, usual=spikes.lost_usual, now=now)
        return ""

    def exclude(self, desk: RequestDesk, *, at_end: bool = False) -> None:
        """Answer requests to exclude documents; where some are new, the attempt ends: the next one trains without."""
        while desk.exclusions:
            request = desk.exclusions.pop(0)
            asked = [NamedDocument(file=self._autopsy.source, **one) for one in request.args["documents"]]
            strange = [document.line for document in asked if not self._autopsy.knows(document.hash)]
            if strange:
                problem = _("Line {line} is no document that this run trains on.").format(line=strange[0])
                desk.answer(request, False, problem)
                continue
            had = list(self._record.excluded)
            try:
                fresh = self._record.exclude(asked)
                write_guard(self._link.folder, self._record)
            except (UserError, OSError) as error:
                self._record.excluded = had
                desk.answer(request, False, str(error))
                continue
            desk.answer(request)
            if not fresh:
                continue
            lines = ", ".join(str(document.line) for document in fresh[:10]) + (", ..." if len(fresh) > 10 else "")
            message = _("Excluded from now on: {n} documents (lines {lines}).").format(n=len(fresh), lines=lines)
            self._link.event("excluded", self._state.step, message=message, lines=[one.line for one in fresh])
            if desk.stop is None and not at_end:
                desk.stop = Stop(State.STOPPED, Reason.EXCLUSION, message)

    def _warn(self, fault: Fault, measured: Measured, rows: Rows, deal: Deal, should_stop: Callable[[], bool]) -> None:
        spikes = self._state.spikes
        if spikes.in_a_row == 1 and (spikes.told_at == 0 or fault.step - spikes.told_at >= QUIET_UPDATES):
            spikes.told_at = fault.step
            findings = self._examine(fault, measured, rows, deal, should_stop)
            self._tell(fault, measured, sentences(fault.what(), _in_words(findings)), findings)

    def _accept(self, measured: Measured, lr: float) -> None:
        """What has stood out for so long is how it is now: say so, once."""
        spikes, step = self._state.spikes, self._state.step + 1
        self._detector.accept(step)
        if self._settings.spikes == "off":
            return
        fault = Fault(step, "loss", lr, self._dtype)
        message = _(
            "This is no spike: the loss or gradient stands out since update {since}, {n} updates ago. The loss is "
            "{now:.4g}, before that it was {usual:.4g}."
        ).format(since=spikes.lost_at, n=PATIENCE, now=measured.loss, usual=spikes.lost_usual)
        self._tell(fault, measured, sentences(message, self._advice(fault, None)), None)

    def _act(
        self,
        policy: Policy,
        fault: Fault,
        measured: Measured,
        rows: Rows,
        deal: Deal,
        should_stop: Callable[[], bool],
    ) -> Verdict:
        """Do as the policy says with an update that is not made."""
        ends = policy != "skip"
        if self._updater.ranks.rank != 0:
            return Verdict.END if ends else Verdict.SKIP
        findings = None
        if ends or self._state.skipped_in_a_row == 0:
            findings = self._examine(fault, measured, rows, deal, should_stop)
            self._last_fault = (fault, findings or Findings(rows.count, 0, []))
        if policy == "rollback":
            self.stop = self._roll_back(fault, rows, findings)
        elif policy == "stop":
            self._tell(fault, measured, sentences(fault.what(), _in_words(findings)), findings)
            setting = "nonfinite" if fault.spike is None else "spikes"
            end = _("The run stops before it, as asked; `minimind resume {run} --{setting} skip` goes past it.")
            end = end.format(run=self._link.folder.id, setting=setting)
            self.stop = self._diverged(fault, findings, fault.what(), end, save=True)
        else:
            skipped = _("It is skipped: the weights are unchanged.")
            self._tell(fault, measured, sentences(fault.what(), skipped, _in_words(findings)), findings)
        return Verdict.END if ends else Verdict.SKIP

    def _roll_back(self, fault: Fault, rows: Rows, findings: Findings | None) -> Stop:
        """Write the decision to go back, past these rows; the attempt ends, and the next one does it."""
        made = sum(earlier.attempt > 0 for earlier in self._record.rollbacks)
        if made >= self._settings.rollback_limit:
            again = _("All {n} rollbacks that rollback_limit allows are used up.").format(n=made)
            return self._diverged(fault, findings, fault.what(), again, save=False)
        factor = self._settings.rollback_lr_scale
        rollback = Rollback(
            attempt=self._link.attempt,
            step=fault.step,
            found=fault.found,
            epoch=rows.epoch,
            row=rows.row,
            rows=rows.count,
            lr_factor=factor,
        )
        self._record.rollbacks.append(rollback)
        try:
            write_guard(self._link.folder, self._record)
        except OSError as error:
            self._record.rollbacks.pop()
            problem = _("The decision to go back could not be written: {problem}.").format(
                problem=error.strerror or error
            )
            return Stop(State.FAILED, Reason.ERROR, sentences(fault.what(), problem), save=False)
        message = sentences(
            fault.what(),
            _("Going back to step {step}, and past update {passed}.").format(
                step=self._link.status.last_checkpoint or 0, passed=fault.step
            ),
            _("The learning rate is multiplied by {factor:g} from there.").format(factor=factor) if factor != 1 else "",
            _in_words(findings),
        )
        self._link.event(
            EventKind.ROLLBACK,
            self._state.step,
            message=message,
            passed_over=fault.step,
            found=fault.found,
            lr_factor=factor,
            documents=_plain(findings),
        )
        return Stop(State.STOPPED, Reason.ROLLBACK, message, save=False)

    def _diverged(self, fault: Fault, findings: Findings | None, *what: str, save: bool) -> Stop:
        message = sentences(
            *what,
            before(self._state.spikes),
            _in_words(findings),
            self._advice(fault, findings),
            self._last_checkpoint(),
        )
        return Stop(State.FAILED, Reason.DIVERGED, message, save=save)

    def _last_checkpoint(self) -> str:
        step = self._link.status.last_checkpoint
        return "" if step is None else _("The last good checkpoint is that of step {step}.").format(step=step)

    def _advice(self, fault: Fault, findings: Findings | None) -> str:
        documents = findings.documents if findings is not None else []
        return advice(self._settings, fault, self._link.folder.id, documents)

    def _tell(self, fault: Fault, measured: Measured, message: str, findings: Findings | None) -> None:
        self._link.event(
            EventKind.GUARD,
            fault.step,
            message=message,
            found=fault.found,
            loss=measured.loss,
            grad_norm=measured.grad_norm,
            documents=_plain(findings),
        )

    def _examine(
        self, fault: Fault, measured: Measured, rows: Rows, deal: Deal, should_stop: Callable[[], bool]
    ) -> Findings | None:
        """Look for the documents, and keep what was found. Nothing that goes wrong with that reaches the run."""
        ranks = self._updater.ranks
        if ranks.rank != 0 or self._examined_seconds > SECONDS + _SHARE_OF_TIME * self._clock.here:
            return None
        began = self._clock.here
        try:
            if not measured.finite:
                self._updater.drop()  # its gradients are of no use any more, and their memory is
            findings = self._autopsy.examine(
                deal(),
                loss=measured.loss,
                finite=measured.finite,
                limit=self._detector.limit(rows.share),
                should_stop=should_stop,
                seconds=min(SECONDS, self._settings.rank_timeout / 4) if ranks.size > 1 else SECONDS,
            )
        except Exception as error:  # memory that ran out: the run is worth more than what is behind an update
            message = _("What is behind update {step} could not be looked at: {problem}").format(
                step=fault.step, problem=f"{type(error).__name__}: {error}".strip()
            )
            self._link.event(EventKind.WARNING, self._state.step, message=message)
            return None
        finally:
            self._examined_seconds += self._clock.here - began
        self._keep(fault, findings)
        return findings

    def _keep(self, fault: Fault, findings: Findings) -> None:
        kept = AutopsyRecord(
            attempt=self._link.attempt,
            step=fault.step,
            found=fault.found,
            rows=findings.rows,
            examined=findings.examined,
            remark=findings.remark,
            documents=findings.documents,
        )
        self._record.autopsies = [*self._record.autopsies, kept][-KEPT_AUTOPSIES:]
        try:
            write_guard(self._link.folder, self._record)
        except OSError as error:
            message = _("{path} cannot be written: {problem}.").format(
                path=self._link.folder.guard, problem=error.strerror or error
            )
            self._link.event(EventKind.WARNING, self._state.step, message=message)


def _in_words(findings: Findings | None) -> str:
    return "" if findings is None else documents_in_words(findings)


def _plain(findings: Findings | None) -> list[dict[str, Any]]:
    """The worst documents for an event, few of them."""
    return [] if findings is None else [one.model_dump(mode="json") for one in findings.documents[:8]]
