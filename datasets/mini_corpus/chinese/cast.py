"""中文故事里的人物。Who plays in the Chinese stories, with the pronouns and measure words their sentences need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mini_corpus.chance import Chance


def listing(items: Sequence[str]) -> str:
    """甲；甲和乙；甲、乙和丙。"""
    return items[0] if len(items) == 1 else f"{'、'.join(items[:-1])}和{items[-1]}"


@dataclass(frozen=True)
class Character:
    """Somebody in a story. `{h}` in a pattern is the name, `{h.ta}` the pronoun, `{h.one}` 一只小兔子 or 一个女孩."""

    name: str
    kind: str
    ta: str
    measure: str
    home: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def one(self) -> str:
        """The kind with its measure word."""
        return f"一{self.measure}{self.kind}"


GIRLS = ("小红", "小丽", "小芳", "小雪")
BOYS = ("小明", "小刚", "小强", "小军")
ANIMAL_NAMES = ("白白", "跳跳", "灰灰", "豆豆", "毛毛", "点点", "球球", "乐乐")
# Kind of animal, its measure word, where it lives.
ANIMALS = (
    ("小兔子", "只", "山坡下的洞里"),
    ("小狐狸", "只", "小河边的树林里"),
    ("小熊", "只", "大山脚下的山洞里"),
    ("小老鼠", "只", "老橡树下的小洞里"),
    ("小松鼠", "只", "森林里的一棵大树上"),
    ("小刺猬", "只", "花园里的落叶下面"),
    ("小猫", "只", "一座红屋顶的房子里"),
    ("小狗", "只", "村子旁边的农场里"),
    ("小猴子", "只", "长满果树的山上"),
    ("小鹿", "只", "安静的森林里"),
    ("小羊", "只", "农场后面的草地上"),
    ("小马", "匹", "宽阔的草原上"),
)
HUMAN_HOMES = (
    "海边的一个小村子里",
    "河边的一座白房子里",
    "山脚下的一个农场里",
    "一座热闹的大城市里",
    "公园旁边的一座小楼里",
    "山里的一个小镇上",
)
FAMILY = ("奶奶", "爷爷", "妈妈", "爸爸")
WISE_ANIMALS = ("猫头鹰爷爷", "乌龟爷爷", "山羊伯伯", "大象阿姨")


def people() -> list[Character]:
    """All children, girls first."""
    girls = [Character(name, "女孩", "她", "个") for name in GIRLS]
    return girls + [Character(name, "男孩", "他", "个") for name in BOYS]


def draw_cast(chance: Chance, who: str) -> dict[str, Character | str]:
    """A hero `h`, a friend `f`, a newcomer `n`, an elder `e` who knows more, and `they`, the pronoun of h and f.

    `who` is "people" or "animals".
    """
    if who == "people":
        chosen = chance.several(people(), 3)
        homes = [chance.pick(HUMAN_HOMES)] * 3
        elder = chance.pick(FAMILY)
        they = "她们" if chosen[0].ta == chosen[1].ta == "她" else "他们"
    else:
        kinds = chance.several(ANIMALS, 3)
        names = chance.several(ANIMAL_NAMES, 3)
        chosen = [Character(name, kind, "它", measure) for name, (kind, measure, _) in zip(names, kinds, strict=True)]
        homes = [home for _, _, home in kinds]
        elder = chance.pick(WISE_ANIMALS)
        they = "它们"
    h, f, n = (
        Character(one.name, one.kind, one.ta, one.measure, home) for one, home in zip(chosen, homes, strict=True)
    )
    return {"h": h, "f": f, "n": n, "e": elder, "they": they}
