"""The report as one HTML file: no scripts, nothing loaded from elsewhere, every text of the run escaped."""

from collections.abc import Iterable

from engine.language import _, current_language
from minimind_tui import __version__
from minimind_tui.report import content
from minimind_tui.report.content import Fact, Table
from minimind_tui.report.escaping import xml_text
from minimind_tui.report.gather import ReportData
from minimind_tui.report.svg_chart import svg_chart

_STYLE = """
:root { color-scheme: light dark; --line: #7d859040; --soft: #7d8590; --mark: #2f81f7; --loud: #bc4c00; }
@media (prefers-color-scheme: dark) { :root { --loud: #f0883e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; line-height: 1.5;
  font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Noto Sans", "PingFang SC", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.15rem; }
.under, .when, caption { color: var(--soft); }
.note { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--line); padding-left: 1rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; margin: 0; }
.numbers div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.numbers dd { font-size: 1.1rem; font-weight: 600; }
figure { margin: 0 0 1.25rem; }
svg { display: block; max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
th { font-weight: 600; white-space: nowrap; }
td:last-child { overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .25rem 0 1rem; }
summary { cursor: pointer; color: var(--soft); margin: .5rem 0; }
.loud { color: var(--loud); font-weight: 600; }
.prompt { font-weight: 600; }
ol { list-style: none; padding: 0; margin: 0; }
li { padding: .15rem 0; overflow-wrap: anywhere; }
.when { font-variant-numeric: tabular-nums; margin-right: .75rem; font-size: .85rem; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print { details > * { display: block; } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_page(data: ReportData) -> str:
    """The whole page."""
    title = xml_text(data.title)
    made = _("Made by minimind-tui {version}, {moment}.").format(version=__version__, moment=data.made)
    parts = [
        "<!doctype html>",
        f'<html lang="{xml_text(current_language())}">',
        '<head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{xml_text(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style></head>",
        "<body><header>",
        f"<h1>{title}</h1>",
        f'<p class="under">{xml_text(data.folder.id)}</p>' if data.annotations.title else "",
        f'<p class="note">{xml_text(data.annotations.note)}</p>' if data.annotations.note else "",
        "</header><main>",
        *_summary(data),
        *_curves(data),
        *_judged(_("Experts"), content.experts(data)),
        *_judged(_("Ranks"), content.ranks(data)),
        *_samples(data),
        *_settings(data),
        *_environment(data),
        *_history(data),
        *_events(data),
        "</main>",
        f"<footer>{xml_text(made)}</footer></body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _section(title: str, body: Iterable[str]) -> Iterable[str]:
    kept = [part for part in body if part]
    if kept:
        yield f"<section><h2>{xml_text(title)}</h2>"
        yield from kept
        yield "</section>"


def _summary(data: ReportData) -> Iterable[str]:
    message = data.view.observation.message
    yield from _section(
        _("Summary"), [_facts(content.summary(data), "numbers"), f"<p>{xml_text(message)}</p>" if message else ""]
    )


def _curves(data: ReportData) -> Iterable[str]:
    pictures = [svg_chart(chart) for chart in content.charts(data)]
    yield from _section(_("Curves"), [f"<figure>{picture}</figure>" for picture in pictures if picture])


def _judged(title: str, judged: content.Judged | None) -> Iterable[str]:
    if judged is not None:
        told = [
            f"<p{' class=loud' if judged.loud and number == 0 else ''}>{xml_text(sentence)}</p>"
            for number, sentence in enumerate(judged.sentences)
        ]
        yield from _section(title, [*told, _table(judged.table)])


def _settings(data: ReportData) -> Iterable[str]:
    rows = content.settings(data)
    changed = [row for row in rows if row.usual is not None]
    base = data.preset or _("the defaults")
    table = Table(
        [_("setting"), _("value"), _("in {preset}").format(preset=base)],
        [[row.name, row.value, row.usual or ""] for row in changed],
    )
    same = Table([_("setting"), _("value")], [[row.name, row.value] for row in rows if row.usual is None])
    folded = f"<details><summary>{xml_text(_('The other {n} settings').format(n=len(same.rows)))}</summary>"
    yield from _section(
        _("Settings"),
        [
            f"<p>{xml_text(_('As in {preset}.').format(preset=base))}</p>" if rows and not changed else "",
            _table(table),
            f"{folded}{_table(same)}</details>" if same.rows else "",
        ],
    )


def _environment(data: ReportData) -> Iterable[str]:
    rows = [[name, value] for name, value in content.environment(data)]
    yield from _section(_("Environment"), [_table(Table([], rows))])


def _history(data: ReportData) -> Iterable[str]:
    origin = content.origin(data)
    yield from _section(
        _("Origin and attempts"),
        [f"<p>{xml_text(origin)}</p>" if origin else "", _table(content.attempts(data))],
    )
    yield from _section(_("Checkpoints"), [_table(content.checkpoints(data))])


def _events(data: ReportData) -> Iterable[str]:
    told, left_out = content.happenings(data)
    items = [
        f'<li{" class=loud" if one.loud else ""}><span class="when">{xml_text(one.moment)}</span>'
        f"{xml_text(one.text)}</li>"
        for one in told
    ]
    omitted = f'<p class="under">{xml_text(_("{n} older ones are left out.").format(n=left_out))}</p>'
    yield from _section(_("Events"), [omitted if left_out else "", f"<ol>{''.join(items)}</ol>" if items else ""])


def _samples(data: ReportData) -> Iterable[str]:
    items = [
        f'<p class="when">{xml_text(_("step {step}").format(step=one.step))}</p>'
        f'<pre><span class="prompt">{xml_text(one.prompt)}</span>{xml_text(one.text)}</pre>'
        for one in content.samples(data)
    ]
    yield from _section(_("Samples"), items)


def _facts(facts: list[Fact], kind: str) -> str:
    cells = "".join(f"<div><dt>{xml_text(name)}</dt><dd>{xml_text(value)}</dd></div>" for name, value in facts)
    return f'<dl class="{kind}">{cells}</dl>' if cells else ""


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    head = "".join(f"<th>{xml_text(title)}</th>" for title in table.titles)
    rows = "".join(f"<tr>{''.join(f'<td>{xml_text(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<div class="wide"><table>{head}<tbody>{rows}</tbody></table></div>'
