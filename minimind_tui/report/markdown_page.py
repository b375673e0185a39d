"""The report as one Markdown file; its pictures are data, not links, and its numbers stand in words beside them."""

from base64 import b64encode
from collections.abc import Iterable

from engine.language import _
from minimind_tui import __version__
from minimind_tui.report import content
from minimind_tui.report.content import Table
from minimind_tui.report.escaping import markdown_block, markdown_line
from minimind_tui.report.gather import ReportData
from minimind_tui.report.svg_chart import svg_chart


def markdown_page(data: ReportData) -> str:
    """The whole page."""
    parts = [f"# {markdown_line(data.title)}"]
    if data.annotations.title:
        parts.append(markdown_line(data.folder.id))
    if data.annotations.note:
        parts.append(markdown_block(data.annotations.note))
    parts += [
        *_summary(data),
        *_curves(data),
        *_judged(_("Experts"), content.experts(data)),
        *_judged(_("Ranks"), content.ranks(data)),
        *_samples(data),
        *_settings(data),
        *_environment(data),
        *_history(data),
        *_events(data),
        "---",
        markdown_line(_("Made by minimind-tui {version}, {moment}.").format(version=__version__, moment=data.made)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, body: Iterable[str]) -> Iterable[str]:
    kept = [part for part in body if part]
    if kept:
        yield f"## {markdown_line(title)}"
        yield from kept


def _summary(data: ReportData) -> Iterable[str]:
    facts = Table([_("fact"), _("value")], [[name, value] for name, value in content.summary(data)])
    yield from _section(_("Summary"), [_table(facts), markdown_line(data.view.observation.message)])


def _curves(data: ReportData) -> Iterable[str]:
    pictures = []
    for chart in content.charts(data):
        picture = svg_chart(chart)
        if picture:
            coded = b64encode(picture.encode("utf-8", "replace")).decode("ascii")
            values = ", ".join(f"{name} {value}" for name, value in content.chart_values(chart))
            pictures.append(f"**{markdown_line(chart.title)}**: {markdown_line(values)}")
            pictures.append(f"![{markdown_line(chart.title)}](data:image/svg+xml;base64,{coded})")
    yield from _section(_("Curves"), pictures)


def _judged(title: str, judged: content.Judged | None) -> Iterable[str]:
    if judged is not None:
        told = [
            ("**!** " if judged.loud and number == 0 else "") + markdown_line(sentence)
            for number, sentence in enumerate(judged.sentences)
        ]
        yield from _section(title, [*told, _table(judged.table)])


def _settings(data: ReportData) -> Iterable[str]:
    rows = [[row.name, row.value, row.usual or ""] for row in content.settings(data)]
    titles = [_("setting"), _("value"), _("in {preset}").format(preset=data.preset or _("the defaults"))]
    yield from _section(_("Settings"), [_table(Table(titles, rows))])


def _environment(data: ReportData) -> Iterable[str]:
    rows = [[name, value] for name, value in content.environment(data)]
    yield from _section(_("Environment"), [_table(Table([_("fact"), _("value")], rows))])


def _history(data: ReportData) -> Iterable[str]:
    yield from _section(_("Origin and attempts"), [markdown_line(content.origin(data)), _table(content.attempts(data))])
    yield from _section(_("Checkpoints"), [_table(content.checkpoints(data))])


def _events(data: ReportData) -> Iterable[str]:
    told, left_out = content.happenings(data)
    items = [f"- {markdown_line(one.moment)} {'**!** ' if one.loud else ''}{markdown_line(one.text)}" for one in told]
    omitted = _("{n} older ones are left out.").format(n=left_out)
    yield from _section(_("Events"), [markdown_line(omitted) if left_out else "", "\n".join(items)])


def _samples(data: ReportData) -> Iterable[str]:
    parts: list[str] = []
    for one in content.samples(data):
        parts.append(markdown_line(_("step {step}").format(step=one.step)))
        parts.append(markdown_block(one.prompt + one.text))
    yield from _section(_("Samples"), parts)


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    lines = [table.titles, ["---"] * len(table.titles)]
    cells = [[markdown_line(cell) for cell in row] for row in table.rows]
    head = [[markdown_line(title) for title in table.titles], lines[1]]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *cells])
