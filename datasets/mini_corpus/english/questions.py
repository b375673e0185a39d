"""Questions with true answers, and the same facts told as plain statements."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.english.facts_of_nature import NATURE
from mini_corpus.english.facts_of_people import PEOPLE
from mini_corpus.fact import Fact

FACTS: list[Fact] = NATURE + PEOPLE
# What a person is likely to ask a small model first comes more often than the rest.
OFTEN = frozenset(("colours", "animal sounds", "animals", "capitals", "the body", "days and seasons", "yes or no"))
LEADS = (
    "Here are some things that everybody knows.",
    "Do you know these facts?",
    "Let us learn something new.",
    "Today we learned this at school.",
    "Some facts about the world:",
    "These things are true.",
)


def weighted(facts: list[Fact]) -> list[Fact]:
    """The facts, those of the topics in OFTEN four times."""
    return [fact for fact in facts for _ in range(4 if fact.topic in OFTEN else 1)]


def question_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes two to five questions with their answers a call."""
    deck = Deck(weighted(FACTS), chance)

    def write() -> str:
        pairs = []
        for _ in range(chance.between(2, 5)):
            fact = deck.draw()
            pairs.append(f"Question: {chance.lean(fact.questions)}\nAnswer: {chance.lean(fact.answers)}")
        return "\n".join(pairs)

    return write


def statement_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a paragraph of facts a call."""
    # "Yes, ..." and "No, ..." mean nothing without their question.
    deck = Deck([fact for fact in weighted(FACTS) if fact.topic != "yes or no"], chance)

    def write() -> str:
        told = [chance.pick(deck.draw().answers) for _ in range(chance.between(4, 7))]
        return " ".join([chance.pick(LEADS), *told])

    return write
