"""A run's logged numbers as curves to draw, and in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory, Series
from engine.run.jsonl_log import line_batches
from minimind_tui.charts import Curve, format_number, smooth, usual_window
from minimind_tui.safe_text import one_line

X_COLUMNS = {"step": "", "tokens": "tokens", "time": "elapsed"}
"""What may run along the bottom, and the column it is logged in (the step is every line's own)."""


@dataclass(frozen=True)
class RunCurves:
    """What one run has logged."""

    id: str
    history: MetricsHistory

    @property
    def metrics(self) -> list[str]:
        """Every metric with at least one number, in the order they were first logged."""
        names = dict.fromkeys([*self.history.train.names, *self.history.validation.names])
        return [name for name in names if self._numbers(self.history.train, name) or self._validated(name)]

    def curves(self, metric: str, x: str, window: int | None) -> list[Curve]:
        """What was logged, faint, with its mean over `window` points as a line, and the validations as points."""
        train = self.history.train
        curves = []
        if self._numbers(train, metric):
            positions, values = _x(train, x), train.column(metric)
            averaged = window if window is not None else usual_window(len(values))
            if averaged > 1:
                curves.append(Curve(_("logged"), positions, values, "faint"))
                curves.append(Curve(_("mean of {n}").format(n=averaged), positions, smooth(values, averaged)))
            else:
                curves.append(Curve(_("logged"), positions, values))
        if self._validated(metric):
            validation = self.history.validation
            positions, values = _x(validation, x), validation.column(metric)
            curves.append(Curve(_("validation"), positions, values, "points" if curves else "line"))
        return curves

    def overlay(self, metric: str, x: str, window: int | None) -> list[Curve]:
        """The one curve of this run in a chart of several: its mean over `window` points, or its validations."""
        series = self.history.train if self._numbers(self.history.train, metric) else self.history.validation
        values = series.column(metric)
        if not self._numbers(series, metric):
            return []
        averaged = window if window is not None else usual_window(len(values))
        return [Curve(self.id, _x(series, x), smooth(values, averaged))]

    def summary(self, metric: str) -> str:
        """The metric in words: first, last and lowest number, and the best validation."""
        parts = []
        train = self.history.train
        numbers = [(v, s) for v, s in zip(train.column(metric), train.steps, strict=True) if math.isfinite(v)]
        if numbers:
            lowest, step = min(numbers)
            parts.append(
                _("{metric}: {first} -> {last}, lowest {lowest} at step {step}").format(
                    metric=metric,
                    first=format_number(numbers[0][0]),
                    last=format_number(numbers[-1][0]),
                    lowest=format_number(lowest),
                    step=step,
                )
            )
        validation = self.history.validation
        checked = [(v, s) for v, s in zip(validation.column(metric), validation.steps, strict=True) if math.isfinite(v)]
        if checked:
            best, step = min(checked)
            parts.append(
                _("validation {metric}: {last}, lowest {best} at step {step}").format(
                    metric=metric, last=format_number(checked[-1][0]), best=format_number(best), step=step
                )
            )
        left_out = sum(1 for value in train.column(metric) if not math.isfinite(value))
        if numbers and left_out:
            parts.append(_("{n} lines without a number").format(n=left_out))
        return f"{self.id}  " + ("; ".join(parts) or _("nothing logged"))

    def _validated(self, metric: str) -> bool:
        # tokens, elapsed and epoch stand in a validation's line as well, but the curve of training has them in full
        return metric not in ("tokens", "elapsed", "epoch") and self._numbers(self.history.validation, metric)

    @staticmethod
    def _numbers(series: Series, metric: str) -> bool:
        return any(math.isfinite(value) for value in series.column(metric))


def read_curves(folder: RunFolder) -> RunCurves:
    """Everything a run has logged by now. Raises OSError when its file cannot be read."""
    history = MetricsHistory()
    for lines in line_batches(folder.metrics):
        history.feed(lines)
    return RunCurves(one_line(folder.id), history)


def _x(series: Series, x: str) -> Sequence[float]:
    return series.column(X_COLUMNS[x]) if X_COLUMNS[x] else [float(step) for step in series.steps]
