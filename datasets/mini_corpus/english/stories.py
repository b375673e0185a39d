"""Short stories: a plot, its cast and its details, told beat by beat."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.english import plots_of_adventure, plots_of_friends, plots_of_growing
from mini_corpus.english.cast import a, capital, draw_cast
from mini_corpus.plot import Plot

PLOTS: tuple[Plot, ...] = plots_of_friends.PLOTS + plots_of_growing.PLOTS + plots_of_adventure.PLOTS

OPENINGS = (
    "Once upon a time, there was {a_hero} named {h}. {h.He} lived {h.home}.",
    "Once upon a time, there was {a_hero} named {h}, who lived {h.home}.",
    "Once upon a time, {a_hero} named {h} lived {h.home}.",
    "There once was {a_hero} named {h}. {h.He} lived {h.home}.",
    "Long ago, {a_hero} named {h} lived {h.home}.",
    "{h} was {a_hero}. {h.He} lived {h.home}.",
)
FRIENDS = (
    "{h.His} best friend was {a_friend} named {f}.",
    "{h.He} had a good friend, {a_friend} named {f}.",
    "{h} and {h.his} friend {f} played together every day.",
    "{h.He} liked to spend the day with {h.his} friend {f}.",
)
TRAITS = ("little", "kind", "brave", "clever", "cheerful", "curious", "young", "friendly", "lively", "gentle")
FINE = ("sunny", "warm", "bright", "quiet", "beautiful", "fine")
COLD = ("cold", "rainy", "grey", "windy")


def story_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one story a call; every plot comes equally often."""
    plots = Deck(PLOTS, chance)
    return lambda: tell(plots.draw(), chance)


def tell(plot: Plot, chance: Chance) -> str:
    """One story after `plot`."""
    who = plot.who if plot.who != "any" else chance.pick(("people", "animals"))
    cast = draw_cast(chance, who)
    details = chance.pick(plot.cases)
    slots: dict[str, object] = dict(details)
    slots |= {f"a_{key}": a(value) for key, value in details.items()}
    slots |= {f"a_cap_{key}": capital(a(value)) for key, value in details.items()}
    slots |= cast
    slots["a_hero"] = a(f"{chance.pick(TRAITS)} {cast['h'].kind}")
    slots["a_friend"] = a(cast["f"].kind)
    slots["fine"] = chance.pick(FINE)
    slots["cold"] = chance.pick(COLD)
    beats = [chance.lean(OPENINGS), chance.lean(FRIENDS)]
    beats += [chance.lean(wordings) for wordings in plot.beats]
    # Three paragraphs: who, what happened, how it ended; some stories are told in one.
    told = [beat.format(**slots) for beat in beats]
    if chance.often(0.5):
        return " ".join(told)
    return "\n".join((" ".join(told[:2]), " ".join(told[2:-2]), " ".join(told[-2:])))
