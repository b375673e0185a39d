"""The preview of a run in words, and a calibration with its progress."""

import sys
import time
from dataclasses import asdict
from typing import Any

from engine.errors import UserError
from engine.estimate.calibration import Calibration
from engine.estimate.data_facts import DataFacts
from engine.language import _
from engine.settings.material import find_data, find_tokenizer
from engine.settings.settings import Settings
from minimind_tui.cli.terminal import complain, make_console, print_table, say
from minimind_tui.core.cost import Price, money
from minimind_tui.core.wizard.foresight import Foresight
from minimind_tui.core.wizard.review_words import progress_words, review_lines
from minimind_tui.safe_text import json_text, one_line, printable

_POLL_SECONDS = 0.1


def print_json(foresight: Foresight, price: Price | None) -> None:
    """The whole preview as one JSON object; durations in seconds, sizes in bytes, an amount as [low, high]."""
    preview = foresight.preview
    told: dict[str, Any] = asdict(preview)
    del told["obstacles"]
    told |= {"ready": not foresight.reasons, "problems": [reason.text for reason in foresight.reasons]}
    if price is not None and preview.seconds is not None:
        cost = money(preview.seconds, price)
        told |= {"cost": [cost.low, cost.high], "currency": cost.currency}
    told["calibration"] = foresight.calibration.model_dump(mode="json") if foresight.calibration else None
    say(json_text(told))


def print_preview(foresight: Foresight, price: Price | None) -> None:
    """The preview for a person: a line a quantity, then whether it is ready, and what to know."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in review_lines(foresight, price):
        table.add_row(Text(name), Text(one_line(text)))
    print_table(table)
    say("")
    if foresight.reasons:
        console.print(_("Not ready:"), style="bold red")
    else:
        console.print(_("Ready."), style="bold green")
    for reason in foresight.reasons:
        console.print(Padding(Text(printable(reason.text), overflow="fold"), (0, 0, 0, 2), expand=False))
    notes = list(foresight.preview.notes)
    if foresight.calibration is None and foresight.preview.parameters is not None:
        notes.append(_("The time is not measured yet; --calibrate does it with some real updates."))
    for sentence in notes:
        console.print(Text(_("note: {message}").format(message=one_line(sentence)), style="dim", overflow="fold"))


def calibrate_visibly(settings: Settings, facts: DataFacts | None) -> Calibration:
    """Run a calibration, showing how far it is on a terminal's stderr; Ctrl-C ends it.

    `facts` are those of the text, where it is there. Raises UserError: there is no tokenizer, or it failed.
    """
    from engine.estimate.calibration_run import CalibrationRun

    try:
        data = find_data(settings.data_path).path
    except UserError:
        data = None  # made-up rows do for a measurement
    context = facts.context if facts is not None else None
    run = CalibrationRun.start(settings, data, find_tokenizer(settings.tokenizer), context=context)
    shown = sys.stderr.isatty()
    try:
        while run.running:
            if shown:
                sys.stderr.write("\033[2K" + printable(progress_words(run.progress)) + "\r")
                sys.stderr.flush()
            time.sleep(_POLL_SECONDS)
        if shown:
            sys.stderr.write("\033[2K")
            sys.stderr.flush()
        for warning in run.warnings:
            complain(warning)
        return run.wait()
    finally:
        run.cancel()
