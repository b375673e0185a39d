"""A replay: some updates of a run made once more, by the run's own loop, to see whether they come out the same."""

from dataclasses import fields, replace

from engine.language import _
from engine.run.replay_script import ReplayScript
from engine.run.schema import Reason, State
from engine.train.budget import EndPlanner, TimeBounds
from engine.train.loop import Trainer
from engine.train.requests import Stop


class Replay(Trainer):
    """A Trainer that makes the updates of its script and no others, and saves where that says.

    It neither validates nor samples, which moves nothing of the training, and time bounds nothing: where the run had
    planned its end anew, the script says so.
    """

    script: ReplayScript

    @classmethod
    def of(cls, trainer: Trainer, script: ReplayScript) -> "Replay":
        """The same training as a replay."""
        made = cls(**{part.name: getattr(trainer, part.name) for part in fields(Trainer)})
        made.script = script
        made.planner = EndPlanner(TimeBounds(), trainer.horizon.end)
        made.state.pending = []
        return made

    def _stop_wanted(self) -> Stop | None:
        if stop := self.desk.poll():
            return replace(stop, save=False)
        if self.state.step >= self.script.until:
            return Stop(State.STOPPED, Reason.REQUEST, _("The replay is made."), save=False)
        return None

    def _plan_end(self) -> None:
        end = self.script.ends.get(self.state.step)
        if end is not None:
            self.horizon = self.schedule.replan(self.horizon, self.state.step, end)
            self.state.horizon = self.horizon.to_list()

    def _settle(self) -> None:
        state = self.state
        state.pending = []
        state.lr_scale = self.script.lr_scales.get(state.step, state.lr_scale)
        if state.step == self.script.save_at and self.saver.last_step != state.step:
            self.saver.save(state)

    def _end(self, stop: Stop) -> Stop:
        reached = self.state.step >= self.script.until
        return stop if stop.state is State.FAILED or reached else replace(stop, state=State.STOPPED, save=False)
