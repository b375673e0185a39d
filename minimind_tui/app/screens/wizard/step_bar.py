"""The four steps on one line: where one is, and what is behind."""

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from engine.language import _
from minimind_tui.core.wizard.foresight import STEPS, Step


def step_words(step: Step) -> str:
    """What a step is called."""
    return {"preset": _("Preset"), "data": _("Data"), "settings": _("Settings"), "review": _("Review")}[step]


class StepBar(Widget):
    """The steps by number and name. A click goes to one."""

    DEFAULT_CSS = "StepBar { height: 1; padding: 0 1; background: $surface; }"

    step: reactive[Step] = reactive("preset")
    wrong: reactive[frozenset[Step]] = reactive(frozenset())
    """Steps in which something is to be mended."""

    class Picked(Message):
        """A step was clicked."""

        def __init__(self, step: Step) -> None:
            super().__init__()
            self.step: Step = step

    def __init__(self, step: Step) -> None:
        super().__init__(id="steps")
        self.set_reactive(StepBar.step, step)

    def render(self) -> Content:
        parts = [self._part(step) for step in STEPS]
        return Content.assemble(parts[0], *(Content.assemble(("  ›  ", "$quiet"), part) for part in parts[1:]))

    def _part(self, step: Step) -> Content:
        number = STEPS.index(step) + 1
        sign = "!" if step in self.wrong else "✓" if number <= STEPS.index(self.step) else str(number)
        words = f" {sign} {step_words(step)} "
        if step == self.step:
            return Content.styled(words, "bold reverse $text-primary")
        return Content.styled(words, "$text-warning" if step in self.wrong else "$quiet")

    def on_click(self, event: Click) -> None:
        left = self.gutter.left
        for step in STEPS:
            width = self._part(step).cell_length
            if left <= event.x < left + width:
                self.post_message(self.Picked(step))
                return
            left += width + 5
