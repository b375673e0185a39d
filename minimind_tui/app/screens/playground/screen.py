"""The playground: type a prompt, watch one or two models go on with it."""

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from weakref import WeakKeyDictionary

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.guarding import describe, guarded, tell
from minimind_tui.app.screens.playground.chooser import ModelChooser
from minimind_tui.app.screens.playground.option_row import OptionRow
from minimind_tui.app.screens.playground.pane import WritingPane
from minimind_tui.app.screens.playground.typing_fields import PromptArea
from minimind_tui.core.keys import Scope, keys_of
from minimind_tui.core.playground import PlaygroundState, Side
from minimind_tui.core.playground_models import ModelChoice, accelerator_holder, first_choice
from minimind_tui.core.playground_writers import Computing, Writers
from minimind_tui.core.run_index import RunEntry

_NAMES = ("left", "right")
_DRAW_SECONDS = 0.06
"""The least time between two drawings of what is written, and the share of time that drawing may take is a tenth."""

_states: "WeakKeyDictionary[App[int], PlaygroundState]" = WeakKeyDictionary()


class PlaygroundScreen(BaseScreen):
    """One or two models. Each side has a process of its own, which holds its model until the screen goes.

    `folder` and `checkpoint` (its step) choose the left model; without them it is the one from before, or the newest
    run's. What was written, the options and the prompts stay while the application runs.
    """

    CSS_PATH = "playground.tcss"
    BINDINGS = [*bindings_of("playground"), Binding("escape", "stop_writing", show=False)]

    class Spoken(Message):
        """A process has said something."""

    def __init__(self, folder: RunFolder | None = None, checkpoint: int | None = None) -> None:
        super().__init__()
        self._asked_for = (folder, checkpoint)
        self._state: PlaygroundState | None = None
        self._option_texts: dict[str, str] = {}
        self._writers = Writers(self._speak, describe)
        self._drawn_at, self._draw_took = 0.0, 0.0
        self._draw_planned = False
        self._could_stop = False
        self._entries: dict[RunFolder, RunEntry | None] = {}
        self._held_by: RunEntry | None = None

    # -- what is shown

    @property
    def state(self) -> PlaygroundState:
        """What the playground keeps; the application's own, made at the first visit."""
        if self._state is None:
            self._state = _states.setdefault(self.app, PlaygroundState())
            self._choose_first(self._state)
        return self._state

    def _choose_first(self, state: PlaygroundState) -> None:
        folder, checkpoint = self._asked_for
        if folder is not None:
            state.left.choose(ModelChoice(folder, None if checkpoint is None else str(checkpoint)))
        elif (choice := state.left.choice) is None or (choice.folder is not None and not choice.folder.path.is_dir()):
            state.left.choice = first_choice(self.minimind.index.entries)

    def title_words(self) -> str:
        return _("Playground")

    def compose_body(self) -> ComposeResult:
        state = self.state
        with Horizontal(id="panes"):
            for name, _side in zip(_NAMES, state.sides, strict=False):
                yield WritingPane(name)
        with Vertical(id="prompt-panel", classes="panel") as panel:
            panel.border_title = Content(_("Prompt"))
            panel.border_subtitle = Content(
                _("{write} writes · {line} new line · ↑↓ earlier prompts").format(
                    write=_key("generate"), line=_key("new_line")
                )
            )
            yield PromptArea(state.draft, id="prompt", placeholder=_("The beginning of a text; the model goes on"))
        yield OptionRow(state.options, self._option_texts)

    def on_mount(self) -> None:
        self.query_one(PromptArea).focus()
        self.runs_changed()

    async def relanguage(self) -> None:
        await super().relanguage()
        self.query_one(PromptArea).focus()
        self._draw()

    def runs_changed(self) -> None:
        state = self.state
        if state.left.choice is None:
            state.left.choice = first_choice(self.minimind.index.entries)
        self._entries.clear()
        self._held_by = self._holder()
        if self._held_by is not None:
            for place, side in enumerate(state.sides):
                if side.device not in ("", "cpu") and side.open_answer is None:
                    self._writers.stop(place)  # the run needs the accelerator's memory
                    side.unload()
        self._draw()

    def _holder(self) -> RunEntry | None:
        return accelerator_holder(self.minimind.index.live, self.minimind.device_facts)

    def _entry_of(self, choice: ModelChoice | None) -> RunEntry | None:
        """The run of a choice as the index has it; looked for once until the index changes."""
        folder = choice.folder if choice is not None else None
        if folder is not None and folder not in self._entries:
            self._entries[folder] = next((one for one in self.minimind.index.entries if one.folder == folder), None)
        return None if folder is None else self._entries[folder]

    def _draw(self) -> None:
        started = time.monotonic()
        with guarded(self, _("Drawing failed")):
            holder = self._held_by
            for name, side in zip(_NAMES, self.state.sides, strict=False):
                entry = self._entry_of(side.choice)
                notice = side.notice(entry, take_newest=_key("take_newest"))
                if holder is not None:
                    used = _("Writing on the cpu: {run} trains on the accelerator.").format(run=holder.title)
                    notice = f"{used} {notice}".rstrip()
                for pane in self.query(f"#pane-{name}").results(WritingPane):
                    pane.show(side, "" if entry is None else entry.title, notice, self._hint(side))
        self._drawn_at = time.monotonic()
        self._draw_took = self._drawn_at - started
        if self.state.is_writing != self._could_stop:
            self._could_stop = self.state.is_writing
            self.refresh_bindings()

    def _hint(self, side: Side) -> str:
        if side.choice is None:
            return _(
                "There is no model yet.\n\n"
                "{wizard} sets up a run; `minimind run --preset mini` trains on the shipped text in two minutes.\n"
                "As soon as a run has saved its first checkpoint it can be tried here, while it trains on.\n\n"
                "Weights of your own, .pth or .safetensors: {choose}, then the file's path."
            ).format(wizard=_key("show_wizard", "app"), choose=_key("choose_left"))
        return _(
            "Type a beginning below and press enter: the model goes on with it.\n\n"
            "{choose}  another run or checkpoint\n"
            "{second}  a second one beside it"
        ).format(choose=_key("choose_left"), second=_key("choose_right"))

    # -- writing

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop_writing":
            return self.state.is_writing
        return super().check_action(action, parameters)

    def action_generate(self) -> None:
        """Give the prompt to every side."""
        state = self.state
        row = self.query_one(OptionRow)
        if row.problem:
            tell(self, row.problem, severity="error")
            row.focus_problem()
        elif state.left.choice is None:
            tell(self, _("Choose a model first: {key}.").format(key=_key("choose_left")), severity="warning")
        elif state.is_writing:
            tell(self, _("It is still writing; {key} stops it.").format(key=_key("stop_writing")), severity="warning")
        else:
            self._ask(state.draft)

    def _ask(self, prompt: str) -> None:
        state = self.state
        state.history.add(prompt)
        seed, how = state.options.draw_seed(), self._how()
        for place, side in enumerate(state.sides):
            number = self._writers.next_number(place)
            side.ask(number, prompt, seed)
            self._in_thread(partial(self._writers.ask, place, side, number, prompt, seed, state.options, how), place)
        self._draw()
        for pane in self.query(WritingPane):
            pane.follow()

    def _in_thread(self, work: Callable[[], None], place: int) -> None:
        name = f"ask {_NAMES[place]}"
        self.run_worker(work, name=name, group=name, thread=True, exit_on_error=False)

    def _load_ahead(self) -> None:
        """Load the models while the prompt is still being typed, each choice once."""
        if not self.state.draft:
            return
        for place, side in enumerate(self.state.sides):
            if side.choice is not None and side.choice != side.loading and not side.device:
                side.loading = side.choice
                self._in_thread(partial(self._writers.load, place, side, self._how()), place)

    def _how(self) -> Computing:
        """Off the accelerator while a run holds it, and with an equal share of the cores."""
        facts = self.minimind.device_facts
        sides = len(self.state.sides)
        threads = max(1, facts.cores // sides) if facts is not None and sides > 1 else None
        return Computing("auto" if self._holder() is None else "cpu", threads)

    def _speak(self) -> None:
        """A process has said something; called in a thread."""
        with suppress(Exception):  # the screen may be gone
            self.post_message(self.Spoken())

    def on_playground_screen_spoken(self) -> None:
        sides = self.state.sides
        now = time.monotonic()
        for place, heard in self._writers.take():
            if place < len(sides):
                sides[place].hear(heard, now)
        wait = max(_DRAW_SECONDS, 10 * self._draw_took) - (now - self._drawn_at)
        if wait <= 0:
            self._draw()
        elif not self._draw_planned:
            self._draw_planned = True
            self.set_timer(wait, self._draw_late, name="draw what was written")

    def _draw_late(self) -> None:
        self._draw_planned = False
        self._draw()

    def action_stop_writing(self) -> None:
        """Stop every side at once."""
        for place in range(len(self.state.sides)):
            self._stop_side(place)
        self._draw()

    def on_unmount(self) -> None:
        for side in self._state.sides if self._state is not None else ():
            side.stop()
            side.unload()
        self._writers.close()

    # -- models

    def action_choose_left(self) -> None:
        """Choose the (left) model."""
        self._choose(_("Choose the model"), self.state.left.choice, self._take_left)

    def action_choose_right(self) -> None:
        """Choose a second model, or take it away."""
        if self.state.right is None:
            self._choose(_("Choose the second model"), self.state.left.choice, self._take_right)
        else:
            self.run_worker(self._remove_right(), name="remove the second", group="panes")

    def _choose(
        self, title: str, chosen: ModelChoice | None, take: Callable[[ModelChoice | None], Awaitable[None]]
    ) -> None:
        self.app.push_screen(ModelChooser(title, self.minimind.index.entries, chosen), take)

    async def _take_left(self, choice: ModelChoice | None) -> None:
        if choice is not None:
            self._stop_side(0)
            self.state.left.choose(choice)
            self._load_ahead()
            self._draw()

    async def _take_right(self, choice: ModelChoice | None) -> None:
        if choice is not None:
            self.state.right = Side(choice)
            await self.query_one("#panes").mount(WritingPane(_NAMES[1]))
            self._load_ahead()
            self._draw()

    async def _remove_right(self) -> None:
        self._stop_side(1)
        self._writers.stop(1)
        self.state.right = None
        await self.query("#pane-right").remove()
        self._draw()

    def _stop_side(self, place: int) -> None:
        sides = self.state.sides
        if place < len(sides) and (number := sides[place].stop()) is not None:
            self._writers.cancel(place, number)

    def action_take_newest(self) -> None:
        """The newest weights of each side's run, from the next prompt on."""
        changed = False
        for place, side in enumerate(self.state.sides):
            choice = side.choice
            if choice is not None and choice.folder is not None and choice.checkpoint is not None:
                self._stop_side(place)
                side.choose(ModelChoice(choice.folder))
                changed = True
        if not changed:
            tell(self, _("The newest weights are chosen already."))
        self._draw()

    # -- prompts and text

    def on_text_area_changed(self, event: PromptArea.Changed) -> None:
        self.state.draft = event.text_area.text
        self._load_ahead()

    def on_option_row_changed(self, event: OptionRow.Changed) -> None:
        self.state.options, self._option_texts = event.options, event.texts

    def on_prompt_area_edge(self, event: PromptArea.Edge) -> None:
        if event.up:
            self.action_older_prompt()
        else:
            self.action_newer_prompt()

    def action_older_prompt(self) -> None:
        """The prompt before."""
        self._put(self.state.history.older(self.state.draft))

    def action_newer_prompt(self) -> None:
        """The prompt after."""
        self._put(self.state.history.newer())

    def _put(self, prompt: str | None) -> None:
        if prompt is not None:
            self.query_one(PromptArea).put(prompt)

    def action_new_line(self) -> None:
        """A line break in the prompt."""
        self.query_one(PromptArea).insert("\n")

    def action_copy_answer(self) -> None:
        """Put the newest answer into the clipboard."""
        text = self.state.last_text
        if text:
            self.app.copy_to_clipboard(text)
            tell(self, _("Copied: {n} characters.").format(n=len(text)))
        else:
            tell(self, _("There is nothing to copy yet."), severity="warning")

    def action_scroll_up(self) -> None:
        """Earlier lines of what was written."""
        for pane in self.query(WritingPane):
            pane.scroll_pages(-1)

    def action_scroll_down(self) -> None:
        """Later lines of what was written."""
        for pane in self.query(WritingPane):
            pane.scroll_pages(1)

    def action_clear(self) -> None:
        """Remove what was written, on every side."""
        self.action_stop_writing()
        for side in self.state.sides:
            side.answers.clear()
        self._draw()


def _key(action: str, scope: Scope = "playground") -> str:
    """The key of an action, as it is written in a hint."""
    return next(key.keys.partition(",")[0] for key in keys_of(scope) if key.action == action)
