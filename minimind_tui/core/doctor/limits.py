"""What the operating system and a container allow: open files, memory, processes, shared memory."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import psutil

from engine.estimate.device_probe import DeviceFacts
from engine.language import _
from minimind_tui import words
from minimind_tui.core.doctor.findings import Finding, fine, note, problem, warning

Limits = Callable[[int], tuple[int, int]]

_FILES_NEEDED, _FILES_WANTED = 64, 256
_MEMORY_NEEDED, _MEMORY_WANTED = 10**9, 4 * 10**9
_SHARED_WANTED = 256 * 2**20
_ADDRESSES_WANTED = 16 * 10**9
"""Torch reserves far more addresses than it uses memory."""


def examine_limits(
    facts: DeviceFacts | None, *, limit: Limits = resource.getrlimit, root: Path = Path("/")
) -> list[Finding]:
    """The limits that a run meets. `facts` are the probe's: what a container leaves of memory and cores."""
    found = [_files(limit), _memory(facts)]
    addresses = limit(resource.RLIMIT_AS)[0]
    if 0 <= addresses < _ADDRESSES_WANTED:
        found.append(
            warning(
                _("addresses"),
                _("ulimit -v allows {size}: PyTorch reserves more than it uses, and may be refused.").format(
                    size=words.size(addresses)
                ),
                "ulimit -v unlimited",
            )
        )
    if facts is not None:
        found.append(_cores(facts))
    if (shared := _shared_memory(facts, root)) is not None:
        found.append(shared)
    return found


def _files(limit: Limits) -> Finding:
    soft, hard = limit(resource.RLIMIT_NOFILE)
    what = _("open files")
    if soft < 0:
        return fine(what, _("no limit"))
    text = _("up to {n}").format(n=f"{soft:,}")
    way_out = f"ulimit -n {_FILES_WANTED * 4 if hard < 0 else min(hard, _FILES_WANTED * 4)}"
    if soft < _FILES_NEEDED:
        return problem(what, _("{text}: too few for a run and those who watch it.").format(text=text), way_out)
    if soft < _FILES_WANTED:
        return warning(what, _("{text}: few, where several runs are watched.").format(text=text), way_out)
    return fine(what, text)


def _memory(facts: DeviceFacts | None) -> Finding:
    what = _("memory")
    machine = psutil.virtual_memory()
    usable = min(facts.machine_memory if facts is not None else machine.total, machine.total)
    free = min(machine.available, usable)
    text = _("{usable} to be used, {free} of it free now").format(usable=words.size(usable), free=words.size(free))
    if usable < 0.95 * machine.total:
        text += _(" (a container's limit; the machine has {total})").format(total=words.size(machine.total))
    way_out = _("End other programs, raise the container's limit, or take a smaller network and batch_size.")
    if free < _MEMORY_NEEDED:
        return problem(what, _("{text}: too little to train.").format(text=text), way_out)
    if free < _MEMORY_WANTED:
        return warning(
            what, _("{text}: small networks only. `minimind estimate` tells for each.").format(text=text), way_out
        )
    return fine(what, text)


def _cores(facts: DeviceFacts) -> Finding:
    what, there = _("cores"), os.cpu_count() or 1
    text = _("{cores} to be used, {there} hardware threads in the machine").format(cores=facts.cores, there=there)
    return fine(what, text)


def _shared_memory(facts: DeviceFacts | None, root: Path) -> Finding | None:
    """Several GPUs of a machine speak through /dev/shm; containers are given little of it."""
    try:
        seen = os.statvfs(root / "dev/shm")
    except OSError:
        return None
    size = seen.f_frsize * seen.f_blocks
    text = _("/dev/shm holds {size}").format(size=words.size(size))
    if size >= _SHARED_WANTED:
        return fine(_("shared memory"), text)
    several = facts is not None and len(facts.gpus) > 1
    return (warning if several else note)(
        _("shared memory"),
        _("{text}: too little for several processes on GPUs; one process does not use it.").format(text=text),
        _("In a container, start it with --shm-size=1g or --ipc=host."),
    )
