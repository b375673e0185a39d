"""The run that is being set up: it outlives the screen, so that one can leave and come back."""

from dataclasses import dataclass, field

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.preview import RunPreview
from engine.language import _
from engine.run.create import slug_of
from engine.settings.declaration import Group
from engine.settings.presets import DEFAULT_PRESET, load_preset
from engine.settings.settings import Settings
from minimind_tui.core.cost import Price
from minimind_tui.core.preferences import Preferences
from minimind_tui.core.wizard.cards import PresetCard, first_choice, preset_cards
from minimind_tui.core.wizard.command import command_line, run_arguments
from minimind_tui.core.wizard.data_look import SHIPPED_VOCABULARY, DataLook, LookRequest, Looks
from minimind_tui.core.wizard.foresight import Reason, Step, preview_of, with_budget
from minimind_tui.core.wizard.form import Form


@dataclass
class WizardDraft:
    """Everything that was chosen and typed. `force`: other weights in save_dir may be overwritten."""

    preset: str
    form: Form
    step: Step = "preset"
    name: str = ""
    budget: str = ""
    force: bool = False
    unfolded: set[Group] = field(default_factory=set)
    """Groups whose advanced settings are shown."""
    query: str = ""
    setting: str = ""
    """The setting the cursor was on."""
    focus: dict[Step, str] = field(default_factory=dict)
    """Where the cursor was in each step: a widget's id."""
    looks: Looks = field(default_factory=Looks)

    @classmethod
    def first(cls) -> "WizardDraft":
        """A draft of the preset that is best begun with. Without any preset that can be read, of the defaults."""
        chosen = first_choice(preset_cards())
        return cls.of_preset(chosen) if chosen else cls(DEFAULT_PRESET, Form(Settings()))

    @classmethod
    def of_preset(cls, name: str) -> "WizardDraft":
        """A draft of a preset, nothing changed. Raises UserError when it cannot be used."""
        return cls(name, Form(load_preset(name).settings()))

    @classmethod
    def of_settings(cls, settings: Settings, preset: str | None) -> "WizardDraft":
        """A draft with these settings, as changes of the preset they are based on, or of the usual one."""
        draft = cls(DEFAULT_PRESET, Form(Settings()))
        for known in (preset, DEFAULT_PRESET):
            try:
                draft = cls.of_preset(known or DEFAULT_PRESET)
                break
            except UserError:
                continue
        for name in type(settings).model_fields:
            draft.form.set_value(name, getattr(settings, name))
        draft.step = "settings"
        return draft

    @classmethod
    def opened(cls, preset: str | None, settings: Settings | None) -> "WizardDraft":
        """A draft as it was asked for: of these settings, of that preset, or the first. Raises UserError."""
        if settings is not None:
            return cls.of_settings(settings, preset)
        if preset is None:
            return cls.first()
        draft = cls.of_preset(preset)
        draft.step = "data"  # the preset is chosen
        return draft

    @property
    def is_touched(self) -> bool:
        """Whether anything would be lost if it were begun anew."""
        return bool(self.form.changed or self.name or self.budget)

    def take_preset(self, card: PresetCard, *, keep: bool) -> None:
        """Stand on another preset, with the changes made so far or without them."""
        if card.settings is None:
            return
        self.form = self.form.over(card.settings) if keep else Form(card.settings)
        if not keep:
            self.budget, self.force = "", False
        self.preset = card.name

    def stand_on(self, name: str) -> None:
        """Stand on a preset that was just saved from this draft: nothing is changed any more. Raises UserError."""
        self.form = Form(load_preset(name).settings())
        self.preset = name

    def begin_again(self) -> None:
        """The run was started; another may follow from the same settings."""
        self.step, self.name, self.force = "preset", "", False
        self.setting = ""
        self.focus.clear()

    def summary(self) -> str:
        """A sentence on what was tuned, for a preset."""
        changed = [f"{name} {self.form.field(name).text}" for name in self.form.changed[:3]]
        more = " ..." if len(self.form.changed) > len(changed) else ""
        return self.preset + (": " + ", ".join(changed) + more if changed else "")

    # -- what follows from it

    @property
    def shape_problem(self) -> str:
        """Why the numbers make no network; empty when they do."""
        look = self.look()
        return self.form.shape_problem(look.vocab_size if look is not None else SHIPPED_VOCABULARY)

    @property
    def wrong_steps(self) -> frozenset[Step]:
        """Steps on which something is to be mended, as far as it is known without looking at files."""
        look, problems = self.look(), set(self.form.problems)
        wrong: set[Step] = set()
        if "data_path" in problems or (look is not None and look.worst == "error" and not look.tokenizer_problem):
            wrong.add("data")
        if problems - {"data_path"} or self.shape_problem or (look is not None and look.tokenizer_problem):
            wrong.add("settings")
        return frozenset(wrong)

    def look(self) -> DataLook | None:
        """What a look into its text found; None as long as nobody has looked."""
        return self.looks.rows_of(self.request())

    def request(self) -> LookRequest:
        """The look into its text."""
        return LookRequest.of(self.form.usable_settings())

    def preview(self, device: DeviceFacts | None) -> RunPreview:
        """What it will be, as far as it is known, without its budget."""
        return preview_of(self.form.usable_settings(), self.look(), device)[0]

    def settings(self, price: Price | None, device: DeviceFacts | None) -> Settings:
        """What is asked for. Raises UserError that lists every wrong field, or says what is wrong with the budget."""
        settings = self.form.settings()
        look = self.look()
        return with_budget(settings, self.budget, price, lambda bounded: preview_of(bounded, look, device)[0])

    def usable_settings(self, price: Price | None, device: DeviceFacts | None) -> Settings:
        """What is asked for, as far as it is in order."""
        settings, look = self.form.usable_settings(), self.look()
        try:
            return with_budget(settings, self.budget, price, lambda bounded: preview_of(bounded, look, device)[0])
        except UserError:
            return settings

    def reasons(self, price: Price | None) -> list[Reason]:
        """What is wrong in what was typed."""
        found = [
            Reason(problem, "data" if name == "data_path" else "settings", name)
            for name, problem in self.form.problems.items()
        ]
        if problem := self.budget_problem(price):
            found.append(Reason(problem, "review", "budget"))
        return found

    def command(self, price: Price | None, device: DeviceFacts | None) -> str:
        """The command that does the same; empty as long as something is wrong in what was typed."""
        try:
            settings = self.settings(price, device)
        except UserError:
            return ""
        words = run_arguments(self.preset, self.form.base, settings, name=self.name, force=self.force)
        return command_line(words)

    def budget_problem(self, price: Price | None) -> str:
        """What is wrong with the budget as it is typed."""
        try:
            with_budget(
                self.form.usable_settings(), self.budget, price, lambda bounded: preview_of(bounded, None, None)[0]
            )
        except UserError as error:
            return str(error)
        return ""

    @staticmethod
    def _unknown(bounded: Settings) -> RunPreview:
        return preview_of(bounded, None, None)[0]

    @property
    def run_name(self) -> str:
        """The last part of the run's id."""
        return slug_of(self.name or self.preset)

    @property
    def name_problem(self) -> str:
        """What becomes of a name that cannot be taken as it is; empty when it can."""
        if self.name and self.run_name != self.name:
            return _("It will be called {name}.").format(name=self.run_name)
        return ""


def price_of(preferences: Preferences) -> Price | None:
    """What an hour costs, None where nothing is said of it."""
    return Price(preferences.price_per_hour, preferences.currency) if preferences.price_per_hour > 0 else None
