"""What the help says, decided without a screen."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.language import _
from minimind_tui.core.keys import Key, Scope, scope_title


@dataclass(frozen=True)
class HelpLine:
    """One key as the help lists it: what to press, the action's name, what it does."""

    pressed: str
    label: str
    help: str


@dataclass(frozen=True)
class HelpSection:
    """The keys of one scope."""

    title: str
    lines: tuple[HelpLine, ...]


def help_sections(keys: Iterable[tuple[Key, str]], looking_for: str = "") -> list[HelpSection]:
    """The keys, each with what is pressed for it, by scope: the screen's own first, those of everywhere last.

    With `looking_for`, only those in which each of its words occurs. A section without a key is left out.
    """
    wanted = looking_for.casefold().split()
    found: dict[Scope, list[HelpLine]] = {}
    for key, pressed in keys:
        line = HelpLine(pressed, key.label, key.help)
        text = f"{pressed} {line.label} {line.help} {scope_title(key.scope)}".casefold()
        if all(word in text for word in wanted):
            found.setdefault(key.scope, []).append(line)
    scopes = sorted(found, key=lambda scope: scope == "app")
    return [HelpSection(scope_title(scope), tuple(found[scope])) for scope in scopes]


def idea_lines(runs_dir: str) -> list[str]:
    """Five lines about what all of this is."""
    return [
        _("A run is a folder below {folder}: settings, curves, samples, checkpoints, log.").format(folder=runs_dir),
        _("A run trains in processes of its own. Close this window or log out: it goes on."),
        _("Come back with `minimind-tui RUN`, or f4; any number of windows may watch one run."),
        _("Stopping saves. Resuming goes on bit for bit where device, versions and threads are the same."),
        _("Everything works without this application as well: `minimind --help`."),
    ]
