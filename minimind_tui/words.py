"""Quantities in few characters, the same in every display."""

from pathlib import Path

from engine.language import _
from engine.run.schema import State
from engine.settings.moments import format_duration


def count(value: float | None) -> str:
    """`812`, `12.3k`, `4.56M`, `1.20G`; `?` for what is not known."""
    if value is None:
        return "?"
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}" if abs(value) < unit * 999.5 else f"{value / unit:.0f}{name}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def model_size(parameters: int | None, active: int | None) -> str:
    """`25.8M parameters`, and for a mixture of experts `95.1M parameters (60.4M active)`."""
    if parameters is None or active is None or active == parameters:
        return _("{n} parameters").format(n=count(parameters))
    return _("{n} parameters ({active} active)").format(n=count(parameters), active=count(active))


def size(bytes_: float | None) -> str:
    """Bytes as `512 B`, `25.3 MB`, `1.6 GB` (powers of ten); `?` for what is not known."""
    if bytes_ is None:
        return "?"
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_ >= unit:
            value = bytes_ / unit
            return f"{value:.1f} {name}" if value < 100 else f"{value:.0f} {name}"
    return f"{bytes_:.0f} B"


def loss(value: float | None) -> str:
    """A loss with three decimals; `?` for what is not known or no number."""
    return "?" if value is None else f"{value:.3f}"


def rate(value: float | None) -> str:
    """A learning rate, `5.0e-04`."""
    return "?" if value is None else f"{value:.1e}"


def duration(seconds: float | None) -> str:
    """Seconds as `1h30m`, `2m05s`, `40s`; `?` for what is not known."""
    return "?" if seconds is None else format_duration(seconds)


def short_path(path: Path) -> str:
    """`path` as a person would type it here: relative when it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def state_word(state: str) -> str:
    """A run's state in the current language."""
    return {
        State.STARTING: _("starting"),
        State.RUNNING: _("running"),
        State.PAUSED: _("paused"),
        State.STOPPING: _("stopping"),
        State.FINISHED: _("finished"),
        State.STOPPED: _("stopped"),
        State.FAILED: _("failed"),
        State.CREATED: _("created"),
        State.STALLED: _("stalled"),
        State.CRASHED: _("crashed"),
    }.get(State(state), str(state))
