"""The second step: which text, what it holds, what is wrong with it."""

import asyncio
import os
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, OptionList

from engine.language import _
from minimind_tui.app.screens.wizard.data_report import DataReport
from minimind_tui.app.screens.wizard.form_input import FormInput
from minimind_tui.app.screens.wizard.step_pane import DraftChanged, StepPane
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.choices import Choices
from minimind_tui.core.wizard.data_files import OTHER, data_choices
from minimind_tui.core.wizard.draft import WizardDraft

_TYPING_SECONDS = 0.4
"""How long a path that is being typed rests before it is looked for."""


class LookWanted(Message):
    """Somebody waits for a look into the draft's text."""


class FileChoices(Choices):
    """The files there are; the cursor chooses, enter goes on."""

    class Entered(Message):
        """Enter was pressed on the list."""

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.prevent_default().stop()
        self.post_message(self.Entered())

    def action_cursor_down(self) -> None:
        if self.highlighted is not None and self.highlighted >= self.option_count - 1:
            self.screen.focus_next()
        else:
            super().action_cursor_down()


class PathSuggester(Suggester):
    """Completes a path: folders, and files that end in .jsonl."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(_completed, value)


def _completed(value: str) -> str | None:
    folder, slash, begun = value.rpartition("/")
    if not begun:
        return None
    try:
        with os.scandir(Path(folder + slash or ".").expanduser()) as entries:
            names = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name.startswith(begun) and (entry.is_dir() or entry.name.endswith(".jsonl"))
            )
    except (OSError, ValueError, RuntimeError):  # RuntimeError: no such home
        return None
    return f"{folder}{slash}{names[0]}" if names else None


class DataStep(StepPane):
    """Choose a file or type a path; the report on it is beside (or below)."""

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(draft)
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        path = self.draft.form.field("data_path").text
        choices = data_choices(self.draft.form.base.data_path)
        chosen = path if any(choice.value == path for choice in choices) else OTHER
        with Horizontal(id="data"):
            with Vertical(id="data-choice", classes="panel") as panel:
                panel.border_title = Content(_("Training text"))
                yield FileChoices(
                    [(choice.value, choice.words) for choice in choices], chosen, follow=True, name="data-files"
                )
                with Horizontal(id="path-line"):
                    yield PlainText(_("Path"), classes="dim")
                    yield FormInput(path, id="data-path", suggester=PathSuggester(), placeholder="datasets/NAME.jsonl")
            yield DataReport()

    def on_mount(self) -> None:
        self.facts_changed()
        self.post_message(LookWanted())

    def focus_first(self) -> None:
        self.query_one("#data-files").focus()

    def facts_changed(self) -> None:
        """Show what the look found, if it was taken."""
        report = self.query_one(DataReport)
        problem = self.draft.form.problem("data_path")
        if problem:
            report.show_problem(problem)
            return
        report.show_look(self.draft.looks.of(self.draft.request()))

    # -- choosing

    def on_file_choices_entered(self) -> None:
        self.go_on()

    def on_choices_chosen(self, event: Choices.Chosen) -> None:
        event.stop()
        field = self.query_one("#data-path", FormInput)
        if event.value == OTHER:
            field.focus()
            field.select_all()
            return
        with field.prevent(Input.Changed):
            field.value = event.value
        self._take(event.value)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value == self.draft.form.field("data_path").text:
            return
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_TYPING_SECONDS, self._take_typed)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._take_typed()
        self.go_on()

    def _take_typed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        text = self.query_one("#data-path", FormInput).value.strip()
        files = self.query_one(FileChoices)
        known = any(files.get_option_at_index(place).id == text for place in range(files.option_count))
        files.choose(text if known else OTHER)
        self._take(text)

    def _take(self, text: str) -> None:
        if text == self.draft.form.field("data_path").text:
            return
        self.draft.form.set_text("data_path", text)
        self.post_message(DraftChanged())
        self.post_message(LookWanted())
        self.facts_changed()

    def commit(self) -> None:
        """What was typed last counts, though the pause was too short."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            text = self.query_one("#data-path", FormInput).value.strip()
            self.draft.form.set_text("data_path", text)
