"""A run as one self-contained page: curves, numbers, settings, attempts, events and samples, in HTML or Markdown."""

from minimind_tui.report.write import Kind, write_report

__all__ = ["Kind", "write_report"]
