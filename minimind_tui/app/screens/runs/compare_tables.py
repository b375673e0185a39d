"""The numbers and the differing settings of several runs as tables that fit a width."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from engine.language import _
from minimind_tui.app.screens.runs.cells import cut, cut_middle, fit
from minimind_tui.app.texts import styled
from minimind_tui.core.comparison import Comparison, Row

_GAP = 2
_LEAST_VALUE, _MOST_VALUE, _MOST_NAME = 9, 40, 24


def comparison_lines(comparison: Comparison, signs: Sequence[tuple[str, str]], width: int) -> list[Content]:
    """Everything there is to say in `width` columns. `signs` is what stands for each run, each with its style."""
    lines = [styled(("! " + note, "$text-warning")) for note in comparison.notes]
    rows = [*comparison.numbers, *comparison.differing]
    name_width = min(_MOST_NAME, max((cell_len(row.name) for row in rows), default=0), max(8, width // 3))
    count = max(1, len(comparison.names))
    heads = [cell_len(name) + 2 for name in comparison.names]
    wanted = max([*heads, *(cell_len(value) + 1 for row in rows for value in row.values)], default=0)
    value_width = max(_LEAST_VALUE, min(_MOST_VALUE, wanted, (width - name_width) // count - _GAP))
    head = styled(" " * name_width)
    for name, (sign, style) in zip(comparison.names, signs, strict=True):
        label = cut_middle(name, value_width - cell_len(sign) - 1)
        blanks = " " * (value_width - cell_len(label) - cell_len(sign) - 1)
        head += styled(" " * _GAP + blanks, (f"{sign} ", style), (label, "bold"))
    lines.append(head)
    lines += [_line(row, name_width, value_width) for row in comparison.numbers]
    told = _("Settings that differ ({n} are the same)").format(n=comparison.same)
    lines += [Content(""), styled((told, "bold $text-primary"))]
    if not comparison.differing:
        lines.append(styled((_("None: they were asked to be the same."), "$quiet")))
    lines += [_line(row, name_width, value_width) for row in comparison.differing]
    return lines


def _line(row: Row, name_width: int, value_width: int) -> Content:
    line = styled((fit(cut(row.name, name_width), name_width, right=False), "$quiet"))
    for place, value in enumerate(row.values):
        is_best = place in row.best
        text = cut_middle(value, value_width - 1) + ("*" if is_best else " ")
        line += styled(
            " " * (_GAP - 1), (fit(text, value_width + 1, right=True), "bold $text-success" if is_best else "")
        )
    return line
