"""What a run will be, in words: a line a quantity."""

from collections.abc import Iterator
from datetime import UTC, datetime

from engine.estimate.calibration import Calibration
from engine.estimate.calibration_run import CalibrationProgress
from engine.estimate.preview import RunPreview
from engine.language import _
from engine.settings.moments import format_duration
from engine.settings.settings import Settings
from minimind_tui import words
from minimind_tui.core.cost import Price, band_words, money
from minimind_tui.core.wizard.foresight import Foresight


def review_lines(foresight: Foresight, price: Price | None) -> Iterator[tuple[str, str]]:
    """(name, words) of everything that is known."""
    preview, settings = foresight.preview, foresight.settings
    if preview.parameters is not None:
        yield (
            _("model"),
            (
                _("{parameters} parameters: {architecture}, {layers} layers, {width} wide")
                if preview.active_parameters == preview.parameters
                else _("{parameters} parameters ({active} active): {architecture}, {layers} layers, {width} wide")
            ).format(
                parameters=words.count(preview.parameters),
                active=words.count(preview.active_parameters),
                architecture=settings.architecture,
                layers=settings.num_hidden_layers,
                width=settings.hidden_size,
            ),
        )
    yield _("data"), settings.data_path
    yield _("an update"), batch_words(preview, settings)
    yield _("updates"), updates_words(preview)
    if preview.device is not None:
        yield _("device"), _device(preview)
    if preview.memory_needed is not None:
        yield _("memory"), _of(preview.memory_needed, preview.memory_there)
    yield _("time"), time_words(preview, foresight.calibration)
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


def batch_words(preview: RunPreview, settings: Settings) -> str:
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


def updates_words(preview: RunPreview) -> str:
    """How many updates, over how many epochs, and what ends them."""
    if preview.most_updates is None:
        return "?"
    epochs = _("{n} an epoch x {epochs}").format(n=f"{preview.updates_per_epoch:,}", epochs=preview.epochs)
    if preview.updates is None:
        return _("at most {n} ({epochs})").format(n=f"{preview.most_updates:,}", epochs=epochs)
    sure = preview.updates_low == preview.updates_high
    number = f"{preview.updates:,}" if preview.data_exact or not sure else f"~{preview.updates:,}"
    if not sure:
        number = _("about {n}, between {low} and {high}").format(
            n=number, low=f"{preview.updates_low:,}", high=f"{preview.updates_high:,}"
        )
    why = {
        "epochs": _("all epochs"),
        "max_steps": _("max_steps ends it"),
        "time_budget": _("time_budget ends it"),
        "deadline": _("the deadline ends it"),
    }[preview.ended_by]
    tokens = ("" if preview.data_exact else "~") + words.count(preview.total_tokens)
    return _("{number} ({epochs}; {why}), {tokens} tokens").format(number=number, epochs=epochs, why=why, tokens=tokens)


def time_words(preview: RunPreview, calibration: Calibration | None) -> str:
    """How long it takes, and how that is known."""
    if preview.seconds is None:
        return _("not known yet")
    text = band_words(preview.seconds)
    if calibration is None:
        return text
    age = format_duration(max(0.0, (datetime.now(UTC) - calibration.when).total_seconds()))
    return _("{time} ({seconds} s an update, measured {age} ago)").format(
        time=text, seconds=f"{calibration.seconds:.3g}", age=age
    )


def progress_words(progress: CalibrationProgress) -> str:
    """What a calibration does now."""
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


def _device(preview: RunPreview) -> str:
    use = preview.device
    assert use is not None
    text = f"{use.name} ({use.kind}), {use.dtype}"
    return text + (", " + _("threads: {n}").format(n=use.threads) if use.threads else "")


def _of(needed: int, there: int | None) -> str:
    if there is None:
        return _("about {needed}").format(needed=words.size(needed))
    return _("about {needed} of {there}").format(needed=words.size(needed), there=words.size(there))


def _learning_rate(preview: RunPreview) -> str:
    first, last = preview.learning_rates[0], preview.learning_rates[-1]
    peak = max(preview.learning_rates, key=lambda point: point[1])
    return _("{first} at first, {peak} at update {update}, {last} at the end").format(
        first=words.rate(first[1]), peak=words.rate(peak[1]), update=f"{peak[0]:,}", last=words.rate(last[1])
    )
