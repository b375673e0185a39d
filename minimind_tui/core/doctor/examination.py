"""The whole examination: every section in its order, and the verdict."""

import platform
import sys
from collections.abc import Sequence

from engine.estimate.device_probe import probe_device
from engine.estimate.gpu_sighting import sight_gpus
from engine.language import _
from engine.places import cache_dir, config_dir, runs_dir
from minimind_tui import __version__
from minimind_tui.core.doctor.device import examine_device
from minimind_tui.core.doctor.findings import Finding, Level, Section, fine, problem
from minimind_tui.core.doctor.limits import examine_limits
from minimind_tui.core.doctor.storage import examine_storage
from minimind_tui.core.doctor.terminal import Output, examine_terminal

LEAST_PYTHON = (3, 11)


def examine(out: Output) -> list[Section]:
    """Look at everything; some seconds, most of them torch's start in a process of its own."""
    devices, facts = examine_device(lambda: probe_device(cache_dir(), refresh=True), sight_gpus())
    return [
        Section("program", _("Program"), tuple(_program())),
        Section("device", _("Device"), tuple(devices)),
        Section("disk", _("Disk"), tuple(examine_storage(runs_dir(), cache_dir(), config_dir()))),
        Section("limits", _("Limits"), tuple(examine_limits(facts))),
        Section("terminal", _("Terminal"), tuple(examine_terminal(out))),
    ]


def worst(sections: Sequence[Section]) -> Level:
    """The worst level of all findings."""
    order = list(Level)
    levels = [finding.level for section in sections for finding in section.findings]
    return max(levels, key=order.index, default=Level.FINE)


def _program() -> list[Finding]:
    system = platform.system()
    found = [fine("minimind-tui", __version__)]
    python = f"{platform.python_version()} ({sys.executable})"
    found.append(
        fine("Python", python)
        if sys.version_info[:2] >= LEAST_PYTHON
        else problem("Python", python, _("Python {version} or later is needed.").format(version="3.11"))
    )
    if system in ("Linux", "Darwin"):
        return [*found, fine(_("system"), f"{system} {platform.release()} {platform.machine()}")]
    return [*found, problem(_("system"), system, _("Linux and macOS are supported, Windows through WSL."))]
