"""The third step: every setting, the basic ones first, the advanced ones folded by group."""

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from engine.language import _
from engine.settings.declaration import GROUPS, Group
from minimind_tui.app.screens.wizard.field_drawing import FoldLine
from minimind_tui.app.screens.wizard.field_list import FieldList, Line
from minimind_tui.app.screens.wizard.form_input import FormInput
from minimind_tui.app.screens.wizard.step_pane import DraftChanged, StepPane
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.wizard.cards import cost_words
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.form import SPECS, FormField, matching, names_in_order, unit_word


class SettingsStep(StepPane):
    """The generated form."""

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(draft)
        self._advanced: dict[Group, list[str]] = {}
        for group in GROUPS:
            if names := [name for name in names_in_order(basic=False) if SPECS[name].group == group]:
                self._advanced[group] = names

    def compose(self) -> ComposeResult:
        with Horizontal(id="find-line"):
            yield PlainText(_("Find"), classes="dim")
            yield FormInput(self.draft.query, id="find", placeholder=_("a setting's name, or a word of its help"))
            yield PlainText("", id="counts")
        with Horizontal(id="form"):
            yield FieldList(self._lines(), self.draft.preset, self._write, id="fields")
            with VerticalScroll(id="about", classes="panel", can_focus=False):
                yield PlainText("", id="about-text")
        yield PlainText("", id="costs")

    @property
    def fields(self) -> FieldList:
        """The list of fields."""
        return self.query_one("#fields", FieldList)

    def on_mount(self) -> None:
        self._show_counts()
        self.facts_changed()

    def begin(self) -> None:
        if self.draft.setting:
            self.go_to(self.draft.setting)
        else:
            self.focus_first()

    def focus_first(self) -> None:
        self.fields.focus()

    def go_to(self, name: str) -> None:
        """Put the cursor into a setting's field, wherever it is folded away."""
        spec = SPECS[name]
        if self.draft.query:
            self.draft.query = ""
            with (find := self.query_one("#find", FormInput)).prevent(Input.Changed):
                find.value = ""
        if not spec.basic:
            self.draft.unfolded.add(spec.group)
        self._show_lines(at=name)
        self.fields.focus()

    def _lines(self) -> list[Line]:
        form, query = self.draft.form, self.draft.query.strip()
        if query:
            found = set(matching(query))
            names = [name for basic in (True, False) for name in names_in_order(basic=basic) if name in found]
            return [form.field(name) for name in names]
        lines: list[Line] = [form.field(name) for name in names_in_order(basic=True)]
        for group, names in self._advanced.items():
            opened = group in self.draft.unfolded
            lines.append(FoldLine(group, len(names), sum(map(form.is_changed, names)), opened))
            if opened:
                lines += [form.field(name) for name in names]
        return lines

    def _show_lines(self, at: str = "") -> None:
        self.fields.show_lines(self._lines(), at)

    # -- folds

    def on_field_list_turned(self, event: FieldList.Turned) -> None:
        self.draft.unfolded ^= {event.group}
        self._show_lines()

    def toggle_advanced(self) -> None:
        """Show all advanced settings, or fold them all."""
        if self.draft.unfolded:
            setting = self.fields.setting
            self.draft.unfolded.clear()
            folded = setting and not SPECS[setting].basic
            self._show_lines(at=f"+{SPECS[setting].group}" if folded else "")
        else:
            self.draft.unfolded.update(self._advanced)
            self._show_lines()

    # -- finding

    def focus_find(self) -> None:
        """Put the cursor into the field that finds settings."""
        find = self.query_one("#find", FormInput)
        find.focus()
        find.select_all()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self.draft.query:
            self.draft.query = event.value
            self._show_lines()
            self._show_counts()
            self._show_about()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        found = matching(self.draft.query)
        if found:
            self.go_to(found[0])
            self._show_counts()
        elif not self.draft.query.strip():
            self.go_on()

    def on_field_list_left(self, event: FieldList.Left) -> None:
        if event.way < 0:
            self.query_one("#find").focus()
        elif event.way > 0:
            self.screen.focus_next()

    # -- editing

    def _write(self, name: str, text: str) -> FormField:
        self.draft.form.set_text(name, text)
        return self.draft.form.field(name)

    def on_field_list_edited(self, event: FieldList.Edited) -> None:
        self._show(event.setting)

    def on_field_list_entered(self) -> None:
        self.go_on()

    def reset_field(self) -> None:
        """Give the field under the cursor its preset's value again."""
        if name := self.fields.setting:
            self.draft.form.reset(name)
            self.fields.set_line(self.draft.form.field(name))
            self._show(name)

    def _show(self, name: str) -> None:
        for line in self._lines():  # an advanced field changes its group's heading as well
            if isinstance(line, FoldLine) and line.group == SPECS[name].group:
                self.fields.set_line(line)
        self._show_about()
        self._show_counts()
        self.facts_changed()
        self.post_message(DraftChanged())

    # -- what is told

    def on_field_list_moved(self) -> None:
        self.draft.setting = self.fields.setting
        self._show_about()

    def _show_about(self) -> None:
        name = self.fields.setting
        if not name:
            self.query_one("#about-text", PlainText).show(
                styled((_("Enter shows what is folded here; ctrl+t shows everything."), "$quiet"))
            )
            return
        field = self.draft.form.field(name)
        spec = field.spec
        told = [part for part in (spec.bounds_words, unit_word(spec.unit)) if part]
        parts = [styled((spec.name, "bold $text-primary"), ("  " + " · ".join(told) if told else "", "$quiet"))]
        if field.problem:
            parts.append(styled((field.problem, "$text-error")))
        parts.append(styled(spec.help))
        if field.changed:
            usual = _("The preset {preset} has {value}; ctrl+z takes it again.").format(
                preset=self.draft.preset, value=field.usual or _("nothing")
            )
            parts.append(styled((usual, "$text-accent")))
        self.query_one("#about-text", PlainText).show(Content("\n").join(parts))

    def _show_counts(self) -> None:
        form = self.draft.form
        if self.draft.query.strip():
            words = _("{n} found").format(n=len(matching(self.draft.query)))
        else:
            words = _("{n} changed").format(n=len(form.changed))
        wrong = len(form.problems)
        text = styled((words, "$quiet"))
        if wrong:
            text = styled((_("{n} wrong").format(n=wrong), "bold $text-error"), " · ") + text
        self.query_one("#counts", PlainText).show(text)

    def facts_changed(self) -> None:
        """What the run would be now."""
        preview = self.draft.preview(self.minimind.device_facts)
        problem = self.draft.shape_problem
        line = styled((problem, "$text-error")) if problem else styled((" · ".join(cost_words(preview)), "$quiet"))
        self.query_one("#costs", PlainText).show(line)
