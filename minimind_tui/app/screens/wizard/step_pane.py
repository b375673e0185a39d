"""What the four steps of the wizard have in common."""

from typing import TYPE_CHECKING, Any, cast

from textual.containers import Vertical
from textual.message import Message

from minimind_tui.app.guarding import shield_handlers
from minimind_tui.core.wizard.draft import WizardDraft

if TYPE_CHECKING:
    from minimind_tui.app.application import MinimindApp


class GoOn(Message):
    """The person is done with this step."""


class DraftChanged(Message):
    """Something was chosen or typed; the draft holds it."""


class StepPane(Vertical):
    """One step. It shows the draft, and writes into it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        shield_handlers(cls)

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(id=f"step-{draft.step}", classes="step")
        self.draft = draft

    @property
    def minimind(self) -> "MinimindApp":
        """The application, typed."""
        return cast("MinimindApp", self.app)

    def begin(self) -> None:
        """Put the cursor where it was, or where one begins."""
        wanted = self.draft.focus.get(self.draft.step, "")
        if wanted and (found := self.query(f"#{wanted}")):
            found.first().focus()
        else:
            self.focus_first()

    def focus_first(self) -> None:
        """Put the cursor where one begins."""

    def remember(self) -> None:
        """Keep in the draft where the cursor is."""
        focused = self.screen.focused
        if focused is not None and focused.id and self in focused.ancestors:
            self.draft.focus[self.draft.step] = focused.id

    def facts_changed(self) -> None:
        """More is known: of the text, of the machine, of prices."""
