"""The terminal: its size, colours and encoding, and whether its font has what the charts are drawn with."""

import os
import shutil
from collections.abc import Mapping
from typing import Protocol

from engine.language import _
from minimind_tui.core.doctor.findings import Finding, fine, note, warning

LEAST_COLUMNS, LEAST_LINES = 80, 24
_NEEDED = "⠿▁▂▃▄▅▆▇█━─│●✓"
_SAMPLE = "⡠⠔⠊⠑⠢⣀  ▁▂▃▄▅▆▇█  ━━──  │ ● ✓  中文"


class Output(Protocol):
    """What of sys.stdout is asked."""

    @property
    def encoding(self) -> str:
        """Its encoding."""

    def isatty(self) -> bool:
        """Whether a person sees it."""


def examine_terminal(
    out: Output, environ: Mapping[str, str] = os.environ, size: tuple[int, int] | None = None
) -> list[Finding]:
    """What the terminal can show. `size` is columns and lines, asked of the terminal where it is None."""
    found = [_encoding(out)]
    if not out.isatty():
        return [
            note(_("terminal"), _("The output is no terminal: lines are plain, nothing is drawn in place.")),
            *found,
        ]
    columns, lines = size or tuple(shutil.get_terminal_size())
    return [_kind(environ), _size(columns, lines), _colours(environ), *found, *_glyphs(out, environ)]


def _kind(environ: Mapping[str, str]) -> Finding:
    what, term = _("terminal"), environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        return warning(
            what,
            _("TERM is '{term}': the application cannot draw here; commands print plain lines.").format(term=term),
            _("Use another terminal, or set TERM to what it is, such as xterm-256color."),
        )
    through = [
        name
        for name, variable in (("tmux", "TMUX"), ("screen", "STY"), ("ssh", "SSH_CONNECTION"))
        if environ.get(variable)
    ]
    program = environ.get("TERM_PROGRAM", "")
    text = f"{program} ({term})" if program else term
    return fine(what, text + (_(", through {names}").format(names=", ".join(through)) if through else ""))


def _size(columns: int, lines: int) -> Finding:
    text = _("{columns} columns, {lines} lines").format(columns=columns, lines=lines)
    if columns < LEAST_COLUMNS or lines < LEAST_LINES:
        return warning(
            _("size"),
            _("{text}: the application is made for {least} and more; less is hard to read.").format(
                text=text, least=f"{LEAST_COLUMNS}x{LEAST_LINES}"
            ),
            _("Make the window larger or its font smaller."),
        )
    return fine(_("size"), text)


def _colours(environ: Mapping[str, str]) -> Finding:
    what = _("colours")
    if environ.get("NO_COLOR"):
        return note(what, _("none, as NO_COLOR asks; signs and words carry everything."))
    term = environ.get("TERM", "")
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return fine(what, _("16 million"))
    if "256" in term or term in ("xterm-kitty", "alacritty", "wezterm", "foot"):
        return fine(what, _("256 by TERM; COLORTERM=truecolor would promise more."))
    return note(
        what,
        _("16 by TERM={term}: themes look plainer.").format(term=term),
        _("Where the terminal can, set COLORTERM=truecolor."),
    )


def _encoding(out: Output) -> Finding:
    what, encoding = _("encoding"), out.encoding or "ascii"
    try:
        (_NEEDED + "中文").encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return warning(
            what,
            _("{encoding} cannot write the signs that charts are drawn with, nor Chinese.").format(encoding=encoding),
            _("Use a UTF-8 locale: export LANG=C.UTF-8, or PYTHONIOENCODING=utf-8."),
        )
    return fine(what, encoding)


def _glyphs(out: Output, environ: Mapping[str, str]) -> list[Finding]:
    """Whether a font has a glyph no program can ask: a sample is shown to the person who can see."""
    what = _("font")
    if environ.get("TERM") == "linux":
        return [
            warning(
                what,
                _("The Linux console's fonts have no braille dots and no Chinese: fine curves look broken."),
                _("Choose another mark for curves under Preferences (dot or ascii), or use a graphical terminal."),
            )
        ]
    try:
        _SAMPLE.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return []
    return [
        note(
            what,
            _SAMPLE,
            _(
                "Should boxes or question marks stand there, choose a font with braille and block signs (DejaVu Sans "
                "Mono, Iosevka, Cascadia Mono; Noto Sans Mono CJK for Chinese), or another mark for curves under "
                "Preferences."
            ),
        )
    ]
