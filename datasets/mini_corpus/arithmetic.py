"""The sums both languages ask for."""

from __future__ import annotations

from mini_corpus.chance import Chance


def equation(chance: Chance) -> tuple[int, str, int, int]:
    """a, operator, b, result; mostly small numbers, now and then two digits."""
    operator = chance.pick(("+", "+", "-", "-", "×"))
    if operator == "×":
        a, b = chance.between(1, 9), chance.between(1, 9)
        return a, operator, b, a * b
    whole = chance.between(2, chance.pick((10, 10, 10, 20, 20, 100)))
    if operator == "-":
        part = chance.between(1, whole)
        return whole, operator, part, whole - part
    part = chance.between(1, whole - 1)
    return whole - part, operator, part, whole
