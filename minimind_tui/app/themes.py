"""Our own themes, beside Textual's."""

from textual.theme import Theme

DARK = Theme(
    name="minimind-dark",
    primary="#6ea8fe",
    secondary="#9d7cd8",
    accent="#f0b866",
    success="#7ec98f",
    warning="#e5b567",
    error="#f07178",
    foreground="#d7dce5",
    background="#14171d",
    surface="#1a1e26",
    panel="#232935",
    dark=True,
)
LIGHT = Theme(
    name="minimind-light",
    primary="#1f5fbf",
    secondary="#6a3fa0",
    accent="#a25a00",
    success="#24743a",
    warning="#8a5a00",
    error="#b3261e",
    foreground="#1d2330",
    background="#f7f8fa",
    surface="#eef0f4",
    panel="#e1e5ec",
    dark=False,
)
OURS = (DARK, LIGHT)
