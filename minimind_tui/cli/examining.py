"""The findings of `minimind doctor`, for a person or a machine."""

from collections.abc import Sequence
from dataclasses import asdict

from engine.language import _
from minimind_tui.cli.terminal import make_console, print_table, say
from minimind_tui.core.doctor.examination import worst
from minimind_tui.core.doctor.findings import Level, Section, level_word
from minimind_tui.safe_text import json_text, one_line

_STYLES = {Level.FINE: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


def print_json(sections: Sequence[Section]) -> None:
    """One JSON object: `level` is the worst of all, and each section lists its findings."""
    told = {
        "level": str(worst(sections)),
        "sections": [
            {"name": section.name, "findings": [asdict(one) for one in section.findings]} for section in sections
        ],
    }
    say(json_text(told))


def print_sections(sections: Sequence[Section]) -> None:
    """A line a finding with its level in a word, what to do below it, and a verdict at the end."""
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    for section in sections:
        console.print(section.title, style="bold")
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in section.findings:
            word = Text("  " + level_word(finding.level), style=_STYLES[finding.level])
            table.add_row(word, Text(finding.what), Text(one_line(finding.text)))
            if finding.way_out:
                table.add_row(Text(), Text(), Text("→ " + one_line(finding.way_out), style="dim"))
        print_table(table)
    console.print(_verdict(worst(sections)), style=_STYLES[worst(sections)])


def _verdict(level: Level) -> str:
    return {
        Level.FINE: _("All is well: runs can start."),
        Level.NOTE: _("All is well: runs can start."),
        Level.WARNING: _("Runs can start; the warnings say what could be better."),
        Level.PROBLEM: _("A run would not start, or would be stopped: see the problems."),
    }[level]
