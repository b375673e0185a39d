"""The preview of a run in words, and a calibration with its progress."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.errors import UserError
from engine.estimate.calibration import Calibration
from engine.estimate.preview import RunPreview
from engine.language import _
from engine.settings.moments import format_duration
from engine.settings.settings import Settings
from minimind_tui import words
from minimind_tui.cli.terminal import complain, make_console, print_table, say
from minimind_tui.core.cost import Price, band_words, money
from minimind_tui.looking_ahead import Outlook
from minimind_tui.safe_text import one_line, printable

if TYPE_CHECKING:
    from engine.estimate.calibration_run import CalibrationProgress

_POLL_SECONDS = 0.1


def print_json(outlook: Outlook, price: Price | None) -> None:
    """The whole preview as one JSON object; durations in seconds, sizes in bytes, an amount as [low, high]."""
    preview = outlook.preview
    told: dict[str, Any] = {"ready": preview.ready, **asdict(preview)}
    if price is not None and preview.seconds is not None:
        cost = money(preview.seconds, price)
        told |= {"cost": [cost.low, cost.high], "currency": cost.currency}
    told["calibration"] = outlook.calibration.model_dump(mode="json") if outlook.calibration else None
    say(json.dumps(told, ensure_ascii=False))


def print_preview(outlook: Outlook, price: Price | None) -> None:
    """The preview for a person: a line a quantity, then whether it is ready, and what to know."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in preview_lines(outlook, price):
        table.add_row(Text(name), Text(one_line(text)))
    print_table(table)
    say("")
    preview = outlook.preview
    if preview.ready:
        console.print(_("Ready."), style="bold green")
    else:
        console.print(_("Not ready:"), style="bold red")
    for sentence in preview.problems:
        console.print(Padding(Text(printable(sentence), overflow="fold"), (0, 0, 0, 2), expand=False))
    for sentence in preview.notes:
        console.print(Text(_("note: {message}").format(message=one_line(sentence)), style="dim", overflow="fold"))


def preview_lines(outlook: Outlook, price: Price | None) -> Iterator[tuple[str, str]]:
    """(name, words) of everything that is known of a run."""
    preview, settings = outlook.preview, outlook.settings
    if preview.parameters is not None:
        yield (
            _("model"),
            _("{parameters} parameters: {architecture}, {layers} layers, {width} wide").format(
                parameters=words.count(preview.parameters),
                architecture=settings.architecture,
                layers=settings.num_hidden_layers,
                width=settings.hidden_size,
            ),
        )
    yield _("an update"), update_words(preview, settings)
    yield _("updates"), _updates(preview)
    if preview.device is not None:
        yield _("device"), _device(preview)
    if preview.memory_needed is not None:
        yield _("memory"), _of(preview.memory_needed, preview.memory_there)
    yield _("time"), _time(preview, outlook.calibration)
    if price is not None and preview.seconds is not None:
        yield _("cost"), _("{money}, at {price}").format(money=money(preview.seconds, price), price=price)
    if preview.disk_needed is not None:
        yield (
            _("disk"),
            _("{needed}; a checkpoint takes {one}").format(
                needed=_of(preview.disk_needed, preview.disk_free), one=words.size(preview.checkpoint_bytes)
            ),
        )
    if preview.learning_rates:
        yield _("learning rate"), _learning_rate(preview)


def update_words(preview: RunPreview, settings: Settings) -> str:
    """The effective batch written out: `32 x 8 x 1 = 256 rows, x 512 = 131,072 positions, about 130k tokens`."""
    text = _("{batch} x {accumulation} x {processes} = {rows} rows, x {length} = {positions} positions").format(
        batch=preview.batch_size,
        accumulation=preview.accumulation_steps,
        processes=preview.processes,
        rows=f"{preview.rows_per_update:,}",
        length=settings.max_seq_len,
        positions=f"{preview.positions_per_update:,}",
    )
    if preview.tokens_per_update is None:
        return text
    return _("{sum}, about {tokens} tokens").format(sum=text, tokens=words.count(preview.tokens_per_update))


def calibrate_visibly(outlook: Outlook) -> Calibration:
    """Run a calibration of what was previewed, showing how far it is on a terminal's stderr; Ctrl-C ends it.

    Raises UserError: there is no tokenizer, or it failed.
    """
    from engine.estimate.calibration_run import CalibrationRun

    if outlook.tokenizer is None or outlook.preview.parameters is None:
        raise UserError("\n".join(outlook.preview.problems))
    context = outlook.facts.context if outlook.facts is not None else None
    run = CalibrationRun.start(outlook.settings, outlook.data, outlook.tokenizer, context=context)
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


def progress_words(progress: "CalibrationProgress") -> str:
    """What a calibration does now, in words."""
    match progress.phase:
        case "measuring":
            return _("Calibrating: {done:.0f} of {total:.0f} s measured ...").format(
                done=progress.done, total=progress.total
            )
        case "compiling":
            return _("Calibrating: compiling ...")
        case "warming up":
            return _("Calibrating: warming up ...")
        case _:
            return _("Calibrating: loading ...")


def _updates(preview: RunPreview) -> str:
    if preview.most_updates is None:
        return "?"
    epochs = _("{n} an epoch x {epochs}").format(n=f"{preview.updates_per_epoch:,}", epochs=preview.epochs)
    if preview.updates is None:
        return _("at most {n} ({epochs})").format(n=f"{preview.most_updates:,}", epochs=epochs)
    number = f"{preview.updates:,}"
    if preview.updates_low != preview.updates_high:
        number = _("about {n}, between {low} and {high}").format(
            n=number, low=f"{preview.updates_low:,}", high=f"{preview.updates_high:,}"
        )
    why = {
        "epochs": _("all epochs"),
        "max_steps": _("max_steps ends it"),
        "time_budget": _("time_budget ends it"),
        "deadline": _("the deadline ends it"),
    }[preview.ended_by]
    tokens = words.count(preview.total_tokens)
    if not preview.data_exact:
        tokens = f"~{tokens}"
        number = number if preview.updates_low != preview.updates_high else f"~{number}"
    return _("{number} ({epochs}; {why}), {tokens} tokens").format(number=number, epochs=epochs, why=why, tokens=tokens)


def _device(preview: RunPreview) -> str:
    use = preview.device
    assert use is not None
    text = f"{use.name} ({use.kind}), {use.dtype}"
    return text + (", " + _("{n} threads").format(n=use.threads) if use.threads else "")


def _of(needed: int, there: int | None) -> str:
    if there is None:
        return _("about {needed}").format(needed=words.size(needed))
    return _("about {needed} of {there}").format(needed=words.size(needed), there=words.size(there))


def _time(preview: RunPreview, calibration: Calibration | None) -> str:
    if preview.seconds is None:
        return _("not known (--calibrate measures it)")
    text = band_words(preview.seconds)
    if calibration is None:
        return text + " " + _("(--calibrate measures it)")
    age = format_duration(max(0.0, (datetime.now(UTC) - calibration.when).total_seconds()))
    return (
        text + " " + _("({seconds:.3g} s an update, measured {age} ago)").format(seconds=calibration.seconds, age=age)
    )


def _learning_rate(preview: RunPreview) -> str:
    first, last = preview.learning_rates[0], preview.learning_rates[-1]
    peak = max(preview.learning_rates, key=lambda point: point[1])
    return _("{first} at first, {peak} at update {update}, {last} at the end").format(
        first=words.rate(first[1]), peak=words.rate(peak[1]), update=f"{peak[0]:,}", last=words.rate(last[1])
    )
