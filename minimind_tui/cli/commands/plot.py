"""`minimind plot`: a run's curves, or several runs' in one chart, in the terminal."""

from typing import TYPE_CHECKING, Annotated

from engine.language import _
from minimind_tui.cli.completion import complete_metric, complete_run
from minimind_tui.cli.options import argument, option

if TYPE_CHECKING:
    from minimind_tui.cli.curves import RunCurves

DEFAULT_HEIGHT = 20


def plot(
    runs: Annotated[
        list[str] | None,
        argument(
            metavar="[RUN]...",
            help=_("The runs: an id, a part of one, a path, or `last`, which is taken when none is named."),
            autocompletion=complete_run,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        option(
            "--metric",
            metavar="NAME",
            help=_(
                "What to draw: loss, lr, grad_norm, tokens_per_s ... Repeat the option for several. (default: loss)"
            ),
            autocompletion=complete_metric,
        ),
    ] = None,
    x: Annotated[
        str, option("--x", metavar="step|tokens|time", help=_("What runs along the bottom. (default: step)"))
    ] = "step",
    log: Annotated[bool, option("--log", help=_("Logarithmic height."))] = False,
    smooth: Annotated[
        int | None,
        option(
            "--smooth", metavar="N", min=1, help=_("Average N points; 1 draws what was logged. (default: a twentieth)")
        ),
    ] = None,
    width: Annotated[
        int | None, option("--width", metavar="COLUMNS", min=1, help=_("Columns. (default: the terminal's)"))
    ] = None,
    height: Annotated[int, option("--height", metavar="ROWS", min=1, help=_("Rows of a chart. (default: 20)"))] = (
        DEFAULT_HEIGHT
    ),
) -> None:
    """Draw curves."""
    from engine.errors import UserError
    from engine.places import runs_dir
    from engine.run.find import find_run
    from engine.settings.nearest import did_you_mean
    from minimind_tui.charts import Axes, render_chart
    from minimind_tui.charts.curves import as_x_axis
    from minimind_tui.cli.curves import X_COLUMNS, read_curves
    from minimind_tui.cli.terminal import draw, make_console, say

    if x not in X_COLUMNS:
        raise UserError(
            _("--x {x}: expected one of {names}.").format(x=x, names=", ".join(X_COLUMNS)) + did_you_mean(x, X_COLUMNS)
        )
    read = [read_curves(find_run(runs_dir(), run)) for run in dict.fromkeys(runs or ["last"])]
    console = make_console()
    columns = width or console.width
    metrics = metric or ["loss"]
    for name in metrics:
        _check_metric(name, read)
    for name in metrics:
        labels = {"step": _("step"), "tokens": _("tokens"), "time": _("training time")}
        axes = Axes(_title(name, read), labels[x], as_x_axis(x), log)
        curves = (
            read[0].curves(name, x, smooth)
            if len(read) == 1
            else [curve for one in read for curve in one.overlay(name, x, smooth)]
        )
        draw(render_chart(curves, axes, columns, height, colour=console.is_terminal and not console.no_color))
        for one in read:
            say(one.summary(name))


def _check_metric(name: str, read: "list[RunCurves]") -> None:
    """Raises UserError when no run has logged anything, or none has this metric."""
    from engine.errors import UserError
    from engine.settings.nearest import did_you_mean

    names = list(dict.fromkeys(metric for run in read for metric in run.metrics))
    if not names:
        raise UserError(
            _("{runs}: nothing was logged yet. The first line comes with the first update.").format(
                runs=", ".join(run.id for run in read)
            )
        )
    if name not in names:
        raise UserError(
            _("There is no metric {name}.").format(name=name)
            + did_you_mean(name, names)
            + " "
            + _("Logged are: {names}.").format(names=", ".join(names))
        )


def _title(name: str, read: "list[RunCurves]") -> str:
    return f"{name} ({read[0].id})" if len(read) == 1 else name
