"""Who plays in the English stories, and the grammar their sentences need: articles, pronouns, lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mini_corpus.chance import Chance

# Words whose first letter misleads about their first sound.
SILENT_H = ("hour", "honest", "honour")
SPOKEN_YOU_OR_WON = ("uni", "use", "one", "euro")


def a(noun: str) -> str:
    """The noun with its indefinite article: a pear, an apple, an hour, a unit."""
    lower = noun.lower()
    vowel = lower[0] in "aeiou" and not lower.startswith(SPOKEN_YOU_OR_WON)
    return f"an {noun}" if vowel or lower.startswith(SILENT_H) else f"a {noun}"


def capital(sentence: str) -> str:
    """The text with its first letter in upper case, the rest untouched."""
    return sentence[:1].upper() + sentence[1:]


def listing(items: Sequence[str], word: str = "and") -> str:
    """a; a and b; a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


@dataclass(frozen=True)
class Character:
    """Somebody in a story. `{h}` in a pattern is the name, `{h.he}`, `{h.him}`, `{h.his}` the pronouns."""

    name: str
    kind: str
    female: bool
    home: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def cap(self) -> str:
        """The name at the start of a sentence."""
        return capital(self.name)

    @property
    def he(self) -> str:
        """Subject pronoun."""
        return "she" if self.female else "he"

    @property
    def him(self) -> str:
        """Object pronoun."""
        return "her" if self.female else "him"

    @property
    def his(self) -> str:
        """Possessive pronoun."""
        return "her" if self.female else "his"

    @property
    def himself(self) -> str:
        """Reflexive pronoun."""
        return "herself" if self.female else "himself"

    @property
    def He(self) -> str:  # noqa: N802 (the capital is the point)
        """Subject pronoun at the start of a sentence."""
        return capital(self.he)

    @property
    def His(self) -> str:  # noqa: N802
        """Possessive pronoun at the start of a sentence."""
        return capital(self.his)


GIRLS = ("Lily", "Anna", "Mia", "Lucy")
BOYS = ("Tom", "Ben", "Sam", "Max")
ANIMAL_GIRLS = ("Nina", "Daisy", "Poppy", "Ruby")
ANIMAL_BOYS = ("Pip", "Bruno", "Rusty", "Milo")

# Kind of animal and where it lives.
ANIMALS = (
    ("rabbit", "in a warm burrow under a hill"),
    ("fox", "in a den near the river"),
    ("bear", "in a cave at the foot of a mountain"),
    ("mouse", "in a small hole under an old oak tree"),
    ("squirrel", "in a tall tree in the forest"),
    ("hedgehog", "under a pile of leaves in a garden"),
    ("cat", "in a little house with a red door"),
    ("dog", "on a farm at the edge of the village"),
    ("badger", "in a deep burrow in the woods"),
    ("deer", "in a quiet part of the forest"),
    ("monkey", "in a forest full of fruit trees"),
    ("lamb", "in a green field behind the farm"),
)
HUMAN_HOMES = (
    "in a small village near the sea",
    "in a white house by the river",
    "on a farm at the foot of a hill",
    "in a big city with tall buildings",
    "in a little house next to the park",
    "in a small town in the mountains",
)
FAMILY = (("grandmother", True), ("grandfather", False), ("mother", True), ("father", False))
WISE_ANIMALS = (("the old owl", False), ("the wise old turtle", True), ("the old goat", False), ("the old goose", True))


def draw_cast(chance: Chance, who: str) -> dict[str, Character]:
    """A hero `h`, a friend `f` and a newcomer `n` of one world, and an elder `e` who knows more.

    `who` is "people" or "animals".
    """
    if who == "people":
        people = [(name, True) for name in GIRLS] + [(name, False) for name in BOYS]
        (hero, hero_female), (friend, friend_female), (third, third_female) = chance.several(people, 3)
        h = Character(hero, "girl" if hero_female else "boy", hero_female, chance.pick(HUMAN_HOMES))
        f = Character(friend, "girl" if friend_female else "boy", friend_female)
        n = Character(third, "girl" if third_female else "boy", third_female)
        elder, elder_female = chance.pick(FAMILY)
        return {"h": h, "f": f, "n": n, "e": Character(f"{h.his} {elder}", elder, elder_female)}
    names = [(name, True) for name in ANIMAL_GIRLS] + [(name, False) for name in ANIMAL_BOYS]
    (hero, hero_female), (friend, friend_female), (third, third_female) = chance.several(names, 3)
    (kind, home), (friend_kind, _), (third_kind, _) = chance.several(ANIMALS, 3)
    elder, elder_female = chance.pick(WISE_ANIMALS)
    return {
        "h": Character(hero, kind, hero_female, home),
        "f": Character(friend, friend_kind, friend_female),
        "n": Character(third, third_kind, third_female),
        "e": Character(elder, elder, elder_female),
    }
