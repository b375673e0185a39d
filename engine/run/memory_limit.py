"""Whether an error says that memory ran out, and how much of it this process may have: for messages."""

import contextlib
import errno
import resource
import sys
from pathlib import Path

from engine.language import _

_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "failed to map segment",  # the dynamic loader, for a library as large as torch's
    "std::bad_alloc",
    "unable to mmap",
)
_UNLIMITED = 1 << 60
_NEAR = 0.5
"""A library of hundreds of megabytes is refused long before a limit is reached."""


def is_about_memory(error: BaseException) -> bool:
    """Whether `error`, or one it was raised from, says that memory could not be had."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno == errno.ENOMEM):
            return True
        if any(words in str(seen).lower() for words in _WORDS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def memory_limit() -> tuple[int, str] | None:
    """The bytes that this process may have and what says so, where something does: the smaller of `ulimit -v` and the
    control group's.
    """
    found = []
    soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
    if 0 < soft < _UNLIMITED:
        found.append((soft, "ulimit -v"))
    group = _group_limit()
    if group is not None:
        found.append((group, "cgroup"))
    return min(found) if found else None


def limit_words() -> str:
    """The limit in a sentence; empty where there is none."""
    limit = memory_limit()
    if limit is None:
        return ""
    return _("This process may have {n} MB ({what}).").format(n=f"{limit[0] / 1e6:,.0f}", what=limit[1])


def words_of_memory(error: BaseException, phase: str) -> str:
    """What to tell of an error that memory is behind, certainly or, near a limit, probably; empty for any other."""
    said = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0].rstrip(": ")
    if is_about_memory(error):
        told = _("Memory ran out ({phase}): {said}.").format(phase=phase, said=said.rstrip("."))
    elif _is_near_limit():
        told = _("{said} ({phase}). Memory ran out, probably.").format(phase=phase, said=said.rstrip("."))
    else:
        return ""
    way_out = _("Give it more, or take a smaller batch_size, max_seq_len or network.")
    return " ".join(filter(None, (told, limit_words(), way_out)))


def words_of_last_lines(printed: list[str]) -> str:
    """What to tell of a process that died under a limit without a word, by the last lines it printed: memory may have
    failed it in the midst of saying so. Empty where no limit holds or no line speaks of memory.
    """
    told = [line.strip() for line in printed if any(word in line.lower() for word in (*_WORDS, "memoryerror"))]
    if not told or memory_limit() is None:
        return ""
    way_out = _("Give it more, or take a smaller batch_size, max_seq_len or network.")
    return " ".join((_("Memory ran out: {said}.").format(said=told[-1].rstrip(".")), limit_words(), way_out))


def _is_near_limit() -> bool:
    limit = memory_limit()
    return limit is not None and _peak(limit[1]) > _NEAR * limit[0]


def _peak(what: str) -> int:
    """The most bytes this process has had: of address space for `ulimit -v`, else resident."""
    if sys.platform != "linux":
        return 0
    name = "VmPeak:" if what == "ulimit -v" else "VmHWM:"
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
    except (OSError, StopIteration, ValueError, IndexError):
        return 0


def _group_limit(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """The smallest limit of this process's control group and those above it (v2, or v1's); None without one."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits: list[int] = []
    for line in lines:
        _number, _colon, rest = line.partition(":")
        controllers, _colon, inside = rest.partition(":")
        if not controllers:
            limits += _limits(root, inside, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(root / "memory", inside, "memory.limit_in_bytes")
    return min((limit for limit in limits if limit < _UNLIMITED), default=None)


def _limits(root: Path, inside: str, name: str) -> list[int]:
    """The limits from the group `inside` up to the root; within a container only the root may be there."""
    found = []
    folder = root / inside.lstrip("/")
    for group in (folder, *folder.parents):
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            found.append(int((group / name).read_text(encoding="ascii")))
        if group == root:
            break
    return found
