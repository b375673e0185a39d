"""The forms in which a followed run is shown: a live block on a terminal, lines in a pipe, JSON for machines."""

import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui.cli.follow.feed import News
from minimind_tui.cli.follow.progress import Progress, ProgressTracker
from minimind_tui.cli.follow.summary import Summary
from minimind_tui.cli.terminal import complain, hide_echo_of_controls, make_console, say
from minimind_tui.happenings import Happening, in_words
from minimind_tui.safe_text import json_text, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LINE_SECONDS = 10.0
"""A pipe gets a line of progress at most so often ..."""
LINE_SHARE = 0.05
"""... or each time the run has come so much further or begins another stage, whichever is first ..."""
LEAST_SECONDS = 1.0
"""... but never more often than this."""
_BAR_COLUMNS = 40
_REMEMBERED = 5  # happenings, so that the summary need not repeat them


class Display(Protocol):
    """How a followed run is shown."""

    def show(self, news: News) -> None:
        """Show what is new. Called a few times a second."""

    def notice(self, message: str) -> None:
        """Say something that is not the run's own, such as that it is being stopped."""

    def end(self, summary: Summary) -> None:
        """Show how it ended; nothing is shown afterwards."""

    def close(self) -> None:
        """Leave the terminal as it was; harmless when called twice."""


def choose_display(folder: RunFolder, *, json_lines: bool) -> Display:
    """The form that fits where the output goes."""
    if json_lines:
        return JsonDisplay(folder)
    console = make_console()
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(folder, console)
    return LineDisplay(folder)


class JsonDisplay:
    """One JSON object a line: everything the run writes, then how it ended. `stream` says what a line is."""

    def __init__(self, folder: RunFolder) -> None:
        self._write({"stream": "run", "id": folder.id, "path": str(folder.path)})

    def show(self, news: News) -> None:
        """Pass on the new lines."""
        for line in news.metrics:
            self._write({"stream": "metrics", **line})
        for line in news.events:
            self._write({"stream": "events", **line})

    def notice(self, message: str) -> None:
        """To stderr: stdout is the machine's."""
        complain(message)

    def end(self, summary: Summary) -> None:
        """The last line."""
        self._write({"stream": "end", **summary.record()})

    def close(self) -> None:
        """Nothing to leave behind."""

    @staticmethod
    def _write(record: dict[str, Any]) -> None:
        sys.stdout.write(json_text(record) + "\n")
        sys.stdout.flush()


class LineDisplay:
    """Plain lines, few enough to be kept in a log."""

    def __init__(self, folder: RunFolder) -> None:
        self._tracker = ProgressTracker()
        self._shown_at = float("-inf")
        self._shown: tuple[str, float] = ("", -1.0)
        self._said: deque[str] = deque(maxlen=_REMEMBERED)
        say(_("run {run}").format(run=folder.id))

    def show(self, news: News) -> None:
        """Events as they come, progress at a bounded rate."""
        progress = self._tracker.update(news)
        for event in news.events:
            happening = in_words(event)
            if happening is not None:
                self._said.append(happening.text)
                say(plain(happening))
        if not news.is_over and self._is_due(progress):
            say(line_of(progress))

    def notice(self, message: str) -> None:
        """A line like the others."""
        say(message)

    def end(self, summary: Summary) -> None:
        """The summary's lines."""
        for line in [summary.ending(), *_unsaid(summary, self._said), *summary.next_commands()]:
            say(line)

    def close(self) -> None:
        """Nothing to leave behind."""

    def _is_due(self, progress: Progress) -> bool:
        now = time.monotonic()
        stage = "" if progress.training else progress.activity
        share = progress.share or 0.0
        moved = stage != self._shown[0] or share != self._shown[1]
        further = stage != self._shown[0] or share - self._shown[1] >= LINE_SHARE
        if not moved or now - self._shown_at < (LEAST_SECONDS if further else LINE_SECONDS):
            return False
        self._shown_at, self._shown = now, (stage, share)
        return True


class LiveDisplay:
    """A block of two lines that is redrawn in place, with the happenings scrolling by above it."""

    def __init__(self, folder: RunFolder, console: "Console") -> None:
        from rich.live import Live
        from rich.text import Text

        self._console = console
        self._tracker = ProgressTracker()
        self._drawn: Text = Text()
        self._said: deque[str] = deque(maxlen=_REMEMBERED)
        console.print(_("run {run}").format(run=folder.id), style="bold")
        self._live = Live(Text(""), console=console, auto_refresh=False, transient=True)
        self._restore_echo = hide_echo_of_controls()  # ^C behind the block would wrap, and leave a part of it behind
        self._live.start()

    def show(self, news: News) -> None:
        """Print the happenings, redraw the block when it changed."""
        progress = self._tracker.update(news)
        for event in news.events:
            happening = in_words(event)
            if happening is not None:
                self._said.append(happening.text)
                self._console.print(styled(happening))
        block = self._block(progress)
        if block.plain != self._drawn.plain:
            self._drawn = block
            self._live.update(block, refresh=True)

    def notice(self, message: str) -> None:
        """A line above the block."""
        self._console.print(one_line(message), style="yellow")

    def end(self, summary: Summary) -> None:
        """Take the block away and print the summary."""
        self.close()
        self._console.print(summary.ending(), style="bold")
        for fact in _unsaid(summary, self._said):
            self._console.print(fact)
        for command in summary.next_commands():
            self._console.print(command, soft_wrap=True)  # unbroken, to be copied

    def close(self) -> None:
        """Take the block away."""
        self._live.stop()
        self._restore_echo()

    def _block(self, progress: Progress) -> "Text":
        from rich.cells import cell_len
        from rich.text import Text

        width = max(10, self._console.width - 1)
        bar_columns = min(_BAR_COLUMNS, width - 8)
        text = Text(no_wrap=True, overflow="crop")
        if progress.share is not None and bar_columns >= 10:
            filled = round(progress.share * bar_columns)
            text.append("━" * filled, "green").append("─" * (bar_columns - filled), "dim")
            text.append(f" {progress.share:4.0%} ")
            used = bar_columns + 6
        else:
            used = 0
        if used + cell_len(progress.activity) <= width:
            text.append(progress.activity, "bold")
        line, facts = "", list(progress.facts)
        while facts and cell_len(line) + cell_len(facts[0]) + 3 <= width:
            line += ("   " if line else "") + facts.pop(0)
        return text.append("\n").append(line)


def _unsaid(summary: Summary, said: Iterable[str]) -> list[str]:
    """The summary's facts without those that a happening told a moment ago: an error is not said twice."""
    return [fact for fact in summary.facts() if not any(text.endswith(fact.strip()) for text in said)]


def line_of(progress: Progress) -> str:
    """Progress as one line."""
    share = "" if progress.share is None else f" {progress.share:.0%}"
    return f"{progress.activity}{share}" + "".join(f", {fact}" for fact in progress.facts)


def plain(happening: Happening) -> str:
    """A happening as a line; what the model was given stands in brackets before what it wrote."""
    if not happening.prompt:
        return happening.text
    return f"{happening.text}: [{one_line(happening.prompt)}] {one_line(happening.continuation)}"


def styled(happening: Happening) -> "Text":
    """A happening for a terminal."""
    from rich.text import Text

    text = Text(happening.text, style="bold yellow" if happening.loud else "dim")
    if happening.prompt:
        text.append("\n  ").append(happening.prompt, "bold not dim").append("|", "dim")
        text.append(happening.continuation, "not dim")
    return text
