"""Home's rows as styled text of a given width."""

from textual.content import Content

from engine.language import _
from engine.run.phase_words import phase_word
from engine.run.schema import State
from minimind_tui import words
from minimind_tui.app.texts import styled
from minimind_tui.charts.numbers import sparkline
from minimind_tui.core.home import NowRow, PresetRow, RecentRow
from minimind_tui.core.run_words import look_of
from minimind_tui.safe_text import one_line

_LEAST_CURVE = 8
_MOST_CURVE = 48
_ONE_LINE_PRESETS = 66


def now_content(row: NowRow, width: int) -> Content:
    """Two lines: which run and how far it is; its bar, the time left, the loss and the loss's curve."""
    look = look_of(row.state)
    name = styled((look.text, look.style and f"$text-{look.style}"), "  ", (one_line(row.title), "bold"))
    numbers = [f"{row.step:,}/{row.total:,}" if row.total else f"{row.step:,}" if row.step else ""]
    if row.tokens_per_s is not None and row.state is State.RUNNING:
        numbers.insert(0, _("{n} tokens/s").format(n=words.count(row.tokens_per_s)))
    return Content("\n").join([_ends(name, styled(("  ".join(numbers), "$quiet")), width), _progress(row, width)])


def _progress(row: NowRow, width: int) -> Content:
    if row.share is None or row.state not in (State.RUNNING, State.STOPPING, State.PAUSED):
        text = one_line(row.message)
        if row.state in (State.STARTING, State.RUNNING) and row.phase:
            text = phase_word(row.phase)
        return styled((text, "$quiet")).truncate(width, ellipsis=True)
    bar = max(8, min(40, width // 4))
    done = round(row.share * bar)
    colour = "$text-success" if row.state is State.RUNNING else "$text-warning"
    line = styled(("━" * done, colour), ("─" * (bar - done), "$quiet"), f" {row.share:>4.0%}")
    if row.state is State.RUNNING:
        if row.eta_s is not None:
            line += styled("  ", (_("{time} left").format(time=words.duration(row.eta_s)), "bold"))
        elif row.phase:
            line += styled("  ", (phase_word(row.phase), "$quiet"))
    if row.loss is not None:
        line += styled("  ", (_("loss"), "$quiet"), f" {words.loss(row.loss)}")
    room = min(_MOST_CURVE, width - line.cell_length - 2)
    if room < _LEAST_CURVE or not row.curve:
        return line.truncate(width, ellipsis=True)
    return _ends(line, styled((sparkline(row.curve, room), "$text-accent")), width)


def recent_contents(rows: list[RecentRow], width: int) -> list[Content]:
    """The runs as lines with columns: state, id, steps, loss, best validation where there is room, age."""
    tails = [_numbers(row, width) for row in rows]
    columns = [max(cell.cell_length for cell in column) for column in zip(*tails, strict=True)] if tails else []
    state_width = max((Content(look_of(row.state).text).cell_length for row in rows), default=0)
    lines = []
    for row, cells in zip(rows, tails, strict=True):
        look = look_of(row.state)
        state = _left(styled((look.text, look.style and f"$text-{look.style}")), state_width)
        numbers = Content("  ").join(_right(cell, size) for cell, size in zip(cells, columns, strict=True) if size)
        room = max(8, width - state_width - numbers.cell_length - 4)
        name = _left(styled(one_line(row.title)).truncate(room, ellipsis=True), room)
        lines.append(Content.assemble(state, "  ", name, "  ", numbers).truncate(width))
    return lines


def _numbers(row: RecentRow, width: int) -> list[Content]:
    steps = f"{row.step:,}/{row.total:,}" if row.total and row.total != row.step else f"{row.step:,}"
    loss = "" if row.loss is None else words.loss(row.loss)
    best = "" if row.best is None else _("best {loss}").format(loss=words.loss(row.best))
    cells = [(steps, "$quiet"), (loss, ""), (best, "$quiet"), (row.age, "$quiet")]
    if width < 72:
        del cells[2]
    if width < 44:
        del cells[0]
    return [styled(cell) for cell in cells]


def preset_contents(rows: list[PresetRow], width: int) -> list[Content]:
    """The presets: a line each where there is room, else with the summary below the name."""
    names = max((Content(row.name).cell_length for row in rows), default=0)
    contents = []
    for row in rows:
        size = "" if row.parameters is None else words.count(row.parameters)
        head = styled(
            (row.name, "bold"), " " * (names - Content(row.name).cell_length + 2), (f"{size:>6}", "$text-accent")
        )
        about = styled((one_line(row.problem), "$text-error")) if row.problem else styled((row.summary, "$quiet"))
        if width >= _ONE_LINE_PRESETS:
            contents.append(Content.assemble(head, "  ", about).truncate(width, ellipsis=True))
        else:
            contents.append(Content("\n").join([head.truncate(width, ellipsis=True), about]))
    return contents


def _ends(left: Content, right: Content, width: int) -> Content:
    """Two texts at both ends of a line; what does not fit of the left one is cut."""
    room = max(0, width - right.cell_length - 1)
    left = left.truncate(room, ellipsis=True)
    return Content.assemble(left, " " * max(1, width - left.cell_length - right.cell_length), right)


def _left(content: Content, width: int) -> Content:
    return content + Content(" " * max(0, width - content.cell_length))


def _right(content: Content, width: int) -> Content:
    return Content(" " * max(0, width - content.cell_length)) + content
