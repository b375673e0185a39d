"""What a report says, as labels, rows and charts; the pages only dress it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.checkpoints import best
from engine.run.delete import folder_bytes
from engine.run.expert_load import what_to_change
from engine.run.schema import AttemptRecord, EventKind
from engine.settings.declaration import declarations
from engine.settings.on_resume import plain
from engine.settings.settings import Settings
from minimind_tui import words
from minimind_tui.charts.curves import Curve
from minimind_tui.charts.numbers import format_number, recent, smooth, usual_window
from minimind_tui.core import experts as experts_words
from minimind_tui.core.dashboard.numbers import share
from minimind_tui.core.ranks import RankWatch, is_uneven, rank_lines, step_time
from minimind_tui.happenings import in_words
from minimind_tui.report.gather import ReportData
from minimind_tui.report.svg_chart import Chart, Rule

MOST_EVENTS = 300
MOST_SAMPLES = 24
MOST_RANKS = 1024

Fact = tuple[str, str]


@dataclass(frozen=True)
class Table:
    """Rows of cells under titles."""

    titles: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class SettingRow:
    """A setting of the run; `usual` is the preset's value where it differs, else None."""

    name: str
    value: str
    usual: str | None


@dataclass(frozen=True)
class Told:
    """An event in words."""

    moment: str
    text: str
    loud: bool


@dataclass(frozen=True)
class Judged:
    """A table with what is to be said of it before: sentences, the first of them loud when something is wrong."""

    sentences: list[str]
    loud: bool
    table: Table


@dataclass(frozen=True)
class Sample:
    """A text the model wrote."""

    step: int
    prompt: str
    text: str


