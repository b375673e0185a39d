"""A run as one self-contained page: curves, numbers, settings, attempts, events and samples, in HTML or Markdown."""

from minimind_tui.report.write import KINDS, Kind, write_report

__all__ = ["KINDS", "Kind", "write_report"]
