"""The report as one Markdown file."""

from minimind_tui.report.gather import ReportData
from minimind_tui.safe_text import one_line


def markdown_page(data: ReportData) -> str:
    """The whole page."""
    return f"# {one_line(data.title)}\n"
