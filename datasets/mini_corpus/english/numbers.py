"""Arithmetic: sums, counting, and small stories that need one. Every number is computed, never typed."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.arithmetic import equation
from mini_corpus.chance import Chance
from mini_corpus.english.cast import BOYS, GIRLS, Character

SPOKEN = {"+": "plus", "-": "minus", "×": "times"}
# Singular and plural of things one can count.
THINGS = (
    ("apple", "apples"),
    ("pear", "pears"),
    ("egg", "eggs"),
    ("book", "books"),
    ("pencil", "pencils"),
    ("flower", "flowers"),
    ("stone", "stones"),
    ("ball", "balls"),
    ("shell", "shells"),
    ("nut", "nuts"),
    ("coin", "coins"),
    ("sweet", "sweets"),
)
GROUPS = ("bag", "box", "basket", "bowl", "pocket")
PLACES = ("on the table", "in the basket", "in the garden", "on the shelf", "in the box", "under the tree")


def arithmetic_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a page of sums, asked or told, or a row of numbers, a call."""

    def sums() -> str:
        lines = [f"{a} {op} {b} = {c}" for a, op, b, c in (equation(chance) for _ in range(chance.between(4, 8)))]
        return "\n".join(lines)

    def asked() -> str:
        pairs = []
        for _ in range(chance.between(2, 4)):
            a, op, b, c = equation(chance)
            asked_for = f"{a} {op} {b}" if chance.often(0.5) else f"{a} {SPOKEN[op]} {b}"
            pairs.append(f"Question: What is {asked_for}?\nAnswer: {a} {op} {b} = {c}.")
        return "\n".join(pairs)

    def compared() -> str:
        pairs = []
        for _ in range(chance.between(2, 4)):
            a, b = chance.between(1, 99), chance.between(1, 99)
            if a == b:
                b += 1
            word = chance.pick(("larger", "smaller"))
            best, other = (max(a, b), min(a, b)) if word == "larger" else (min(a, b), max(a, b))
            question = f"Question: Which number is {word}, {a} or {b}?"
            pairs.append(f"{question}\nAnswer: {best} is {word} than {other}.")
        return "\n".join(pairs)

    def counted() -> str:
        step, length = chance.pick((1, 1, 1, 2, 5, 10)), chance.between(8, 12)
        first = step * chance.between(1, 40 // step)
        row = [first + step * i for i in range(length)]
        if chance.often(0.3):
            row.reverse()
            way = f"Count backwards from {row[0]} to {row[-1]}"
        else:
            way = f"Count from {row[0]} to {row[-1]}"
        how = "" if step == 1 else f" in steps of {step}"
        return f"{way}{how}: {', '.join(str(n) for n in row)}."

    def write() -> str:
        return chance.pick((sums, sums, asked, asked, asked, compared, counted))()

    return write


def word_problem_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one or two small stories with a sum a call."""
    people = [Character(name, "girl", True) for name in GIRLS] + [Character(name, "boy", False) for name in BOYS]

    def count(n: int, thing: tuple[str, str]) -> str:
        return f"{n} {thing[0] if n == 1 else thing[1]}"

    def given() -> str:
        (p, q), t = chance.several(people, 2), chance.pick(THINGS)
        a, b = chance.between(2, 12), chance.between(1, 9)
        now, then = "{p} has {n}. {q} gives {p.him} {b} more.", "{p} had {n}. Then {q} gave {p.him} {b} more."
        start = chance.pick((now, then))
        ask = f"How many {t[1]} does {p} have now?"
        told = start.format(p=p, q=q, n=count(a, t), b=b)
        return f"{told} {ask} {a} + {b} = {a + b}, so {p} has {count(a + b, t)}."

    def eaten() -> str:
        p, place = chance.pick(people), chance.pick(PLACES)
        t = chance.pick(THINGS)
        a = chance.between(3, 15)
        b = chance.between(1, a - 1)
        taken = chance.pick(("takes", "picks up"))
        told = f"There are {count(a, t)} {place}. {p} {taken} {b} of them."
        left = count(a - b, t)
        be = "is" if a - b == 1 else "are"
        return f"{told} How many {t[1]} are left? {a} - {b} = {a - b}, so {left} {be} left."

    def grouped() -> str:
        p, t, g = chance.pick(people), chance.pick(THINGS), chance.pick(GROUPS)
        a, b = chance.between(2, 9), chance.between(2, 9)
        bags = {"box": "boxes"}.get(g, f"{g}s")
        told = f"{p} has {a} {bags}. There are {count(b, t)} in each {g}."
        return f"{told} How many {t[1]} are there in all? {a} × {b} = {a * b}, so there are {count(a * b, t)} in all."

    def together() -> str:
        (p, q), t = chance.several(people, 2), chance.pick(THINGS)
        a, b = chance.between(2, 15), chance.between(2, 15)
        told = f"{p} finds {count(a, t)}, and {q} finds {count(b, t)}."
        ask = f"How many {t[1]} do they have together?"
        return f"{told} {ask} {a} + {b} = {a + b}, so together they have {count(a + b, t)}."

    def older() -> str:
        p, q = chance.several(people, 2)
        a, b = chance.between(4, 12), chance.between(2, 6)
        told = f"{p} is {a} years old. {q} is {b} years older than {p}."
        return f"{told} How old is {q}? {a} + {b} = {a + b}, so {q} is {a + b} years old."

    def more() -> str:
        (p, q), t = chance.several(people, 2), chance.pick(THINGS)
        a, d = chance.between(2, 12), chance.between(1, 8)
        told = f"{p} has {count(a + d, t)}, and {q} has {count(a, t)}."
        ask = f"How many more {t[1]} does {p} have than {q}?"
        return f"{told} {ask} {a + d} - {a} = {d}, so {p} has {d} more."

    def write() -> str:
        return "\n".join(problem() for problem in chance.several((given, eaten, grouped, together, older, more), 2))

    return write