def summary(data: ReportData) -> list[Fact]:
    """The numbers people look for first."""
    status, train, validation = data.view.observation.status, data.view.train, data.view.validation
    facts: list[tuple[str, str | None]] = [(_("state"), words.state_word(data.view.observation.state))]
    if status is not None:
        total = status.total_steps
        facts += [
            (_("steps"), f"{status.step:,} / {total:,}" if total else f"{status.step:,}"),
            (_("epochs"), f"{status.epoch or 0} / {status.epochs}" if status.epochs else None),
            (_("tokens"), f"{status.tokens:,}" if status.tokens else None),
            (_("training time"), words.duration(status.elapsed) if status.elapsed else None),
            (_("processes"), str(status.world_size) if status.world_size > 1 else None),
        ]
    first, last = _ends(train.column("loss"))
    if first is not None and last is not None:
        facts += [(_("loss"), f"{first:.3f} → {last:.3f}"), (_("perplexity"), f"{_exp(last):.4g}")]
    judged = [
        (value, step) for value, step in zip(validation.column("loss"), validation.steps, strict=True) if value == value
    ]
    if judged:
        value, step = min(judged)
        facts.append((_("best validation loss"), _("{loss} at step {step}").format(loss=f"{value:.3f}", step=step)))
        bits = [bit for bit in validation.column("bits_per_byte") if bit == bit]
        facts.append((_("bits per byte"), f"{bits[-1]:.3f}" if bits else None))
    speeds = [speed for speed in train.column("tokens_per_s") if math.isfinite(speed)]
    if speeds:
        facts.append((_("tokens/s"), words.count(sorted(speeds)[len(speeds) // 2])))
    parameters = data.manifest.parameters
    facts += [
        (_("parameters"), f"{parameters:,}" if parameters else None),
        (_("size"), words.size(folder_bytes(data.folder.path))),
    ]
    return [(name, value) for name, value in facts if value]


def charts(data: ReportData) -> list[Chart]:
    """Loss with its smoothed line and the validations, learning rate, gradient norm, tokens/s; those with numbers."""
    train, validation = data.view.train, data.view.validation
    steps = train.steps
    rules = [
        Rule(attempt.start_step, _("attempt {n}").format(n=attempt.attempt))
        for attempt in data.manifest.attempts
        if attempt.attempt > 1
    ]

    def smoothed(name: str, label: str) -> list[Curve]:
        values = train.column(name)
        window = usual_window(len(values))
        curves = [Curve(_("raw"), steps, values, "faint")] if window > 1 else []
        return [*curves, Curve(label, steps, smooth(values, window))]

    loss = smoothed("loss", _("smoothed"))
    if len(validation):
        loss.append(Curve(_("validation"), validation.steps, validation.column("loss"), "points"))
    step, nats = _("step"), _("nats a token")
    return [
        Chart(_("Loss"), nats, step, loss, rules),
        Chart(_("Learning rate"), "", step, [Curve(_("learning rate"), steps, train.column("lr"))], rules),
        Chart(_("Gradient norm"), "", step, smoothed("grad_norm", _("smoothed")), rules),
        Chart(_("Speed"), _("tokens/s"), step, smoothed("tokens_per_s", _("smoothed")), rules),
        Chart(_("Auxiliary loss"), "", step, smoothed("aux_loss", _("smoothed")), rules),
    ]


def experts(data: ReportData) -> Judged | None:
    """How evenly the experts were used at the end, one row a layer; None of a run without."""
    train = data.view.train
    look = experts_words.expert_look(train.lists)
    if look is None:
        return None
    rows = []
    for layer in look.layers:
        least = min(range(len(layer.shares)), key=layer.shares.__getitem__)
        rows.append(
            [
                str(layer.layer),
                experts_words.strip(layer),
                "" if layer.entropy is None else f"{layer.entropy:.2f}",
                f"{layer.busiest} ({layer.shares[layer.busiest]:.1%})",
                f"{least} ({layer.shares[least]:.1%})",
                ", ".join(map(str, sorted(layer.starving))),
            ]
        )
    warning = [experts_words.starving_line(look), what_to_change()] if look.starving else []
    facts = " · ".join(experts_words.headline(look, recent(train.column("aux_loss"))))
    titles = [_("layer"), _("share of each expert"), _("entropy"), _("busiest"), _("least"), _("starving")]
    return Judged([*warning, facts, experts_words.legend()], bool(warning), Table(titles, rows))


def ranks(data: ReportData) -> Judged | None:
    """How the processes kept pace at the end, one row a rank; None of a run of one process."""
    look = RankWatch().look(data.view.train)
    if look is None:
        return None
    rows = [
        [
            str(one.rank),
            step_time(one.seconds),
            share(one.data_wait),
            _("slowest") if one.rank == look.slowest else "",
        ]
        for one in look.ranks[:MOST_RANKS]
    ]
    sentences = rank_lines(look)
    if len(look.ranks) > MOST_RANKS:
        sentences.append(
            _("Only the first {n} of {total} ranks are listed.").format(n=MOST_RANKS, total=len(look.ranks))
        )
    return Judged(sentences, is_uneven(look), Table([_("rank"), _("update"), _("data wait"), ""], rows))


def settings(data: ReportData) -> list[SettingRow]:
    """Every setting of the run: those that differ from the preset first, then the others, each in declared order."""
    rows = []
    for name in declarations(Settings):
        if name in data.settings:
            value, usual = data.settings[name]
            rows.append(SettingRow(name, plain(value), None if value == usual else plain(usual)))
    return sorted(rows, key=lambda row: row.usual is None)


def environment(data: ReportData) -> list[Fact]:
    """With what it ran, and on what text."""
    manifest = data.manifest
    facts: list[tuple[str, str | None]] = [
        (_("run"), data.folder.id),
        (_("created"), manifest.created),
        (_("host"), manifest.host),
        (_("device"), " ".join(filter(None, (manifest.device, manifest.dtype)))),
        *((name, version) for name, version in manifest.versions.items()),
        (_("preset"), data.preset),
        (_("weights"), manifest.weights_name),
        (_("data"), manifest.data_path),
        (_("data fingerprint"), manifest.data_fingerprint),
        (_("tokenizer"), manifest.tokenizer_path),
        (_("tokenizer hash"), manifest.tokenizer_hash),
        (_("seed"), None if manifest.seed is None else str(manifest.seed)),
    ]
    return [(name, value) for name, value in facts if value]


def origin(data: ReportData) -> str:
    """Where the run comes from, in a sentence; empty when it began afresh."""
    lineage = data.manifest.lineage
    if lineage is None:
        return ""
    if lineage.kind != "fork":
        return _("It began with the weights of {origin}.").format(origin=lineage.run or lineage.path or "?")
    given = ", ".join(
        _("{name}: {before} -> {after}").format(name=name, before=plain(pair[0]), after=plain(pair[1]))
        for name, pair in lineage.settings.items()
        if len(pair) == 2
    )
    text = _("It is a fork of {run} at step {step}.").format(run=lineage.run, step=lineage.step)
    return text + (" " + _("Changed: {changes}.").format(changes=given) if given else "")


def attempts(data: ReportData) -> Table:
    """One row an attempt."""
    titles = ["#", _("started"), _("from step"), _("to step"), _("ended"), _("device"), _("exact")]
    return Table(titles, [_attempt(attempt) for attempt in data.manifest.attempts])


def checkpoints(data: ReportData) -> Table:
    """One row a checkpoint there is, the newest first."""
    lowest = best(data.checkpoints)
    rows = []
    for info in data.checkpoints:
        loss = info.record.validation_loss if info.record else None
        mark = " " + _("(best)") if lowest is not None and info.step == lowest.step else ""
        rows.append([f"{info.step:,}", words.size(info.size), ("" if loss is None else f"{loss:.3f}") + mark])
    return Table([_("step"), _("size"), _("validation loss")], rows)


def happenings(data: ReportData) -> tuple[list[Told], int]:
    """The events but for samples and the validations that the chart shows; and how many older ones are left out."""
    told = []
    for event in data.view.events:
        if event.get("kind") in (EventKind.SAMPLE, EventKind.VALIDATION):
            continue
        words_of = in_words(event)
        if words_of is not None:
            told.append(Told(str(event.get("t") or "")[:19].replace("T", " "), words_of.text, words_of.loud))
    return told[-MOST_EVENTS:], max(0, len(told) - MOST_EVENTS)


def samples(data: ReportData) -> list[Sample]:
    """What the model wrote, from the first text to the last, evenly spread where there are many."""
    found = []
    for event in data.view.events:
        if event.get("kind") == EventKind.SAMPLE:
            step = event.get("step")
            prompt, text = str(event.get("prompt") or ""), str(event.get("text") or "")
            found.append(Sample(step if isinstance(step, int) else 0, prompt, text))
    if len(found) <= MOST_SAMPLES:
        return found
    return [found[round(index * (len(found) - 1) / (MOST_SAMPLES - 1))] for index in range(MOST_SAMPLES)]


def chart_values(chart: Chart) -> list[Fact]:
    """First, last, least and greatest of a chart's main curve, for readers who see no pictures."""
    main = next((curve for curve in chart.curves if curve.style == "line"), None)
    numbers = [value for value in main.y if math.isfinite(value)] if main is not None else []
    if not numbers:
        return []
    return [
        (_("first"), format_number(numbers[0])),
        (_("last"), format_number(numbers[-1])),
        (_("least"), format_number(min(numbers))),
        (_("greatest"), format_number(max(numbers))),
    ]


def _attempt(attempt: AttemptRecord) -> list[str]:
    if attempt.exact:
        exact = _("yes")
    elif attempt.exact is False:
        exact = _("no: {reasons}").format(reasons="; ".join(attempt.why_inexact))
    else:
        exact = ""
    ended = words.state_word(attempt.end_state) if attempt.end_state in _STATES else ""
    return [
        str(attempt.attempt),
        attempt.started[:19].replace("T", " "),
        f"{attempt.start_step:,}",
        "" if attempt.end_step is None else f"{attempt.end_step:,}",
        ended,
        " ".join(filter(None, (attempt.device, attempt.dtype, attempt.host and f"({attempt.host})"))),
        exact,
    ]


_STATES = frozenset({"paused", "finished", "stopped", "failed"})


def _ends(losses: Sequence[float]) -> tuple[float | None, float | None]:
    """The loss at both ends, each the mean of a few lines: single updates jump."""
    numbers = [value for value in losses if math.isfinite(value)]
    if not numbers:
        return None, None
    width = max(1, min(10, len(numbers) // 20))
    return sum(numbers[:width]) / width, sum(numbers[-width:]) / width


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
