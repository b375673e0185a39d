"""The table of runs as a widget that draws only the lines that are seen, and of those only the ones that changed."""

from collections.abc import Collection, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from minimind_tui.app.screens.runs.cells import cut, cut_middle, fit
from minimind_tui.core.run_facts import RunRow
from minimind_tui.core.run_table import GAP, Column, Order, layout, row_look

_LEAD = 3
"""Columns before the first: the cursor's sign, the mark's sign, a blank."""

Piece = tuple[str, str]
"""A text and the name of its look."""


class RunList(ScrollView, can_focus=True):
    """Rows of runs under a header. The cursor stands on a run, wherever that run's row goes."""

    COMPONENT_CLASSES = {
        "run-list--header",
        "run-list--cursor",
        "run-list--success",
        "run-list--warning",
        "run-list--error",
        "run-list--accent",
        "run-list--muted",
    }
    BINDINGS = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
    ]
    DEFAULT_CSS = """
    RunList { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; background: transparent; }
    RunList > .run-list--header { color: $foreground-muted; text-style: bold; }
    RunList > .run-list--cursor { background: $panel; }
    RunList:focus > .run-list--cursor { background: $cursor; text-style: bold $cursor-style; }
    RunList > .run-list--success { color: $text-success; }
    RunList > .run-list--warning { color: $text-warning; }
    RunList > .run-list--error { color: $text-error; }
    RunList > .run-list--accent { color: $text-accent; text-style: bold; }
    RunList > .run-list--muted { color: $foreground-muted; text-style: $quiet-style; }
    """

    class Moved(Message):
        """The cursor came to another run, or to none."""

    class Opened(Message):
        """A row was clicked twice."""

    class Ordered(Message):
        """A column's title was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Marked(Message):
        """The place of the mark was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[RunRow] = ()
        self._marked: Collection[str] = ()
        self._order = Order()
        self._cursor = 0
        self._key: str | None = None
        self._wanted: str | None = None
        """The run a person put the cursor on: it comes back there once that run is listed again."""
        self._layout: list[tuple[Column, int]] = []
        self._drawn: dict[int, tuple[Piece, ...]] = {}

    # -- what is shown

    def show(self, rows: Sequence[RunRow], marked: Collection[str], order: Order) -> None:
        """Show these rows in this order; what looks the same is not drawn again."""
        height, old = self._body_height, self._cursor
        on_screen = old - self.scroll_offset.y
        self._rows, self._marked, self._order = rows, marked, order
        if not (old < len(rows) and rows[old].key == (self._wanted or self._key)):
            places = {row.key: index for index, row in enumerate(rows)}
            old = places.get(self._wanted or "", places.get(self._key or "", old))
        self._lay_out()
        self.virtual_size = Size(self._text_width, len(rows) + 1)
        self._set_cursor(old)
        if 0 <= on_screen < max(1, height):  # who scrolled away from the cursor stays where they look
            self._scroll_to_line(self._cursor - on_screen)
            self._scroll_to_cursor()
        self._draw_changes()

    @property
    def selected(self) -> RunRow | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def shown_columns(self) -> list[str]:
        """The keys of the columns there is room for."""
        return [column.key for column, _width in self._layout]

    def select(self, key: str) -> None:
        """Put the cursor on a run, if it is listed."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._go_to(index)
                return

    # -- drawing

    def render_line(self, y: int) -> Strip:
        pieces = self._line(y)
        self._drawn[y] = pieces
        width = self._text_width
        base = self.rich_style
        if y > 0 and pieces and self.scroll_offset.y + y - 1 == self._cursor:
            base = self.get_component_rich_style("run-list--cursor")
        segments = [Segment(text, base + self._look(look)) for text, look in pieces]
        return Strip(segments).adjust_cell_length(width, base)

    def notify_style_update(self) -> None:
        self._drawn.clear()
        super().notify_style_update()

    def _look(self, name: str) -> Style:
        if not name:
            return Style.null()
        whole = self.get_component_rich_style(f"run-list--{name}")  # a part of it would not be blended
        return Style(color=whole.color, bold=whole.bold or None, dim=whole.dim)

    def _line(self, y: int) -> tuple[Piece, ...]:
        """What stands on a line of the widget."""
        if y == 0:
            return self._header()
        index = self.scroll_offset.y + y - 1
        if not 0 <= index < len(self._rows):
            return ()
        row = self._rows[index]
        style = row_look(row).style
        pieces: list[Piece] = [
            ("›" if index == self._cursor else " ", "accent"),
            ("◆ " if row.key in self._marked else "  ", "accent"),
        ]
        for position, (column, width) in enumerate(self._layout):
            if position:
                pieces.append((" " * GAP, ""))
            look = style if column.key == "state" else "muted" if column.key in _QUIET else ""
            is_id = column.key == "run" and not row.entry.annotations.title
            text = (cut_middle if is_id else cut)(column.text(row), width)
            pieces.append((fit(text, width, right=column.right), look))
        return tuple(pieces)

    def _header(self) -> tuple[Piece, ...]:
        pieces: list[Piece] = [(" " * _LEAD, "")]
        for position, (column, width) in enumerate(self._layout):
            # the sign of the order stands in the gap on the side where the title does not begin
            before = GAP if position else 0
            sign = ""
            if column.key == self._order.key:
                sign = "↓" if self._order.descending else "↑"
            title = cut(column.title(), width)
            if column.right:
                pieces.append((fit(sign + title, width + before, right=True), "header"))
            else:
                title = title if cell_len(title) < width else cut(title, width - len(sign))
                pieces.append((" " * before + fit(title + sign, width, right=False), "header"))
        return tuple(pieces)

    def _draw_changes(self) -> None:
        """Draw the lines again that look other than they did."""
        width = self._text_width
        changed = [Region(0, y, width, 1) for y in range(self._body_height + 1) if self._drawn.get(y) != self._line(y)]
        if changed:
            self.refresh(*changed)

    def _lay_out(self) -> None:
        self._layout = layout(max(0, self._text_width - _LEAD), cell_len, self._order.key)

    @property
    def _text_width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _body_height(self) -> int:
        return max(0, self.scrollable_content_region.height - 1)

    def on_resize(self, event: Resize) -> None:
        self._lay_out()
        self._drawn.clear()
        self.virtual_size = Size(self._text_width, len(self._rows) + 1)
        self._scroll_to_cursor()
        self.refresh()

    # -- moving

    def action_move(self, by: int) -> None:
        """Up or down by rows."""
        self._go_to(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Up or down by a screenful."""
        self._go_to(self._cursor + by * max(1, self._body_height - 1))

    def action_first(self) -> None:
        """To the first row."""
        self._go_to(0)

    def action_last(self) -> None:
        """To the last row."""
        self._go_to(len(self._rows) - 1)

    def _go_to(self, index: int) -> None:
        """Put the cursor on a row because a person wants it there."""
        self._set_cursor(index)
        self._wanted = self._key
        self._scroll_to_cursor()
        self._draw_changes()

    def _set_cursor(self, index: int) -> None:
        index = max(0, min(index, len(self._rows) - 1))
        key = self._rows[index].key if self._rows else None
        moved = key != self._key
        self._cursor, self._key = index, key
        if moved:
            self.post_message(self.Moved())

    def _scroll_to_cursor(self) -> None:
        top, height = self.scroll_offset.y, self._body_height
        if self._cursor < top:
            self._scroll_to_line(self._cursor)
        elif height and self._cursor >= top + height:
            self._scroll_to_line(self._cursor - height + 1)

    def _scroll_to_line(self, line: int) -> None:
        most = max(0, len(self._rows) - self._body_height)
        line = max(0, min(line, most))
        if line != self.scroll_offset.y:
            self._drawn.clear()
            self.scroll_to(y=line, animate=False, force=True)

    def on_click(self, event: Click) -> None:
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y == 0:
            start = _LEAD
            for column, width in self._layout:
                if start <= place.x < start + width:
                    self.post_message(self.Ordered(column.key))
                    return
                start += width + GAP
            return
        index = self.scroll_offset.y + place.y - 1
        if index >= len(self._rows):
            return
        self._go_to(index)
        if place.x < _LEAD:
            self.post_message(self.Marked(self._rows[index].key))
        elif event.chain == 2:
            self.post_message(self.Opened())


_QUIET = frozenset({"preset", "age", "size", "device", "parameters", "elapsed"})
