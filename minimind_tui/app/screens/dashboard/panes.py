"""The panes below the charts that are lines of text: happenings, settings, the log."""

from collections.abc import Iterable

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from engine.language import _
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.dashboard.happenings import HappeningLine
from minimind_tui.core.dashboard.log_tail import LogTail
from minimind_tui.core.dashboard.settings_table import SettingRow, SettingsTable, group_word


class LinesPane(VerticalScroll):
    """Lines, wrapped, in a scroll. With `follow` the end stays in sight until one scrolls up."""

    def __init__(self, name: str, *, follow: bool = False) -> None:
        super().__init__(id=name, classes="pane")
        self._follow = follow

    def compose(self) -> ComposeResult:
        yield PlainText()

    def show_lines(self, lines: Iterable[Content]) -> None:
        """Replace the lines; nothing is drawn when they are the same."""
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        self.query_one(PlainText).show(Content("\n").join(lines))
        if self._follow and at_end:
            self.scroll_end(animate=False)


class HappeningsPane(LinesPane):
    """What happened, oldest first; what is loud is marked."""

    def __init__(self) -> None:
        super().__init__("pane-events", follow=True)

    def show(self, lines: list[HappeningLine], earlier: int, bad_lines: int) -> None:
        """Show these; `earlier` were left out before them, `bad_lines` lines of the logs could not be used."""
        shown = []
        if earlier:
            shown.append(styled((_("{n} earlier events are not shown.").format(n=earlier), "$quiet")))
        for line in lines:
            time = (f"{line.time}  ", "$quiet")
            shown.append(styled(time, (f"! {line.text}", "bold $text-error")) if line.loud else styled(time, line.text))
        if not lines:
            shown.append(styled((_("Nothing has happened yet."), "$quiet")))
        if bad_lines:
            shown.append(styled((_("{n} lines of the logs could not be used.").format(n=bad_lines), "$text-warning")))
        self.show_lines(shown)


class SettingsPane(LinesPane):
    """Every setting by group; what differs from the preset is marked, with the preset's value beside it."""

    def __init__(self) -> None:
        super().__init__("pane-settings")

    def show(self, table: SettingsTable) -> None:
        """Show a run's settings."""
        shown: list[Content] = []
        if table.problem:
            shown.append(styled((table.problem, "$text-warning")))
        if table.groups:
            shown.append(_differs(table))
        width = max((cell_len(row.name) for _group, rows in table.groups for row in rows), default=0)
        for group, rows in table.groups:
            shown += [Content(""), styled((group_word(group), "bold $text-primary"))]
            shown += [_setting(row, width, table.compared_with) for row in rows]
        self.show_lines(shown)


class LogPane(LinesPane):
    """The end of trainer.log."""

    def __init__(self) -> None:
        super().__init__("pane-log", follow=True)

    def show(self, log: LogTail) -> None:
        """Show a log's lines."""
        shown: list[Content] = []
        if log.problem:
            shown.append(
                styled((_("trainer.log cannot be read: {problem}.").format(problem=log.problem), "$text-warning"))
            )
        if log.cut:
            shown.append(styled((_("Only the end; all of it is in trainer.log."), "$quiet")))
        shown += [styled(line) for line in log.lines]
        self.show_lines(shown or [styled((_("Nothing was printed yet."), "$quiet"))])


def _differs(table: SettingsTable) -> Content:
    if table.compared_with:
        told = _("{n} settings differ from the preset {preset}; they are marked *.")
    else:
        told = _("{n} settings differ from the defaults; they are marked *.")
    return styled((told.format(n=table.changed, preset=table.compared_with), "$quiet"))


def _setting(row: SettingRow, width: int, preset: str) -> Content:
    name = row.name + " " * (width - cell_len(row.name))
    value = row.value + (f" {row.unit}" if row.unit else "")
    if row.usual is None:
        return styled("  ", (name, "$quiet"), f"  {value}")
    told = _("(preset: {value})") if preset else _("(default: {value})")
    return styled(
        ("* ", "bold $text-accent"),
        name,
        "  ",
        (value, "bold $text-accent"),
        "  ",
        (told.format(value=row.usual), "$quiet"),
    )
