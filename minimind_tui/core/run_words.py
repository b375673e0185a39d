"""A run's state as a sign, a word and a colour's name: the sign and the word alone already tell it."""

from dataclasses import dataclass

from engine.run.schema import State
from minimind_tui.words import state_word


@dataclass(frozen=True)
class StateLook:
    """How a state is shown. `style` is a theme's colour: success, warning, error, accent, or empty."""

    sign: str
    word: str
    style: str

    @property
    def text(self) -> str:
        """Sign and word."""
        return f"{self.sign} {self.word}"


_SIGNS: dict[State, tuple[str, str]] = {
    State.STARTING: ("◌", "accent"),
    State.RUNNING: ("●", "success"),
    State.PAUSED: ("‖", "warning"),
    State.STOPPING: ("◍", "warning"),
    State.FINISHED: ("✓", "success"),
    State.STOPPED: ("■", ""),
    State.FAILED: ("✗", "error"),
    State.CREATED: ("○", ""),
    State.STALLED: ("!", "warning"),
    State.CRASHED: ("✗", "error"),
}


def look_of(state: State) -> StateLook:
    """How a state is shown, in the current language."""
    sign, style = _SIGNS[state]
    return StateLook(sign, state_word(state), style)
