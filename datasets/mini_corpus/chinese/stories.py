"""短故事。Short stories: a plot, its cast and its details, told beat by beat."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.chinese import plots_of_adventure, plots_of_friends, plots_of_growing
from mini_corpus.chinese.cast import draw_cast
from mini_corpus.plot import Plot

PLOTS: tuple[Plot, ...] = plots_of_friends.PLOTS + plots_of_growing.PLOTS + plots_of_adventure.PLOTS

OPENINGS = (
    "从前，有一{h.measure}{trait}的{h.kind}，名叫{h}。{h.ta}住在{h.home}。",
    "从前，有一{h.measure}{trait}的{h.kind}，名叫{h}，住在{h.home}。",
    "从前，在{h.home}，住着一{h.measure}{trait}的{h.kind}，名叫{h}。",
    "很久很久以前，有一{h.measure}{trait}的{h.kind}，名叫{h}，住在{h.home}。",
    "{h}是一{h.measure}{trait}的{h.kind}。{h.ta}住在{h.home}。",
    "在{h.home}，有一{h.measure}{trait}的{h.kind}，名字叫{h}。",
)
FRIENDS = (
    "{h.ta}最好的朋友是{f.one}，名叫{f}。",
    "{h.ta}有一个好朋友，名叫{f}。",
    "{h}和好朋友{f}每天都在一起玩。",
    "{h.ta}喜欢和好朋友{f}在一起。",
)
TRAITS = ("可爱", "善良", "勇敢", "聪明", "活泼", "好奇", "懂事", "快乐", "热心", "调皮")
FINE = ("晴朗", "温暖", "阳光明媚", "美丽", "宁静", "凉爽")
COLD = ("寒冷", "下雨", "刮风", "阴沉沉")


def story_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one story a call; every plot comes equally often."""
    plots = Deck(PLOTS, chance)
    return lambda: tell(plots.draw(), chance)


def tell(plot: Plot, chance: Chance) -> str:
    """One story after `plot`."""
    who = plot.who if plot.who != "any" else chance.pick(("people", "animals"))
    slots: dict[str, object] = {**chance.pick(plot.cases), **draw_cast(chance, who)}
    slots["trait"] = chance.pick(TRAITS)
    slots["fine"] = chance.pick(FINE)
    slots["cold"] = chance.pick(COLD)
    beats = [chance.lean(OPENINGS), chance.lean(FRIENDS)]
    beats += [chance.lean(wordings) for wordings in plot.beats]
    # Three paragraphs: who, what happened, how it ended; some stories are told in one.
    told = [beat.format(**slots) for beat in beats]
    if chance.often(0.5):
        return "".join(told)
    return "\n".join(("".join(told[:2]), "".join(told[2:-2]), "".join(told[-2:])))
