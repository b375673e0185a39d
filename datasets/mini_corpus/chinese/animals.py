"""动物。A table of animals, and what can be said truly about them: descriptions, riddles, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from mini_corpus.chance import Chance, Deck


@dataclass(frozen=True)
class Animal:
    """One kind of animal. `size` orders from small to large; equal sizes are not compared."""

    name: str
    measure: str
    group: str
    size: int
    looks: str  # 有……
    legs: str
    lives: str  # 生活在……
    eats: str
    can: str  # 会……
    more: str  # a sentence about it


def _animals(*rows: str) -> tuple[Animal, ...]:
    made = []
    for row in rows:
        name, measure, group, size, looks, legs, lives, eats, can, more = row.split(" | ")
        made.append(Animal(name, measure, group, int(size), looks, legs, lives, eats, can, more))
    return tuple(made)


ANIMALS = _animals(
    "蚂蚁 | 只 | 昆虫 | 1 | 黑色或红色的身体 | 六 | 大大的蚁巢里 | 种子和小虫"
    " | 搬动比自己重的东西 | 蚂蚁总是一起劳动。",
    "蜜蜂 | 只 | 昆虫 | 2 | 黄黑相间的条纹 | 六 | 蜂巢里 | 花蜜和花粉 | 在花丛里飞来飞去 | 蜜蜂酿出甜甜的蜂蜜。",
    "蝴蝶 | 只 | 昆虫 | 3 | 两对美丽的翅膀 | 六 | 花园和草地上 | 花蜜 | 在空中跳舞 | 蝴蝶小时候是毛毛虫。",
    "老鼠 | 只 | 哺乳动物 | 4 | 柔软的毛和长长的尾巴 | 四 | 小洞里 | 粮食和种子 | 打洞和藏东西 | 老鼠最怕猫。",
    "青蛙 | 只 | 两栖动物 | 5 | 湿湿的皮肤和大大的眼睛 | 四 | 池塘边 | 昆虫 | 跳高和游泳 | 青蛙小时候叫蝌蚪。",
    "松鼠 | 只 | 哺乳动物 | 6 | 一条又大又蓬松的尾巴 | 四 | 树上 | 坚果和种子 | 在树枝上跳来跳去"
    " | 松鼠会为冬天准备食物。",
    "猫头鹰 | 只 | 鸟 | 7 | 又大又圆的眼睛 | 两 | 森林里 | 老鼠和昆虫 | 在夜里捉老鼠 | 猫头鹰白天睡觉。",
    "兔子 | 只 | 哺乳动物 | 8 | 长长的耳朵和短短的尾巴 | 四 | 地洞里 | 草和蔬菜 | 蹦蹦跳跳 | 兔子胆子很小。",
    "鸭子 | 只 | 鸟 | 8 | 扁扁的嘴和柔软的羽毛 | 两 | 水边 | 水草和小鱼 | 游泳和走路 | 鸭子喜欢下雨天。",
    "猫 | 只 | 哺乳动物 | 9 | 柔软的毛和锋利的爪子 | 四 | 人的家里 | 鱼和肉 | 爬树和捉老鼠 | 猫喜欢睡觉。",
    "企鹅 | 只 | 鸟 | 10 | 黑白相间的羽毛 | 两 | 寒冷的南方海边 | 鱼 | 游泳和潜水 | 天冷的时候，企鹅会紧紧地站在一起。",
    "狗 | 条 | 哺乳动物 | 12 | 湿湿的鼻子和灵敏的嗅觉 | 四 | 人的家里 | 肉和很多别的东西 | 看家 | 狗是人的好朋友。",
    "绵羊 | 只 | 哺乳动物 | 15 | 厚厚的毛 | 四 | 农场里 | 草 | 咩咩地叫 | 人们用羊毛做暖和的衣服。",
    "袋鼠 | 只 | 哺乳动物 | 17 | 强壮的后腿和长长的尾巴 | 四 | 澳大利亚 | 草和树叶"
    " | 跳过高高的草丛 | 袋鼠妈妈把孩子放在袋子里。",
    "大熊猫 | 只 | 哺乳动物 | 18 | 黑白两色的毛 | 四 | 中国的山林里 | 竹子 | 爬树 | 大熊猫每天要吃很多竹子。",
    "狮子 | 头 | 哺乳动物 | 20 | 锋利的牙齿和爪子 | 四 | 非洲的草原上 | 肉 | 发出很大的吼声 | 雄狮的头上有长长的鬃毛。",
    "马 | 匹 | 哺乳动物 | 24 | 长长的腿和长长的尾巴 | 四 | 草原和农场里 | 草 | 跑很远的路 | 马可以站着睡觉。",
    "奶牛 | 头 | 哺乳动物 | 25 | 高大的身体 | 四 | 农场里 | 草 | 产牛奶 | 奶牛每天花很多时间嚼草。",
    "骆驼 | 头 | 哺乳动物 | 26 | 一个或两个驼峰 | 四 | 沙漠里 | 草和树叶 | 在沙漠里走很远的路 | 人们骑着骆驼走过沙漠。",
    "长颈鹿 | 只 | 哺乳动物 | 30 | 长长的脖子和棕色的花纹 | 四 | 非洲 | 树叶"
    " | 吃到高处的树叶 | 长颈鹿是世界上最高的动物。",
    "大象 | 头 | 哺乳动物 | 40 | 长长的鼻子和大大的耳朵 | 四 | 非洲和亚洲 | 草、树叶和水果"
    " | 用鼻子搬东西 | 大象是陆地上最大的动物。",
    "鲸 | 头 | 哺乳动物 | 90 | 巨大的身体 | 零 | 大海里 | 海里的小动物 | 游很远的路 | 鲸要到水面上来呼吸。",
)


def animal_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a description, a riddle or a comparison of animals a call."""
    deck = Deck(ANIMALS, chance)

    def legs(x: Animal) -> str:
        return "没有腿" if x.legs == "零" else f"有{x.legs}条腿"

    def describe() -> str:
        x = deck.draw()
        opening = chance.pick(
            (
                f"{x.name}是一种{x.group}，它有{x.looks}。",
                f"你知道{x.name}长什么样吗？它有{x.looks}。",
                f"{x.name}有{x.looks}，是一种{x.group}。",
                f"今天我们来认识{x.name}。{x.name}有{x.looks}。",
            )
        )
        facts = [f"它生活在{x.lives}。", f"它吃{x.eats}。", f"它{legs(x)}。", f"它会{x.can}。", x.more]
        told = chance.in_order(facts, chance.between(3, 5))
        closing = chance.pick(("", f"你见过{x.name}吗？", f"我很喜欢{x.name}。", f"小朋友们都喜欢看{x.name}的故事。"))
        return "".join([opening, *told, closing])

    def riddle() -> str:
        x = deck.draw()
        clues = [f"我有{x.looks}。", f"我{legs(x)}。", f"我生活在{x.lives}。", f"我吃{x.eats}。", f"我会{x.can}。"]
        told = "".join(chance.several(clues, chance.between(3, 4)))
        return f"谜语：{told}{chance.pick(('我是谁？', '猜猜我是什么动物？'))}\n谜底：{x.name}。"

    def compare() -> str:
        x = deck.draw()
        y = chance.pick([other for other in ANIMALS if other.size != x.size])
        big, small = (x, y) if x.size > y.size else (y, x)
        told = [
            chance.pick((f"{x.name}和{y.name}都是动物。", f"我们来比一比{x.name}和{y.name}。")),
            chance.pick((f"{big.name}比{small.name}大。", f"{small.name}比{big.name}小。")),
        ]
        differences = [
            f"{x.name}有{x.looks}，{y.name}有{y.looks}。",
            f"{x.name}生活在{x.lives}，{y.name}生活在{y.lives}。" if x.lives != y.lives else f"它们都生活在{x.lives}。",
            f"{x.name}吃{x.eats}，{y.name}吃{y.eats}。" if x.eats != y.eats else f"它们都吃{x.eats}。",
            f"{x.name}{legs(x)}，{y.name}{legs(y)}。" if x.legs != y.legs else f"它们都{legs(x)}。",
            f"{x.name}会{x.can}，{y.name}会{y.can}。",
        ]
        return "".join([*told, *chance.in_order(differences, chance.between(2, 4))])

    def ranked() -> str:
        chosen = sorted(chance.several(ANIMALS, chance.between(3, 4)), key=lambda animal: animal.size)
        if any(left.size == right.size for left, right in pairwise(chosen)):
            return ranked()
        steps = "，".join(f"{right.name}比{left.name}大" for left, right in pairwise(chosen))
        names = [animal.name for animal in chance.shuffled(chosen)]
        asked = f"问：{'、'.join(names[:-1])}和{names[-1]}，哪个最大？"
        return f"{asked}\n答：{steps}，所以{chosen[-1].name}最大。"

    return lambda: chance.pick((describe, describe, describe, riddle, compare, compare, ranked))()
