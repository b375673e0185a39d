"""The drafts of the applications that run: what was set up stays when the wizard is left."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from textual.app import App

from engine.errors import UserError
from engine.settings.settings import Settings
from minimind_tui.core.wizard.draft import WizardDraft

_drafts: "WeakKeyDictionary[App[Any], WizardDraft]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Opened:
    """A draft to go on with. `before` is another one that would be lost by it; `problem` says what could not be had."""

    draft: WizardDraft
    before: WizardDraft | None = None
    problem: str = ""


def open_draft(app: App[Any], preset: str | None, settings: Settings | None) -> Opened:
    """The draft that the wizard opens with: the one it was left with, or a new one where another is asked for."""
    before = _drafts.get(app)
    if before is not None and settings is None and preset in (None, before.preset):
        return Opened(before)
    problem = ""
    try:
        draft = WizardDraft.opened(preset, settings)
    except UserError as error:
        draft, problem = WizardDraft.first(), str(error)
    if before is not None:
        draft.looks = before.looks
    keep_draft(app, draft)
    return Opened(draft, before if before is not None and before.is_touched else None, problem)


def keep_draft(app: App[Any], draft: WizardDraft) -> WizardDraft:
    """This is the draft from now on."""
    _drafts[app] = draft
    return draft
