"""The choice of a model: any run's weights and checkpoints, filtered as one types, or a file by its path."""

from collections.abc import Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from engine.language import _
from minimind_tui import words
from minimind_tui.app.guarding import describe
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.row_list import RowList
from minimind_tui.core.playground_models import ModelChoice, Offer, looks_like_a_path, matching, offers, path_offers
from minimind_tui.core.run_index import RunEntry
from minimind_tui.safe_text import one_line

_WHICH, _STEP, _LOSS, _STATE = 11, 11, 18, 11
_FRAME, _MOST_WIDTH = 4, 100
_MOST_ROWS = 400


class ModelChooser(ModalScreen[ModelChoice | None]):
    """Dismisses with the model chosen, None for escape. `chosen` is highlighted first."""

    CSS_PATH = "chooser.tcss"
    BINDINGS = [
        Binding("escape", "leave", show=False),
        Binding("up", "move('cursor_up')", show=False),
        Binding("down", "move('cursor_down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
        Binding("ctrl+home", "move('first')", show=False),
        Binding("ctrl+end", "move('last')", show=False),
    ]

    def __init__(self, title: str, entries: Sequence[RunEntry], chosen: ModelChoice | None) -> None:
        super().__init__()
        self._title, self._entries, self._chosen = title, list(entries), chosen
        self._all: list[Offer] | None = None
        self._shown: list[Offer] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="chooser") as frame:
            frame.border_title = Content(self._title)
            frame.border_subtitle = Content(_("↑↓ choose · enter takes it · esc leaves"))
            with Horizontal(classes="line"):
                yield _field("filter", _("A part of a run's name, a step, or the path of a file of weights"))
            with Horizontal(classes="line", id="of-file"):
                yield PlainText(_("Attention heads"), classes="dim")
                yield _field("heads", _("auto"))
                yield PlainText(_("Tokenizer"), classes="dim")
                yield _field("tokenizer", _("the shipped one"))
            rows = RowList(id="rows", markup=False)
            rows.can_focus = False
            yield rows
            yield PlainText(_("Looking for models ..."), id="nothing", classes="dim")

    def on_mount(self) -> None:
        self.query_one("#of-file").display = False
        self.query_one("#filter", Input).focus()
        self.run_worker(lambda: offers(self._entries), name="offers", group="offers", thread=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "offers":
            return
        if event.state is WorkerState.SUCCESS:
            self._all = event.worker.result or []
            self._fill()
        elif event.state is WorkerState.ERROR and isinstance(event.worker.error, Exception):
            self._all = []
            self._fill(problem=describe(event.worker.error))

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._take()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take()

    def action_leave(self) -> None:
        """Leave it as it was."""
        self.dismiss(None)

    def action_move(self, how: str) -> None:
        """Move among the rows while the cursor stays in the field."""
        getattr(self.query_one("#rows", OptionList), f"action_{how}")()

    def _fill(self, problem: str = "") -> None:
        text = self.query_one("#filter", Input).value.strip()
        by_path = looks_like_a_path(text)
        self.query_one("#of-file").display = by_path
        if self._all is None and not by_path:
            return
        found = path_offers(text) if by_path else matching(self._all or [], text)
        self._shown = found[:_MOST_ROWS]
        rows = self.query_one("#rows", OptionList)
        rows.clear_options()
        rows.add_options(
            Option(
                _row(offer, self._room_for_name(), first=not number or offer.group != self._shown[number - 1].group),
                disabled=_is_dead(offer),
            )
            for number, offer in enumerate(self._shown)
        )
        nothing = self.query_one("#nothing", PlainText)
        more = len(found) - len(self._shown)
        if more:
            problem = _("And {n} more: type a part of the name.").format(n=more)
        nothing.show(problem or (_("Nothing matches.") if text else _("There are no runs here yet.")))
        nothing.display = bool(problem) or not self._shown
        chosen = None if text else self._chosen  # what is typed asks for the best match
        places = [number for number, offer in enumerate(self._shown) if chosen is not None and offer.choice == chosen]
        usable = [number for number, offer in enumerate(self._shown) if not _is_dead(offer)]
        rows.highlighted = next(iter(places or usable), None)

    def _room_for_name(self) -> int:
        width = min(self.app.size.width, _MOST_WIDTH) - _FRAME
        return max(12, width - _WHICH - _STEP - _LOSS - _STATE - 1)  # the scroll bar's column

    def on_resize(self) -> None:
        self._fill()

    def _take(self) -> None:
        place = self.query_one("#rows", OptionList).highlighted
        if place is None or not 0 <= place < len(self._shown):
            return
        offer = self._shown[place]
        field = self.query_one("#filter", Input)
        if offer.choice is None:
            if offer.group.endswith("/"):  # a folder on the way
                field.value = offer.group
                field.cursor_position = len(offer.group)
            return
        if offer.choice.file is None:
            self.dismiss(offer.choice)
            return
        heads = self.query_one("#heads", Input).value.strip()
        if heads and not (heads.isdecimal() and 0 < int(heads) < 65536):
            nothing = self.query_one("#nothing", PlainText)
            nothing.show(_("Attention heads: expected a whole number of at least 1, or nothing."))
            nothing.display = True
            self.query_one("#heads", Input).focus()
            return
        tokenizer = self.query_one("#tokenizer", Input).value.strip()
        self.dismiss(replace(offer.choice, heads=int(heads) if heads else None, tokenizer=tokenizer or None))


def _field(name: str, placeholder: str) -> Input:
    field = Input(id=name, compact=True, placeholder=placeholder)
    field.cursor_blink = False
    return field


def _is_dead(offer: Offer) -> bool:
    return offer.choice is None and not offer.group.endswith("/")


def _row(offer: Offer, room: int, *, first: bool) -> Content:
    """A row in columns; the run's name only in the first of its rows."""
    if not offer.state:  # a file or a folder
        return Content(one_line(offer.group))
    name = (one_line(offer.called or offer.group) if first else "", room, "bold")
    state = (offer.state if first else "", _STATE, "$quiet")
    if offer.choice is None:
        return _cells(name, (offer.which, _WHICH + _STEP + _LOSS, "$quiet"), state)
    step = "" if offer.step is None or str(offer.step) in offer.which else _("step {step}").format(step=offer.step)
    loss = (
        "" if offer.validation_loss is None else _("validation {loss}").format(loss=words.loss(offer.validation_loss))
    )
    return _cells(name, (offer.which, _WHICH, ""), (step, _STEP, "$quiet"), (loss, _LOSS, "$quiet"), state)


def _cells(*cells: tuple[str, int, str]) -> Content:
    """Texts of a width each, in columns, with a style."""
    return Content.assemble(*(_cell(text, width).stylize(style) for text, width, style in cells))


def _cell(text: str, width: int) -> Content:
    content = Content(text).truncate(width - 1, ellipsis=True)
    return content + Content(" " * (width - content.cell_length))
