"""The experts: a strip for each layer, or one layer's experts over the newest intervals."""

from collections.abc import Sequence
from itertools import groupby

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize

from engine.language import _
from engine.run.expert_load import what_to_change
from engine.run.interval_lists import IntervalLists
from minimind_tui.app.screens.dashboard.panes import LinesPane
from minimind_tui.app.texts import styled
from minimind_tui.core import experts
from minimind_tui.core.dashboard.cell_grid import GAP, Grid, fit_cells
from minimind_tui.core.experts import ExpertLook, LayerCourse, LayerLoad

_STARVES = "bold $text-error"
_TONES = {"cold": "$text-primary", "fair": "$text-success", "hot": "$text-warning"}
_PERCENT = 6
"""Columns of an expert with its share in digits, the blank after it included."""
_ENTROPY = 5
"""Columns of a layer's entropy and the blank before it."""
_LEAST_WIDTH = 12

Piece = tuple[str, str]


class ExpertsPane(LinesPane):
    """The heat strips. It is made for runs with experts alone."""

    def __init__(self) -> None:
        super().__init__("pane-experts")
        self._look: ExpertLook | None = None
        self._history: Sequence[IntervalLists] = ()
        self._auxiliary: float | None = None
        self._layer: int | None = None
        """The layer that is shown over time; None shows all layers as they are now."""
        self._ready = False

    def show(self, look: ExpertLook, history: Sequence[IntervalLists], auxiliary: float | None) -> None:
        """Show the experts as they are now; `history` are the newest intervals, `auxiliary` is the loss for balance."""
        self._look, self._history, self._auxiliary = look, history, auxiliary
        self._draw()

    def toggle_course(self) -> None:
        """One layer over time, the least even one first; or all layers as they are now."""
        look = self._look
        if self._layer is not None or look is None:
            self._layer = None
        else:
            starving = look.starving[0].layer if look.starving else None
            uneven = look.least_even or look.layers[0]
            self._layer = uneven.layer if starving is None else starving
        self._draw()
        self.scroll_home(animate=False)

    def turn_layers(self, by: int) -> None:
        """Another layer over time."""
        if self._look is None:
            return
        known = [layer.layer for layer in self._look.layers]
        if self._layer not in known:
            self._layer = known[0 if by > 0 else -1]
        else:
            self._layer = known[(known.index(self._layer) + by) % len(known)]
        self._draw()

    def on_mount(self) -> None:
        self._ready = True
        self._draw()

    def on_resize(self, _event: Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        region = self.scrollable_content_region
        if not self._ready or self._look is None or region.width < 1:
            return
        course = None if self._layer is None else experts.layer_course(self._history, self._layer)
        if course is not None:
            self.show_lines(_course_lines(course, self._look, max(_LEAST_WIDTH, region.width)))
        else:
            width, height = max(_LEAST_WIDTH, region.width), max(1, region.height)
            self.show_lines(_layer_lines(self._look, self._auxiliary, width, height))


def _layer_lines(look: ExpertLook, auxiliary: float | None, width: int, height: int) -> list[Content]:
    above = [styled(" · ".join(experts.headline(look, auxiliary))), *_warning(look)]
    hint = f"{experts.legend()} · " + _("v: over time")
    room = height - sum(-(-line.cell_length // width) for line in above) - -(-cell_len(hint) // width)
    number = max(len(str(layer.layer)) for layer in look.layers)
    most = max(len(layer.shares) for layer in look.layers)
    narrow = number + 1 + most + _ENTROPY
    grid = fit_cells(len(look.layers), [narrow + most * (_PERCENT - 1) - 1, narrow], width, room)
    if grid is not None:
        body = [_grid_line(look.layers, cells, grid, number, most) for cells in grid.lines(len(look.layers))]
    else:
        body = [line for layer in look.layers for line in _folded(layer, number, width)]
    if len(body) > room:
        hint += " · " + _("{n} layers: arrow keys scroll").format(n=len(look.layers))
    return [*above, styled((hint, "$quiet")), *body]


def _warning(look: ExpertLook) -> list[Content]:
    line = experts.starving_line(look)
    return [styled((f"! {line}", _STARVES)), styled(what_to_change())] if line else []


def _grid_line(layers: Sequence[LayerLoad], cells: list[int], grid: Grid, number: int, most: int) -> Content:
    blank = Content(" " * GAP)
    return blank.join([_layer(layers[cell], grid.form == 0, number, most) for cell in cells])


def _layer(layer: LayerLoad, in_digits: bool, number: int, most: int) -> Content:
    label: Piece = (f"{layer.layer:>{number}} ", "$quiet")
    per_expert = _PERCENT if in_digits else 1
    missing = " " * ((most - len(layer.shares)) * per_expert)
    if in_digits:
        parts = [
            (f"{text}{share:>4.0%} ", tone) for (text, tone), share in zip(_signs(layer), layer.shares, strict=True)
        ]
        return styled(label, *parts, missing, (_two(layer.entropy), "bold"))
    return styled(label, *_joined(_signs(layer)), missing, (f" {_two(layer.entropy)}", "bold"))


def _folded(layer: LayerLoad, number: int, width: int) -> list[Content]:
    """A layer whose experts need several lines, the entropy behind the first."""
    per_line = max(1, width - number - 1 - _ENTROPY)
    signs = _signs(layer)
    lines = []
    for start in range(0, len(signs), per_line):
        label = f"{layer.layer:>{number}} " if start == 0 else " " * (number + 1)
        tail: list[Piece] = [(f" {_two(layer.entropy)}", "bold")] if start == 0 else []
        lines.append(styled((label, "$quiet"), *_joined(signs[start : start + per_line]), *tail))
    return lines


def _signs(layer: LayerLoad) -> list[Piece]:
    fair = 1 / len(layer.shares)
    return [
        (text, _STARVES if text == experts.STARVES else _TONES[experts.tone(share, fair)])
        for text, share in zip(experts.strip(layer), layer.shares, strict=True)
    ]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one style as one piece."""
    return [
        ("".join(text for text, _style in group), style) for style, group in groupby(pieces, lambda piece: piece[1])
    ]


def _course_lines(course: LayerCourse, look: ExpertLook, width: int) -> list[Content]:
    told = _("Layer {layer}, steps {first} to {last}, the newest right").format(
        layer=course.layer, first=course.first_step, last=course.last_step
    )
    hint = _("j, k: another layer · v: all layers · arrow keys scroll")
    name = _("entropy")
    label = max(cell_len(name), len(str(len(course.shares) - 1)))
    room = max(1, width - label - 1 - _PERCENT - 2)
    starving = {one.expert for one in look.starving if one.layer == course.layer}
    levels = "".join(map(experts.level_sign, course.entropy[-room:]))
    lines = [
        styled((told, "bold"), f" · {experts.dropped_words(look)}"),
        styled((experts.legend(), "$quiet")),
        styled((hint, "$quiet")),
        styled(
            (name + " " * (label - cell_len(name) + 1), "$quiet"), (levels, "bold"), f" {_two(course.entropy[-1]):>5}"
        ),
    ]
    fair = 1 / len(course.shares)
    for expert, shares in enumerate(course.shares):
        pieces = [
            (experts.sign(share, fair), "" if share is None else _TONES[experts.tone(share, fair)])
            for share in shares[-room:]
        ]
        newest = shares[-1]
        tail = [] if newest is None else [(f" {newest:>5.1%}", "")]
        mark = [(f" {experts.STARVES}", _STARVES)] if expert in starving else []
        lines.append(styled((f"{expert:>{label}} ", "$quiet"), *_joined(pieces), *tail, *mark))
    return lines


def _two(value: float | None) -> str:
    return "   –" if value is None else f"{value:.2f}"
