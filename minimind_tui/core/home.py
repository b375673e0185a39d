"""What home shows, decided without a screen: the runs that train with their curves, the recent ones, the presets."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.size import parameters
from engine.language import _
from engine.run.clock import seconds_since
from engine.run.folder import RunFolder
from engine.run.schema import State
from engine.run.view import RunView
from engine.settings.network import shape_from_settings
from engine.settings.presets import preset_paths, read_preset
from minimind_tui import words
from minimind_tui.core.run_index import RunEntry

START_PRESET = "mini"
"""The smoke test."""

VOCABULARY = 6400
"""Entries of the shipped tokenizer; a run with another one has other parameters."""

_CURVE_POINTS = 400


@dataclass(frozen=True)
class NowRow:
    """A run that has processes. `share` is what is done of it, 0 to 1, `curve` its losses, thinned."""

    folder: RunFolder
    title: str
    state: State
    preset: str
    step: int
    total: int | None
    share: float | None
    eta_s: float | None
    loss: float | None
    tokens_per_s: float | None
    phase: str
    message: str
    curve: tuple[float, ...]


@dataclass(frozen=True)
class RecentRow:
    """A run without processes. `age` is in words, so that a row only changes when what is read does."""

    folder: RunFolder
    title: str
    state: State
    step: int
    total: int | None
    loss: float | None
    best: float | None
    age: str


@dataclass(frozen=True)
class PresetRow:
    """A preset to begin from; `problem` says why it cannot be used."""

    name: str
    summary: str
    parameters: int | None
    problem: str = ""


class LiveCurves:
    """Follows the runs that train, and lets go of those that ended."""

    def __init__(self) -> None:
        self._views: dict[Path, RunView] = {}

    def rows(self, live: list[RunEntry]) -> list[NowRow]:
        """The rows of the runs that have processes, in the order given. Reads a tenth of a second a run at most."""
        self._views = {entry.folder.path: self._views.get(entry.folder.path) or RunView(entry.folder) for entry in live}
        return [self._row(entry, self._views[entry.folder.path]) for entry in live]

    @property
    def caught_up(self) -> bool:
        """Whether every curve was read to its end; if not, ask for the rows again soon."""
        return all(view.caught_up for view in self._views.values())

    def _row(self, entry: RunEntry, view: RunView) -> NowRow:
        view.poll()
        status = entry.seen.status
        losses = view.column("loss")
        stride = len(losses) // _CURVE_POINTS + 1
        step, total = (status.step, status.total_steps) if status else (0, None)
        return NowRow(
            entry.folder,
            entry.title,
            entry.seen.state,
            (entry.manifest.preset if entry.manifest else None) or "",
            step,
            total,
            min(1.0, step / total) if total else None,
            status.eta_s if status else None,
            status.loss if status else None,
            status.tokens_per_s if status else None,
            (status.phase if status else None) or "",
            entry.seen.message,
            tuple(losses[::stride]),
        )


def recent_rows(entries: list[RunEntry]) -> list[RecentRow]:
    """The runs without processes, newest first."""
    return [_recent(entry) for entry in entries if not entry.seen.is_live]


def _recent(entry: RunEntry) -> RecentRow:
    status = entry.seen.status
    moment = status.t if status else entry.manifest.created if entry.manifest else None
    return RecentRow(
        entry.folder,
        entry.title,
        entry.seen.state,
        status.step if status else 0,
        status.total_steps if status else None,
        status.loss if status else None,
        status.best_validation if status else None,
        age_words(seconds_since(moment)),
    )


def age_words(seconds: float | None) -> str:
    """How long ago, in its largest unit: `5 min`, `3 h`, `12 d`."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return _("now")
    if seconds < 3600:
        return _("{n} min").format(n=int(seconds // 60))
    if seconds < 48 * 3600:
        return _("{n} h").format(n=int(seconds // 3600))
    return _("{n} d").format(n=int(seconds // 86400))


def preset_rows() -> list[PresetRow]:
    """Every preset, the smoke test first; one that cannot be read says why."""
    paths = preset_paths()
    names = sorted(paths, key=lambda name: name != START_PRESET)
    return [_preset(name, paths[name]) for name in names]


def _preset(name: str, path: Path) -> PresetRow:
    try:
        preset = read_preset(path)
        return PresetRow(name, preset.summary, parameters(shape_from_settings(preset.settings(), VOCABULARY)))
    except UserError as error:
        return PresetRow(name, "", None, str(error))


@dataclass(frozen=True)
class MachineWords:
    """What the machine is, in words: what trains, what it would train in, the rest."""

    device: str
    dtype: str
    notes: tuple[str, ...] = ()


def machine_words(facts: DeviceFacts) -> MachineWords:
    """The machine as home tells it."""
    cores = _("{n} cores").format(n=facts.cores)
    machine = words.size(facts.machine_memory)
    if facts.device == "cpu":
        device = f"cpu · {facts.cpu_name} · {cores} · {machine}"
    else:
        each = f"{facts.device} · {facts.name} · {words.size(facts.memory)}"
        device = (f"{len(facts.gpus)} x " if len(facts.gpus) > 1 else "") + f"{each} · {cores} · {machine}"
    why = facts.dtype_why.removeprefix(facts.dtype).lstrip(":： ")
    dtype = _("Trains in {dtype}: {why}").format(dtype=facts.dtype, why=why)
    return MachineWords(device, dtype, tuple(facts.notes))


def welcome_lines() -> list[str]:
    """Five lines for who has never been here."""
    return [
        _("Train a small language model from nothing, and watch it learn to write."),
        _("m starts the smoke test: the shipped text, about two minutes on two cores."),
        _("n sets up a run of your own: a preset, your data, what it costs, then go."),
        _("Training does not need this window: leave, come back, resume bit for bit."),
        _("? shows every key, ctrl+p finds any action, f7 switches to Chinese."),
    ]
