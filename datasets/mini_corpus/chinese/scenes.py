"""描写、日记和信。Descriptions of places, seasons, objects and people, diary pages and letters."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance
from mini_corpus.chinese.cast import FAMILY, Character, listing, people

# A place: what it is like | what there is | what people do there | how it sounds or smells.
PLACES = (
    "菜市场 | 菜市场里人很多 | 红苹果 新鲜的鱼 热包子 甜西瓜 绿茶 | 买菜 和卖菜的人说话 挑便宜的东西"
    " | 空气里有水果的香味",
    "图书馆 | 图书馆里很安静 | 高高的书架 古老的书 舒服的椅子 长长的桌子 明亮的窗户 | 看故事 写作业 找书"
    " | 只听见翻书的声音",
    "海边 | 海边的沙滩又长又宽 | 白色的贝壳 小螃蟹 光滑的石头 灰色的海鸟 小小的船 | 堆沙堡 游泳 晒太阳"
    " | 海浪日夜不停地唱歌",
    "农场 | 农场在小山的后面 | 棕色的牛 白色的母鸡 胖胖的猪 老马 黄色的田野 | 喂动物 摘水果 挤牛奶 | 早上公鸡会打鸣",
    "森林 | 森林里又凉快又绿 | 高高的松树 柔软的青苔 野果 棕色的蘑菇 胆小的鹿 | 散步 听鸟叫 采蘑菇"
    " | 风在树叶里轻轻地说话",
    "公园 | 公园在城市的中间 | 木头长椅 老树 小湖 鲜艳的花 滑梯 | 骑自行车 放风筝 乘凉 | 星期天有人在那里拉二胡",
    "厨房 | 厨房是家里最暖和的地方 | 圆桌子 发亮的锅 蓝盘子 大炉子 一罐罐果酱 | 烤面包 喝茶 切菜 | 到处是饭菜的香味",
    "村子 | 村子在两座山的中间 | 小房子 石头桥 老水井 窄窄的小路 小学校 | 在田里干活 和邻居打招呼 聊天"
    " | 到了晚上就非常安静",
    "火车站 | 火车站里总是有很多人 | 长长的火车 大钟 沉重的行李 小商店 疲倦的旅客 | 等火车 买票 和亲人告别"
    " | 过几分钟就有火车的汽笛声",
    "学校 | 学校是一座红色的楼，有一个大操场 | 明亮的教室 长长的走廊 音乐室 足球场 彩色的图画"
    " | 学认字 做实验 做游戏 | 下课铃一响，大家都跑出来",
)
# A season: weather | nature | what people do | what they wear.
SEASONS = (
    "春天 | 白天变长了 雪化了 空气很温和 | 花开始开了 树长出了新叶 小鸟在做窝 | 放风筝 种花 散步 | 薄外套",
    "夏天 | 太阳很热 白天很长 有时候会下雷雨 | 树叶变得很绿 果子成熟了 虫子在草里唱歌"
    " | 去游泳 吃冰淇淋 在树荫下乘凉 | 短袖衣服",
    "秋天 | 风很凉快 白天变短了 常常下雨 | 树叶变红变黄了 大雁往南飞 田里的庄稼熟了 | 摘苹果 捡栗子 收庄稼 | 毛衣",
    "冬天 | 天气很冷 夜很长 有时候会下雪 | 树上光秃秃的 湖面结了冰 许多动物在睡觉 | 堆雪人 滑冰 喝热茶 | 厚大衣",
)
# An object: measure word | name | material | look | use.
OBJECTS = (
    "个 | 钟 | 木头 | 又圆又旧 | 它告诉我们时间",
    "把 | 椅子 | 木头 | 很旧，但是很结实 | 爷爷喜欢坐在上面",
    "个 | 杯子 | 陶土 | 小小的，蓝蓝的 | 我每天早上用它喝茶",
    "个 | 书包 | 布 | 又大又结实 | 我用它装书",
    "条 | 围巾 | 羊毛 | 又长又红 | 冬天它让我很暖和",
    "盏 | 台灯 | 玻璃 | 又小又亮 | 晚上我在灯下看书",
    "个 | 盒子 | 纸 | 方方的，很轻 | 我用它装信",
    "把 | 钥匙 | 铁 | 又小又旧 | 它能打开花园的门",
    "只 | 风筝 | 纸和竹子 | 又轻又漂亮 | 有风的时候它飞得很高",
    "把 | 勺子 | 银 | 又薄又亮 | 我们用它喝汤",
    "扇 | 窗户 | 玻璃 | 又宽又干净 | 从那里我能看见远处的山",
    "把 | 雨伞 | 布 | 又大又黑 | 下雨的时候它替我挡雨",
)
OBJECT_PLACES = ("我的房间里", "我家的厨房里", "奶奶家", "我家的客厅里", "花园的小屋里")
WORK = ("老师", "医生", "农民", "面包师", "画家", "司机", "工程师", "厨师", "护士", "作家")
LIKES = ("看书", "散步", "听音乐", "吃水果", "看老电影", "种花", "踢足球", "养狗", "喝茶", "看海")
LOOKS = ("长长的黑头发", "短短的头发", "一双明亮的眼睛", "一双大眼睛", "卷卷的头发", "一张圆圆的脸")
CHARACTER = ("善良又耐心", "幽默又聪明", "安静又友好", "诚实又勇敢", "活泼又开朗")
WEATHER = ("晴", "下雨", "阴", "刮风", "冷", "暖和")
DAYS = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期天")
MORNING = ("我七点钟起床", "我很早就醒了", "我起得很晚", "小鸟一叫，我就醒了")
BREAKFAST = ("面包和鸡蛋", "大米粥", "面条", "包子和豆浆", "水果和牛奶")
ERRANDS = (
    "和{e}去菜市场买了{goods}",
    "帮{e}浇花",
    "打扫了房间，还擦了窗户",
    "看了一本关于{topic}的书",
    "去{friend}家下象棋",
    "学会了一首新的钢琴曲",
    "和{friend}去公园玩",
    "给{friend}写了一封信",
    "和{e}一起做了一个蛋糕",
)
GOODS = ("苹果", "萝卜", "鱼", "鸡蛋", "橘子", "面包", "土豆", "茶叶")
TOPICS = ("星星", "动物", "大海", "古代英雄", "高山", "植物")
FEELINGS = (
    "今天真是美好的一天。",
    "我很累，但是很开心。",
    "明天我要早点儿起床。",
    "我盼着明天快点儿来。",
    "现在我要去睡觉了。",
    "希望明天也这样愉快。",
)


def scene_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one description, diary page or letter a call."""
    everybody = people()

    def place() -> str:
        name, opening, things, acts, mood = chance.pick(PLACES).split(" | ")
        lead = "" if name == "厨房" else chance.pick((f"我喜欢去{name}。", f"离我家不远有一个{name}。", ""))
        if name == "海边" and lead.startswith("离"):
            lead = ""
        see = chance.pick(("那里有{seen}。", "在那里可以看见{seen}。", "你会看见{seen}。"))
        do = chance.pick(("人们在那里{acts}。", "大家喜欢在那里{acts}。"))
        doing = "、".join(chance.several(acts.split(), 2))
        seen = listing(chance.several(things.split(), 3))
        return f"{lead}{opening}。{see.format(seen=seen)}{do.format(acts=doing)}{mood}。"

    def season() -> str:
        name, weather, nature, acts, clothes = chance.pick(SEASONS).split(" | ")
        told = [
            chance.pick((f"{name}来了。", f"我很喜欢{name}。", f"{name}是一个美丽的季节。")),
            f"{'，'.join(chance.several(weather.split(), 2))}。",
            f"{'，'.join(chance.several(nature.split(), 2))}。",
            f"{name}，人们{'、'.join(chance.several(acts.split(), 2))}。",
            chance.pick((f"大家都穿上了{clothes}。", f"出门的时候要穿{clothes}。")),
        ]
        return "".join(told)

    def seasons_compared() -> str:
        x, y = chance.several(SEASONS, 2)
        (xn, xw, xs, xa, xc), (yn, yw, ys, ya, yc) = x.split(" | "), y.split(" | ")
        told = [
            f"{xn}，人们{chance.pick(xa.split())}；{yn}，人们{chance.pick(ya.split())}。",
            f"{xn}穿{xc}，{yn}穿{yc}。",
            f"{xn}，{chance.pick(xw.split())}，{chance.pick(xs.split())}。",
            f"{yn}，{chance.pick(yw.split())}，{chance.pick(ys.split())}。",
        ]
        return "".join([f"{xn}和{yn}不一样。", *chance.in_order(told, 3)])

    def thing() -> str:
        measure, name, material, look, use = chance.pick(OBJECTS).split(" | ")
        where, who = chance.pick(OBJECT_PLACES), chance.pick(("奶奶", "爸爸", "我最好的朋友", "姑姑", "舅舅"))
        opening = chance.pick((f"{where}有一{measure}{name}。", f"我来说一说{where}的一{measure}{name}。"))
        told = f"它是用{material}做的，{look}。{use}。"
        closing = [f"那是{who}送给我的。", "我很爱护它。", "它不是新的，可是我很喜欢它。", "多少钱我都不卖。"]
        return "".join([opening, told, *chance.several(closing, 2)])

    def person() -> str:
        p = chance.pick(everybody)
        likes = chance.several(LIKES, 2)
        told = [
            f"{p.ta}有{chance.pick(LOOKS)}。",
            f"{p.ta}{chance.pick(CHARACTER)}。",
            f"{p.ta}的{chance.pick(('妈妈', '爸爸'))}是{chance.pick(WORK)}。",
            f"{p.ta}喜欢{likes[0]}，也喜欢{likes[1]}。",
            f"{p.ta}长大以后想当{chance.pick(WORK)}。",
            f"我们常常一起{chance.pick(('上学', '踢足球', '做作业', '唱歌'))}。",
        ]
        opening = f"我的{chance.pick(('朋友', '邻居', '同学'))}{p}今年{chance.between(7, 14)}岁。"
        return "".join([opening, *chance.in_order(told, chance.between(4, 5))])

    def day(others: list[Character]) -> list[str]:
        values = {
            "e": chance.pick(FAMILY),
            "friend": str(chance.pick(others)),
            "goods": listing(chance.several(GOODS, 2)),
            "topic": chance.pick(TOPICS),
        }
        first, second, third = (errand.format(**values) for errand in chance.several(ERRANDS, 3))
        return [f"上午我{first}。", f"吃过午饭，我{second}。", f"晚上我{third}。"]

    def diary() -> str:
        opening = f"{chance.pick(DAYS)}，{chance.pick(WEATHER)}。今天{chance.pick(MORNING)}。"
        told = [f"早饭我吃了{chance.pick(BREAKFAST)}。", *day(everybody), chance.pick(FEELINGS)]
        return "".join([opening, *told])

    def letter() -> str:
        p, q = chance.several(everybody, 2)
        opening = chance.pick(("你好吗？我很好。", "谢谢你的来信。", "希望你一切都好。", "我们很久没见面了。"))
        closing = chance.pick(("你什么时候来我家玩？", "请快点儿给我回信。", "希望夏天能见到你。", "你最近在做什么？"))
        weather = chance.pick(("是晴天", "下雨了", "是阴天", "很冷", "很暖和"))
        middle = "".join(chance.in_order(day([who for who in everybody if who not in (p, q)]), 2))
        return f"亲爱的{p}：\n{opening}昨天{weather}。{middle}{closing}\n你的朋友{q}"

    def write() -> str:
        kinds = (place, place, season, seasons_compared, thing, person, person, diary, diary, letter, letter)
        return chance.pick(kinds)()

    return write
