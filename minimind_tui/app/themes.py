"""Our own themes, and what every theme, Textual's included, is made to have: words and borders that can be seen."""

from collections.abc import Mapping

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

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

_INKS = ("primary", "secondary", "accent", "success", "warning", "error")
_FOOTER = ("footer-key-foreground", "footer-description-foreground")
_LEAST_INK, _LEAST_QUIET, _LEAST_BORDER = 4.0, 3.1, 1.6
"""Contrasts of coloured words, of words that matter less and of borders with whatever may be behind them."""
_QUIET, _BORDER, _CURSOR = 0.6, 0.22, 0.25
"""Shares of the foreground and of the primary colour: the look wanted, where it has the contrast."""


def variables_of(theme: Theme, variables: Mapping[str, str], *, no_color: bool = False) -> dict[str, str]:
    """What a theme's `variables` are to become so that all it draws can be seen and is told without colours too.

    `text-primary` and the like are the theme's colours as words, `foreground-muted` is what matters less,
    `border-blurred` the border of what has no focus. Of our own: `cursor` and `cursor-style` for the line that is
    chosen, `quiet` (a style within a Content) and `quiet-style` (with `foreground-muted`, in a stylesheet) for what
    matters less: a terminal's own colours cannot be mixed, they are dimmed; and without colours a line is reversed.
    """
    if no_color or theme.ansi:
        plain = BUILTIN_THEMES["ansi-dark"].to_color_system().generate() if no_color else {}
        return {**variables, **plain, **_ANSI, **(_COLOURLESS if no_color else {})}
    background, foreground = Color.parse(variables["background"]), Color.parse(variables["foreground"])
    if background.ansi is not None or foreground.ansi is not None:
        return {**variables, **_ANSI}
    primary = Color.parse(variables["primary"])
    grounds = [background, Color.parse(variables["surface"]), background + Color.parse(variables["panel"])]
    grounds += [ground.blend(primary, _CURSOR) for ground in grounds]
    most = background.get_contrast_text(1.0)
    footer = background + Color.parse(variables["footer-background"])

    def ink(name: str, least: float, grounds: list[Color]) -> str:
        return _seen(Color.parse(variables[name]), most, grounds, least).hex

    quiet = _seen(background.blend(foreground, _QUIET), most, grounds, _LEAST_QUIET).hex
    return {
        **variables,
        **{f"text-{name}": ink(name, _LEAST_INK, grounds) for name in _INKS},
        **{name: ink(name, _LEAST_INK, [footer]) for name in _FOOTER},
        "foreground-muted": quiet,
        "border-blurred": _seen(background.blend(foreground, _BORDER), most, grounds[:2], _LEAST_BORDER).hex,
        "quiet": quiet,
        "quiet-style": "not dim",
        "cursor": primary.with_alpha(_CURSOR).hex,
        "cursor-style": "not reverse",
    }


_ANSI = {
    "foreground-muted": "ansi_default",
    "border-blurred": "ansi_default",
    "quiet": "ansi_default dim",
    "quiet-style": "dim",
    "cursor": "ansi_default",
    "cursor-style": "reverse",
    "input-cursor-background": "ansi_default",
    "input-cursor-foreground": "ansi_default",
    "input-cursor-text-style": "reverse",
}
_COLOURLESS = {
    "block-cursor-text-style": "bold reverse",
    "block-cursor-blurred-text-style": "reverse",
    "link-style-hover": "bold underline",
}


def contrast(one: Color, other: Color) -> float:
    """The contrast of two opaque colours, 1 to 21, by the formula of WCAG 2."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _seen(color: Color, towards: Color, grounds: list[Color], least: float) -> Color:
    """The colour, moved towards another only as far as it needs to stand out from each of the grounds."""
    mixed = color
    for tenth in range(11):
        mixed = color.blend(towards, tenth / 10, alpha=1.0)
        if all(contrast(mixed, ground) >= least for ground in grounds):
            break
    return mixed
