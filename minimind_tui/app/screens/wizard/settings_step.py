"""The third step: every setting, the basic ones first, the advanced ones folded by group."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click, DescendantFocus
from textual.message import Message
from textual.widgets import Input, Static

from engine.language import _
from engine.settings.declaration import GROUPS, Group
from minimind_tui.app.screens.wizard.field_row import CONTROL, FieldRow
from minimind_tui.app.screens.wizard.form_input import UP_AND_DOWN, FormInput
from minimind_tui.app.screens.wizard.step_pane import DraftChanged, StepPane
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.dashboard.settings_table import group_word
from minimind_tui.core.wizard.cards import cost_words
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.form import SPECS, matching, names_in_order, unit_word

_FOLD = "fold-"


class Fold(Static, can_focus=True):
    """The heading of a group's advanced settings; enter and space fold them or show them."""

    BINDINGS = [
        Binding("enter,space,right,left", "turn", show=False),
        *UP_AND_DOWN,
    ]

    class Turned(Message):
        """The group is to be shown, or folded."""

        def __init__(self, group: Group) -> None:
            super().__init__()
            self.group: Group = group

    def __init__(self, group: Group) -> None:
        super().__init__(id=_FOLD + group, classes="fold", markup=False)
        self.group: Group = group

    def show(self, number: int, changed: int, *, opened: bool) -> None:
        """How many there are, and how many of them are changed."""
        sign = "▾" if opened else "▸"
        title = _("{group}: {n} advanced").format(group=group_word(self.group), n=number)
        extra = " · " + _("{n} changed").format(n=changed) if changed else ""
        self.update(styled((f"{sign} {title}", "bold $text-primary"), (extra, "$text-accent")))

    def on_click(self, event: Click) -> None:
        self.action_turn()

    def action_turn(self) -> None:
        """Fold or show."""
        self.post_message(self.Turned(self.group))


