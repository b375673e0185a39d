"""The report as one HTML file: no scripts, nothing loaded from elsewhere, every text of the run escaped."""

from html import escape

from minimind_tui.report.gather import ReportData
from minimind_tui.safe_text import printable


def html_page(data: ReportData) -> str:
    """The whole page."""
    title = escape(printable(data.title))
    head = f'<!doctype html><html><head><meta charset="utf-8"><title>{title}</title></head>'
    return f"{head}<body><h1>{title}</h1></body></html>"
