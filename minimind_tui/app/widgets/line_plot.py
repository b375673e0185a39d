"""A plain curve: a learning rate over the updates, and the like."""

from collections.abc import Sequence

from textual.content import Content
from textual.visual import VisualType

from minimind_tui.app.widgets.plot import PlotWidget
from minimind_tui.charts import Axes, Curve
from minimind_tui.charts.curves import XAxis


class LinePlot(PlotWidget):
    """One line over numbers that are not a run's. Call `show` with the points; `placeholder` stands where are none."""

    def __init__(
        self,
        *,
        x_axis: XAxis = "step",
        placeholder: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._x_axis: XAxis = x_axis
        self._placeholder = placeholder
        self._points: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def show(self, x: Sequence[float], y: Sequence[float]) -> None:
        """Draw these points; nothing happens when they are the same. Raises ValueError when there are more of one."""
        points = (tuple(x), tuple(y))
        if len(points[0]) != len(points[1]):
            raise ValueError(f"{len(points[0])} positions for {len(points[1])} values")
        if points != self._points:
            self._points = points
            self.refresh()

    def drawn_from(self) -> object:
        return self._points

    def draw(self, width: int, height: int) -> VisualType:
        x, y = self._points
        if not x:
            return Content(self._placeholder)
        return self.plotted([Curve("", x, y)], Axes("", "", self._x_axis, framed=False), width, height, [])
