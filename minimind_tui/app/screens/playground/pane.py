"""One side of the playground: its model, what it wrote, and what is to be told about it."""

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content

from engine.language import _
from minimind_tui.app.texts import FittingStatic, PlainText, styled
from minimind_tui.core.playground import Answer, AnswerState, Side
from minimind_tui.safe_text import one_line


class AnswerView(FittingStatic):
    """A prompt, what follows it, and below what it took; above, the `writer` where it is another than before."""

    def __init__(self, answer: Answer, writer: str) -> None:
        super().__init__(_content_of(answer, writer), markup=False, classes="answer")
        self.number = answer.number
        self._writer = writer
        self._shown = _version_of(answer)

    def show(self, answer: Answer) -> None:
        """Show the answer as it is now; nothing is drawn when it is the same."""
        version = _version_of(answer)
        if version != self._shown:
            self._shown = version
            self.update(_content_of(answer, self._writer))


def _version_of(answer: Answer) -> tuple[object, ...]:
    return len(answer.text), answer.state, answer.summary()


def _content_of(answer: Answer, writer: str) -> Content:
    failed = answer.state is AnswerState.FAILED
    below = (f"✗ {answer.summary()}", "$text-error") if failed else (answer.summary(), "$quiet")
    written = styled((answer.prompt, "bold $text-primary"), answer.text)
    above = styled((f"── {writer}\n", "$quiet")) if writer else Content()
    return Content.assemble(above, written, "\n" if written.plain else "", styled(below))


def _writer_of(answers: list[Answer], place: int) -> str:
    """Who wrote an answer, where it is another model than the answer before."""
    choice = answers[place].choice
    if choice is None or place == 0 or answers[place - 1].choice == choice:
        return ""
    return " · ".join(part for part in (one_line(choice.name), choice.which) if part)


class Transcript(VerticalScroll):
    """Scrolls along with what is written, until somebody scrolls up; at the end again, it goes on."""

    def __init__(self) -> None:
        super().__init__(classes="transcript")
        self.follows = True

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value or new_value >= self.max_scroll_y:
            self.follows = new_value >= self.max_scroll_y

    def watch_virtual_size(self) -> None:
        """What was written has grown, or has been wrapped anew."""
        if self.follows:
            self.call_next(self.to_end)

    def on_resize(self) -> None:
        self.watch_virtual_size()

    def to_end(self) -> None:
        """Go to the end, and stay there while more is written."""
        self.follows = True
        self.scroll_end(animate=False, force=True, immediate=True)


class WritingPane(Vertical):
    """A model's transcript. Its `show` draws a side as it is."""

    def __init__(self, name: str) -> None:
        super().__init__(id=f"pane-{name}", classes="panel pane")
        self._side: Side | None = None
        self._called = self._notice = self._hint = ""
        self._can_show = False

    def compose(self) -> ComposeResult:
        yield PlainText("", classes="notice warn")
        with Transcript():
            yield PlainText("", classes="hint dim")

    def on_mount(self) -> None:
        self._can_show = True
        if self._side is not None:
            self.show(self._side, self._called, self._notice, self._hint)

    def on_resize(self) -> None:
        if self._side is not None:
            self.border_title = _title_of(self._side, self._called, self.size.width - 4)

    def show(self, side: Side, called: str, notice: str, hint: str) -> None:
        """Draw a side: what its run is `called` in the frame (else its id), `notice` above what was written, `hint` in
        its place while nothing is.
        """
        self._side, self._called, self._notice, self._hint = side, called, notice, hint
        if not self._can_show:  # its parts are not there yet
            return
        self.border_title = _title_of(side, called, self.size.width - 4)
        self.border_subtitle = Content(side.device)
        line = self.query_one(".notice", PlainText)
        line.show(notice)
        line.display = bool(notice)
        empty = self.query_one(".hint", PlainText)
        empty.show("" if side.answers else hint)
        empty.display = not side.answers
        transcript = self.query_one(Transcript)
        there = {view.number: view for view in transcript.query(AnswerView)}
        kept = {answer.number for answer in side.answers}
        for number, view in there.items():
            if number not in kept:
                view.remove()
        new = []
        for place, answer in enumerate(side.answers):
            if answer.number in there:
                there[answer.number].show(answer)
            else:
                new.append(AnswerView(answer, _writer_of(side.answers, place)))
        if new:
            transcript.mount_all(new)

    def follow(self) -> None:
        """Go to the end, and stay there while more is written."""
        self.query_one(Transcript).to_end()

    def scroll_pages(self, pages: int) -> None:
        """Scroll the transcript by so many pages; back at the end it follows again."""
        transcript = self.query_one(Transcript)
        if pages < 0:
            transcript.scroll_page_up(animate=False)
        else:
            transcript.scroll_page_down(animate=False)


def _title_of(side: Side, called: str, room: int) -> Content:
    """The model's name and which of its weights; of a name too long for `room` columns the end is shown."""
    choice = side.choice
    if choice is None:
        return Content(_("No model"))
    parts = [choice.which] if choice.which else []
    if not choice.is_fixed and side.loaded_step is not None:
        parts.append(_("step {step}").format(step=side.loaded_step))
    rest = Content("".join(f" · {part}" for part in parts))
    return _end_of(one_line(called or choice.name), max(8, room - rest.cell_length)) + rest


def _end_of(text: str, room: int) -> Content:
    """`text`, or the end of it that fits into `room` columns."""
    content = Content(text)
    while content.cell_length > room and text:
        text = text[1:]
        content = Content("…" + text)
    return content
