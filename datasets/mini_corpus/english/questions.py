"""Questions with true answers, and the same facts told as plain statements."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.english.facts_of_nature import NATURE
from mini_corpus.english.facts_of_people import PEOPLE
from mini_corpus.fact import Fact

FACTS: list[Fact] = NATURE + PEOPLE
LEADS = (
    "Here are some things that everybody knows.",
    "Do you know these facts?",
    "Let us learn something new.",
    "Today we learned this at school.",
    "Some facts about the world:",
    "These things are true.",
)


def question_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes two to five questions with their answers a call; all facts come equally often."""
    deck = Deck(FACTS, chance)

    def write() -> str:
        pairs = []
        for _ in range(chance.between(2, 5)):
            fact = deck.draw()
            pairs.append(f"Question: {chance.pick(fact.questions)}\nAnswer: {chance.pick(fact.answers)}")
        return "\n".join(pairs)

    return write


def statement_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a paragraph of facts a call."""
    # "Yes, ..." and "No, ..." mean nothing without their question.
    deck = Deck([fact for fact in FACTS if fact.topic != "yes or no"], chance)

    def write() -> str:
        told = [chance.pick(deck.draw().answers) for _ in range(chance.between(4, 7))]
        return " ".join([chance.pick(LEADS), *told])

    return write
