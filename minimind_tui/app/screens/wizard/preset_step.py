"""The first step: presets as cards, with what they cost."""

from functools import partial

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import ItemGrid, VerticalScroll
from textual.content import Content
from textual.events import Click, Focus
from textual.message import Message

from engine.language import _
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import tell
from minimind_tui.app.screens.wizard.step_pane import StepPane
from minimind_tui.app.texts import FittingStatic, PlainText, styled
from minimind_tui.core.wizard.cards import PresetCard, cost_words, preset_cards
from minimind_tui.core.wizard.data_look import LookRequest
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.foresight import preview_of

_CARD_COLUMNS = 58
_PREFIX = "card-"


class PresetTaken(Message):
    """The draft stands on the preset that was chosen."""


class CardView(FittingStatic, can_focus=True):
    """One preset's card. Enter takes it; the arrows go to its neighbours."""

    BINDINGS = [
        Binding("enter,space", "take", show=False),
        Binding("down", "move(1, 0)", show=False),
        Binding("up", "move(-1, 0)", show=False),
        Binding("right", "move(0, 1)", show=False),
        Binding("left", "move(0, -1)", show=False),
    ]

    class Taken(Message):
        """The person takes this card."""

    class Under(Message):
        """The cursor is on this card."""

        def __init__(self, card: PresetCard) -> None:
            super().__init__()
            self.card = card

    class Moved(Message):
        """The cursor is to go down (up) so many rows, right (left) so many columns."""

        def __init__(self, view: "CardView", down: int, right: int) -> None:
            super().__init__()
            self.view, self.down, self.right = view, down, right

    def __init__(self, card: PresetCard, number: int) -> None:
        super().__init__(id=f"{_PREFIX}{number}", classes="panel card")
        self.card = card
        self.set_class(bool(card.problem), "-wrong")
        self.border_subtitle = Content(card.origin)
        self.shown: Content | None = None

    def show(self, costs: str, *, chosen: bool) -> None:
        """Draw it with what it costs."""
        card = self.card
        self.border_title = Content(("● " if chosen else "○ ") + card.name)
        self.set_class(chosen, "-chosen")
        if card.problem:
            text = styled((_("It cannot be used:") + " ", "bold $text-error"), card.problem)
        else:
            data = (card.data_words, "$quiet" if card.data_here else "$text-warning")
            text = styled(card.summary + "\n", (costs + "\n", "$text-primary"), data)
        if text != self.shown:
            self.shown = text
            self.update(text)

    def on_focus(self, event: Focus) -> None:
        self.post_message(self.Under(self.card))
        self.scroll_visible()

    def on_click(self, event: Click) -> None:
        if event.chain > 1:
            self.action_take()

    def action_take(self) -> None:
        """Take this preset."""
        self.post_message(self.Taken())

    def action_move(self, down: int, right: int) -> None:
        """Go to a neighbour."""
        self.post_message(self.Moved(self, down, right))


class PresetStep(StepPane):
    """Cards of every preset. The one under the cursor is taken when one goes on."""

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(draft)
        self.cards = preset_cards()
        self.under: PresetCard | None = None

    def compose(self) -> ComposeResult:
        yield PlainText(
            _("What do you want to train? A preset is a beginning; everything can be changed."), classes="lead"
        )
        with VerticalScroll(id="cards", can_focus=False), ItemGrid(min_column_width=_CARD_COLUMNS, regular=True):
            for number, card in enumerate(self.cards):
                yield CardView(card, number)
        if not self.cards:
            yield PlainText(_("There are no presets."), classes="warn")

    def on_mount(self) -> None:
        self.facts_changed()

    def focus_first(self) -> None:
        views = list(self.query(CardView))
        chosen = [view for view in views if view.card.name == self.draft.preset]
        for view in (*chosen, *views)[:1]:
            view.focus()

    def begin(self) -> None:
        self.focus_first()

    def requests(self) -> list[LookRequest]:
        """The looks that tell what the cards cost."""
        return [LookRequest.of(card.settings) for card in self.cards if card.settings is not None and card.data_here]

    def facts_changed(self) -> None:
        device = self.minimind.device_facts
        for view in self.query(CardView):
            card, costs = view.card, ""
            if card.settings is not None:
                look = self.draft.looks.rows_of(LookRequest.of(card.settings))
                parts = cost_words(preview_of(card.settings, look, device)[0])
                if card.data_here and look is None:
                    parts.append(_("looking into its text ..."))
                costs = " · ".join(parts)
            view.show(costs, chosen=card.name == self.draft.preset)

    def on_card_view_under(self, event: CardView.Under) -> None:
        self.under = event.card

    def on_card_view_taken(self) -> None:
        self.go_on()

    def on_card_view_moved(self, event: CardView.Moved) -> None:
        views = list(self.query(CardView))
        columns = len({view.region.x for view in views}) or 1
        place = views.index(event.view) + event.down * columns + event.right
        if 0 <= place < len(views):
            views[place].focus()

    def take(self) -> None:
        """Take the card under the cursor; asks what is to become of changes made to another preset."""
        card = self.under
        if card is None or card.problem:
            tell(self, card.problem if card is not None else _("There are no presets."), severity="error")
            return
        changed = len(self.draft.form.changed)
        if card.name == self.draft.preset or not changed:
            self._answered(card, "keep" if card.name == self.draft.preset else "fresh")
            return
        body = _("You changed {n} settings of {preset}.").format(n=changed, preset=self.draft.preset)
        choices = [
            Choice("keep", _("Keep the changes"), "k", "primary"),
            Choice("fresh", _("{preset} as it is").format(preset=card.name), "f"),
            Choice("stay", _("Stay here"), "s"),
        ]
        self.app.push_screen(ChoiceDialog(_("Another preset"), body, choices), partial(self._answered, card))

    def _answered(self, card: PresetCard, choice: str | None) -> None:
        if choice not in ("keep", "fresh"):
            return
        if card.name != self.draft.preset:
            self.draft.take_preset(card, keep=choice == "keep")
        self.post_message(PresetTaken())
