"""What a process of a run is busy with, in words."""

from engine.language import _
from engine.run.schema import Phase


def phase_word(phase: str) -> str:
    """A phase in the current language; one this version does not know is shown as it is."""
    known: dict[str, str] = {
        Phase.VERIFYING: _("verifying"),
        Phase.LOADING: _("loading"),
        Phase.TOKENISING: _("tokenising"),
        Phase.COMPILING: _("compiling"),
        Phase.TRAINING: _("training"),
        Phase.VALIDATING: _("validating"),
        Phase.SAMPLING: _("sampling"),
        Phase.SAVING: _("saving"),
        Phase.WAITING: _("waiting"),
    }
    return known.get(phase, phase)
