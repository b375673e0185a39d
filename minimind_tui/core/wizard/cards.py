"""The presets as cards: what each is, what it costs, what is wrong with it."""

from dataclasses import dataclass

from engine.errors import UserError
from engine.estimate.band import Band
from engine.estimate.preview import RunPreview
from engine.language import _
from engine.places import builtin_dir
from engine.settings.material import find_data
from engine.settings.moments import format_duration
from engine.settings.presets import DEFAULT_PRESET, Preset, preset_paths, read_preset
from engine.settings.settings import Settings
from minimind_tui import words
from minimind_tui.core.home import START_PRESET


@dataclass(frozen=True)
class PresetCard:
    """One preset. With a `problem` it cannot be used; `data_here`: its text is there."""

    name: str
    origin: str
    summary: str
    problem: str
    preset: Preset | None
    settings: Settings | None
    data_here: bool

    @property
    def data_words(self) -> str:
        """Which text it trains on, and whether it is here."""
        if self.settings is None:
            return ""
        if self.data_here:
            return self.settings.data_path
        return _("{path}: not here yet (the next step helps)").format(path=self.settings.data_path)


def preset_cards() -> list[PresetCard]:
    """Every preset, the smoke test first; those that cannot be read as well, with the reason."""
    paths = preset_paths()
    return [_card(name) for name in sorted(paths, key=lambda name: name != START_PRESET)]


def _card(name: str) -> PresetCard:
    path = preset_paths()[name]
    builtin = path.parent == builtin_dir("presets")
    origin = _("built in") if builtin else f"presets/{path.name}"
    try:
        preset = read_preset(path)
        settings = preset.settings()
    except UserError as error:
        return PresetCard(name, origin, "", str(error), None, None, data_here=False)
    return PresetCard(name, origin, preset.summary, "", preset, settings, data_here=is_here(settings))


def is_here(settings: Settings) -> bool:
    """Whether the text that settings name is there."""
    try:
        find_data(settings.data_path)
    except (UserError, OSError, ValueError):
        return False
    return True


def first_choice(cards: list[PresetCard]) -> str:
    """The preset to begin with: the usual one if its text is there, else the smoke test, else any that can be used."""
    usable = [card for card in cards if card.preset is not None]
    by_name = {card.name: card for card in usable}
    for name in (DEFAULT_PRESET, START_PRESET):
        if name in by_name and by_name[name].data_here:
            return name
    here = [card.name for card in usable if card.data_here] or [card.name for card in usable]
    return here[0] if here else ""


def cost_words(preview: RunPreview) -> list[str]:
    """What a run costs, a part each: parameters, tokens, time, memory; what is not known is left out."""
    parts = []
    if preview.parameters is not None:
        parts.append(words.model_size(preview.parameters, preview.active_parameters))
    if preview.total_tokens is not None:
        about = "" if preview.data_exact else "~"
        parts.append(_("{n} tokens").format(n=about + words.count(preview.total_tokens)))
    if preview.seconds is not None:
        parts.append(_short_band(preview.seconds))
    if preview.memory_needed is not None:
        parts.append(
            _("{needed} of {there}").format(
                needed=words.size(preview.memory_needed), there=words.size(preview.memory_there)
            )
            if preview.memory_there is not None
            else _("{needed} of memory").format(needed=words.size(preview.memory_needed))
        )
    return parts


def _short_band(band: Band) -> str:
    """A band in few characters; a rough one in round numbers."""
    if band.source == "rough":
        return _("roughly {low} to {high}").format(low=_round(band.low), high=_round(band.high))
    low, high = format_duration(band.low), format_duration(band.high)
    return _("about {time}").format(time=low) if low == high else _("about {low} to {high}").format(low=low, high=high)


def _round(seconds: float) -> str:
    """A duration in its largest unit: `40s`, `17m`, `3h`, `12d`."""
    for unit, size, most in (("s", 1, 90), ("m", 60, 90), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{max(1, round(seconds / size))}{unit}"
    return f"{seconds / 86400:,.0f}d"
