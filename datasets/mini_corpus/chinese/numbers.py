"""算术。Arithmetic: sums, counting, and small stories that need one. Every number is computed, never typed."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.arithmetic import equation
from mini_corpus.chance import Chance
from mini_corpus.chinese.cast import BOYS, GIRLS

SPOKEN = {"+": "加", "-": "减", "×": "乘以"}
# Measure word and thing.
THINGS = (
    ("个", "苹果"),
    ("个", "梨"),
    ("个", "鸡蛋"),
    ("本", "书"),
    ("支", "铅笔"),
    ("朵", "花"),
    ("块", "石头"),
    ("个", "皮球"),
    ("个", "贝壳"),
    ("颗", "糖"),
    ("枚", "硬币"),
    ("张", "邮票"),
)
GROUPS = (("个", "袋子"), ("个", "盒子"), ("个", "篮子"), ("个", "抽屉"), ("只", "箱子"))
PLACES = ("桌子上", "篮子里", "花园里", "书架上", "盒子里", "大树下")


def arithmetic_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a page of sums, asked or told, or a row of numbers, a call."""

    def sums() -> str:
        lines = [f"{a} {op} {b} = {c}" for a, op, b, c in (equation(chance) for _ in range(chance.between(4, 8)))]
        return "\n".join(["算一算：", *lines])

    def asked() -> str:
        pairs = []
        for _ in range(chance.between(2, 4)):
            a, op, b, c = equation(chance)
            pairs.append(f"问：{a}{SPOKEN[op]}{b}等于多少？\n答：{a} {op} {b} = {c}。")
        return "\n".join(pairs)

    def compared() -> str:
        pairs = []
        for _ in range(chance.between(2, 4)):
            a, b = chance.between(1, 99), chance.between(1, 99)
            if a == b:
                b += 1
            word = chance.pick("大小")
            best, other = (max(a, b), min(a, b)) if word == "大" else (min(a, b), max(a, b))
            pairs.append(f"问：{a}和{b}，哪个数{word}？\n答：{best}比{other}{word}。")
        return "\n".join(pairs)

    def counted() -> str:
        step, length = chance.pick((1, 1, 1, 2, 5, 10)), chance.between(8, 12)
        first = step * chance.between(1, 40 // step)
        row = [first + step * i for i in range(length)]
        way = "数"
        if chance.often(0.3):
            row.reverse()
            way = "倒着数"
        how = "" if step == 1 else f"，每次数{step}个"
        return f"从{row[0]}{way}到{row[-1]}{how}：{'，'.join(str(n) for n in row)}。"

    return lambda: chance.pick((sums, sums, asked, asked, asked, compared, counted))()


def word_problem_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes two small stories with a sum a call."""
    people = GIRLS + BOYS

    def given() -> str:
        (p, q), (m, t) = chance.several(people, 2), chance.pick(THINGS)
        a, b = chance.between(2, 12), chance.between(1, 9)
        told = chance.pick((f"{p}有{a}{m}{t}，{q}又给了{p}{b}{m}。", f"{p}有{a}{m}{t}，后来{q}送给{p}{b}{m}。"))
        return f"{told}{p}现在有几{m}{t}？{a} + {b} = {a + b}，所以{p}现在有{a + b}{m}{t}。"

    def taken() -> str:
        p, place, (m, t) = chance.pick(people), chance.pick(PLACES), chance.pick(THINGS)
        a = chance.between(3, 15)
        b = chance.between(1, a - 1)
        told = f"{place}有{a}{m}{t}，{p}拿走了{b}{m}。"
        return f"{told}还剩几{m}{t}？{a} - {b} = {a - b}，所以还剩{a - b}{m}{t}。"

    def grouped() -> str:
        p, (m, t), (gm, g) = chance.pick(people), chance.pick(THINGS), chance.pick(GROUPS)
        a, b = chance.between(2, 9), chance.between(2, 9)
        told = f"{p}有{spoken(a)}{gm}{g}，每{gm}{g}里有{b}{m}{t}。"
        return f"{told}一共有多少{m}{t}？{a} × {b} = {a * b}，所以一共有{a * b}{m}{t}。"

    def together() -> str:
        (p, q), (m, t) = chance.several(people, 2), chance.pick(THINGS)
        a, b = chance.between(2, 15), chance.between(2, 15)
        told = f"{p}找到{a}{m}{t}，{q}找到{b}{m}{t}。"
        return f"{told}一共找到多少{m}{t}？{a} + {b} = {a + b}，所以一共找到{a + b}{m}{t}。"

    def older() -> str:
        p, q = chance.several(people, 2)
        a, b = chance.between(4, 12), chance.between(2, 6)
        return f"{p}今年{a}岁，{q}比{p}大{b}岁。{q}今年几岁？{a} + {b} = {a + b}，所以{q}今年{a + b}岁。"

    def more() -> str:
        (p, q), (m, t) = chance.several(people, 2), chance.pick(THINGS)
        a, d = chance.between(2, 12), chance.between(1, 8)
        told = f"{p}有{a + d}{m}{t}，{q}有{a}{m}{t}。"
        return f"{told}{p}比{q}多几{m}{t}？{a + d} - {a} = {d}，所以{p}比{q}多{d}{m}{t}。"

    def spoken(n: int) -> str:
        return "零一两三四五六七八九"[n]

    def write() -> str:
        return "\n".join(problem() for problem in chance.several((given, taken, grouped, together, older, more), 2))

    return write
