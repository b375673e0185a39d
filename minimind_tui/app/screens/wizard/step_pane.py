"""What the four steps of the wizard have in common."""

from typing import TYPE_CHECKING, Any, cast

from textual.containers import Vertical
from textual.events import DescendantFocus
from textual.message import Message

from minimind_tui.app.guarding import shield_handlers
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.foresight import Step

if TYPE_CHECKING:
    from minimind_tui.app.application import MinimindApp


class GoOn(Message):
    """The person is done with this step."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step: Step = step


class DraftChanged(Message):
    """Something was chosen or typed; the draft holds it."""


class StepPane(Vertical):
    """One step. It shows the draft, and writes into it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        shield_handlers(cls)

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(id=f"step-{draft.step}", classes="step")
        self.draft, self.step = draft, draft.step

    @property
    def minimind(self) -> "MinimindApp":
        """The application, typed."""
        return cast("MinimindApp", self.app)

    def begin(self) -> None:
        """Put the cursor where it was, or where one begins."""
        wanted = self.draft.focus.get(self.step, "")
        if wanted and (found := self.query(f"#{wanted}")):
            found.first().focus()
        else:
            self.focus_first()

    def focus_first(self) -> None:
        """Put the cursor where one begins."""

    def go_on(self) -> None:
        """Say that the person is done here."""
        self.post_message(GoOn(self.step))

    def commit(self) -> None:
        """Write into the draft what was typed and waits."""

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        if event.widget.id:
            self.draft.focus[self.step] = event.widget.id

    def on_unmount(self) -> None:
        self.commit()

    def facts_changed(self) -> None:
        """More is known: of the text, of the machine, of prices."""