class SettingsStep(StepPane):
    """The generated form."""

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(draft)
        self._advanced: dict[Group, list[str]] = {
            group: [name for name in names_in_order(basic=False) if SPECS[name].group == group] for group in GROUPS
        }
        self._at = ""

    # -- building

    def compose(self) -> ComposeResult:
        with Horizontal(id="find-line"):
            yield PlainText(_("Find"), classes="dim")
            yield FormInput(self.draft.query, id="find", placeholder=_("a setting's name, or a word of its help"))
            yield PlainText("", id="counts")
        with Horizontal(id="form"):
            with VerticalScroll(id="fields", can_focus=False):
                for name in names_in_order(basic=True):
                    yield self._row(name)
                for group, names in self._advanced.items():
                    if names:
                        yield Fold(group)
                        with Vertical(id=f"group-{group}", classes="group"):
                            if group in self.draft.unfolded:
                                yield from (self._row(name) for name in names)
            with VerticalScroll(id="about", classes="panel", can_focus=False):
                yield PlainText("", id="about-text")
        yield PlainText("", id="costs")

    def _row(self, name: str) -> FieldRow:
        return FieldRow(self.draft.form.field(name), self.draft.preset)

    async def on_mount(self) -> None:
        self._show_folds()
        self._show_counts()
        self.facts_changed()
        if self.draft.query:
            await self._filter()

    def focus_first(self) -> None:
        self.query_one(f"#{CONTROL}{names_in_order(basic=True)[0]}").focus()

    async def go_to(self, name: str) -> None:
        """Put the cursor into a setting's field, wherever it is folded away."""
        spec = SPECS[name]
        if not spec.basic:
            await self._unfold(spec.group)
        self.query_one(f"#{CONTROL}{name}").focus()

    # -- folds

    async def on_fold_turned(self, event: Fold.Turned) -> None:
        if event.group in self.draft.unfolded:
            self.draft.unfolded.discard(event.group)
            self._show_folds()
        else:
            await self._unfold(event.group)

    async def toggle_advanced(self) -> None:
        """Show all advanced settings, or fold them all."""
        if self.draft.unfolded:
            focused = self._focused_setting()
            self.draft.unfolded.clear()
            self._show_folds()
            if focused and not SPECS[focused].basic:
                self.query_one(f"#{_FOLD}{SPECS[focused].group}").focus()
            return
        for group, names in self._advanced.items():
            if names:
                await self._unfold(group)

    async def _unfold(self, group: Group) -> None:
        self.draft.unfolded.add(group)
        await self._fill(group)
        self._show_folds()

    async def _fill(self, group: Group) -> None:
        """Make the rows of a group, when it is looked at for the first time."""
        box = self.query_one(f"#group-{group}")
        if not box.children:
            await box.mount(*(self._row(name) for name in self._advanced[group]))

    def _show_folds(self) -> None:
        form = self.draft.form
        for fold in self.query(Fold):
            names, opened = self._advanced[fold.group], fold.group in self.draft.unfolded
            fold.show(len(names), sum(form.is_changed(name) for name in names), opened=opened)
            self.query_one(f"#group-{fold.group}").display = opened or bool(self.draft.query)

    # -- finding

    def focus_find(self) -> None:
        """Put the cursor into the field that finds settings."""
        find = self.query_one("#find", FormInput)
        find.focus()
        find.select_all()

    async def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "find":
            event.stop()
            if event.value != self.draft.query:
                self.draft.query = event.value
                await self._filter()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id != "find":
            return
        event.stop()
        found = matching(self.draft.query)
        if found:
            self.query_one("#find", FormInput).value = ""
            self.draft.query = ""
            await self._filter()
            await self.go_to(found[0])
        elif not self.draft.query.strip():
            self.go_on()

    async def _filter(self) -> None:
        """Show the rows that match, or all when nothing is looked for."""
        found = set(matching(self.draft.query))
        searching = bool(self.draft.query.strip())
        for group in {SPECS[name].group for name in found if not SPECS[name].basic}:
            await self._fill(group)
        for row in self.query(FieldRow):
            row.display = not searching or row.field.spec.name in found
        for fold in self.query(Fold):
            fold.display = not searching
        self._show_folds()
        self._show_counts()

    # -- editing

    def on_field_row_edited(self, event: FieldRow.Edited) -> None:
        self.draft.form.set_text(event.setting, event.text)
        self._show(event.setting)

    def on_field_row_entered(self) -> None:
        self.go_on()

    def reset_field(self) -> None:
        """Give the field under the cursor its preset's value again."""
        name = self._focused_setting()
        if name:
            self.draft.form.reset(name)
            self._show(name)

    def _show(self, name: str) -> None:
        self.query_one(f"#row-{name}", FieldRow).show(self.draft.form.field(name))
        self._show_about()
        self._show_folds()
        self._show_counts()
        self.facts_changed()
        self.post_message(DraftChanged())

    # -- what is told

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self._at = self._focused_setting() or self._at
        self._show_about()

    def _focused_setting(self) -> str:
        focused = self.screen.focused
        if focused is not None and focused.id and focused.id.startswith(CONTROL) and self in focused.ancestors:
            return focused.id.removeprefix(CONTROL)
        return ""

    def _show_about(self) -> None:
        if not self._at:
            return
        field = self.draft.form.field(self._at)
        spec = field.spec
        unit = unit_word(spec.unit)
        told = [part for part in (spec.bounds_words, unit) if part]
        first = styled((spec.name, "bold $text-primary"), ("  " + " · ".join(told) if told else "", "$text-muted"))
        parts = [first, styled(spec.help)]
        if field.problem:
            parts.insert(1, styled((field.problem, "$text-error")))
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
        text = styled((words, "$text-muted"))
        if wrong:
            text = styled((_("{n} wrong").format(n=wrong), "bold $text-error"), " · ") + text
        self.query_one("#counts", PlainText).show(text)

    def facts_changed(self) -> None:
        """What the run would be now."""
        preview = self.draft.preview(self.minimind.device_facts)
        problem = self.draft.shape_problem
        line = styled((problem, "$text-error")) if problem else styled((" · ".join(cost_words(preview)), "$text-muted"))
        self.query_one("#costs", PlainText).show(line)
