"""How a run's processes keep pace, as its newest log intervals tell: times on each rank, and the slowest in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from engine.language import _
from engine.run.history import Series
from engine.run.interval_lists import IntervalLists, mean_of_each

NOTABLE = 0.1
"""A rank that takes so much longer than the median holds the others up."""

STARVED_OF_DATA = 0.1
"""A rank that waits for data for such a share of its time is slow because of it."""

_SMOOTHED_OVER = 8
_CLEARLY = 0.02


@dataclass(frozen=True)
class RankTime:
    """One rank, on the mean of the recent intervals; None for what is not told."""

    rank: int
    seconds: float | None
    data_wait: float | None


@dataclass(frozen=True)
class RankLook:
    """The ranks of a run at a moment; there are at least two."""

    step: int
    intervals: int
    ranks: tuple[RankTime, ...]
    slowest: int | None
    """None when no times are told, or none is clearly the slowest."""
    behind: float
    """How much longer than the median the slowest takes: 0.25 is a quarter more."""

    @property
    def median_seconds(self) -> float | None:
        """The median of the ranks' times."""
        known = [one.seconds for one in self.ranks if one.seconds is not None]
        return median_low(known) if known else None


def rank_look(history: Sequence[IntervalLists]) -> RankLook | None:
    """How the ranks keep pace, from a series' lists; None when the newest tells of fewer than two."""
    count = _count(history[-1]) if history else 0
    if count < 2:
        return None
    recent: list[IntervalLists] = []
    for lists in reversed(history):
        if len(recent) == _SMOOTHED_OVER or _count(lists) != count:
            break
        recent.append(lists)
    seconds = _mean([lists.rank_seconds for lists in recent], count)
    data_wait = _mean([lists.rank_data_wait for lists in recent], count)
    ranks = tuple(RankTime(rank, seconds[rank], data_wait[rank]) for rank in range(count))
    slowest, behind = _slowest([one for one in seconds if one is not None])
    return RankLook(history[-1].step, len(recent), ranks, slowest, behind)


class RankWatch:
    """The look of a run that is followed, worked out anew when its series goes on."""

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._look: RankLook | None = None

    def look(self, train: Series) -> RankLook | None:
        """How the ranks keep pace now."""
        lists = train.lists
        if not lists or train.steps[-1] != lists[-1].step:
            return None  # one process writes no lists: what was before a resume says nothing of now
        seen = (len(lists), lists[-1].step, train.dropped)
        if seen != self._seen:
            self._seen = seen
            self._look = rank_look(lists)
        return self._look


def rank_lines(look: RankLook) -> list[str]:
    """How far apart the ranks are, and why, in sentences. The first is a warning when `is_uneven`."""
    middle = look.median_seconds
    if middle is None:
        return []
    if look.slowest is None:
        return [
            _("All {n} ranks take equally long: {time} an update.").format(n=len(look.ranks), time=step_time(middle))
        ]
    slow = look.ranks[look.slowest]
    told = {"rank": look.slowest, "time": step_time(slow.seconds)}
    told |= {"more": f"{look.behind:.0%}", "median": step_time(middle)}
    if not is_uneven(look):
        return [
            _("The ranks keep pace: the slowest, {rank}, takes {more} longer than the median of {median}.").format(
                **told
            )
        ]
    lines = [
        _("Rank {rank} holds the others up: {time} an update, {more} more than the median of {median}.").format(**told)
    ]
    if slow.data_wait is not None and slow.data_wait >= STARVED_OF_DATA:
        lines.append(
            _("It waits for data {share} of its time: its disk is slow, or other work takes its cores.").format(
                share=f"{slow.data_wait:.0%}"
            )
        )
    else:
        lines.append(_("It does not wait for data: look for other work on its device, or a slower device."))
    return lines


def is_uneven(look: RankLook) -> bool:
    """Whether a rank holds the others up."""
    return look.slowest is not None and look.behind >= NOTABLE


def step_time(seconds: float | None) -> str:
    """The time of an update: `1.43 s`, `512 ms`."""
    if seconds is None:
        return "–"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _count(lists: IntervalLists) -> int:
    return max(len(lists.rank_seconds), len(lists.rank_data_wait))


def _mean(rows: Sequence[Sequence[float]], count: int) -> Sequence[float | None]:
    told = [row for row in rows if len(row) == count]
    return mean_of_each(told) if told else [None] * count


def _slowest(seconds: Sequence[float]) -> tuple[int | None, float]:
    """The rank that takes longest and how much longer than the median, when it clearly does. All ranks are told of."""
    middle = median_low(seconds) if seconds else 0.0
    if middle <= 0 or max(seconds) <= min(seconds) * (1 + _CLEARLY):
        return None, 0.0
    longest = max(range(len(seconds)), key=seconds.__getitem__)
    return longest, seconds[longest] / middle - 1
