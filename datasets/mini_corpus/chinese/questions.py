"""问答与常识。Questions with true answers, and the same facts told as plain statements."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.chinese.facts_of_nature import NATURE
from mini_corpus.chinese.facts_of_people import PEOPLE
from mini_corpus.fact import Fact

FACTS: list[Fact] = NATURE + PEOPLE
# What a person is likely to ask a small model first comes more often than the rest.
OFTEN = frozenset(("颜色", "叫声", "动物", "首都", "身体", "星期和季节", "是不是"))
LEADS = (
    "这些是大家都知道的常识。",
    "你知道这些知识吗？",
    "今天我们来学一点儿新知识。",
    "今天老师教了我们这些知识。",
    "下面是一些常识。",
    "这些都是真的。",
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
            pairs.append(f"问：{chance.lean(fact.questions)}\n答：{chance.lean(fact.answers)}")
        return "\n".join(pairs)

    return write


def statement_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a paragraph of facts a call."""
    # "不是，……" means nothing without its question.
    deck = Deck([fact for fact in weighted(FACTS) if fact.topic != "是不是"], chance)

    def write() -> str:
        told = [chance.pick(deck.draw().answers) for _ in range(chance.between(4, 7))]
        return "".join([chance.pick(LEADS), *told])

    return write
