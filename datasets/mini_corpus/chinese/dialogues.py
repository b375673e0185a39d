"""对话。Dialogues: greeting, meeting, shopping, asking the way, the weather, eating, the doctor, plans."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.chinese.cast import BOYS, GIRLS, listing

# What is said in a scene, one tuple of wordings after the other. The speakers take turns, {p} begins, {q} answers; a
# line break inside a wording passes the word on, where an answer fits only its own question.
GREETING = (
    ("早上好，{q}！", "你好，{q}！", "{q}，好久不见！"),
    ("早上好，{p}！你好吗？", "你好，{p}！最近怎么样？"),
    ("我很好，谢谢。你呢？\n我也很好。", "还不错，你呢？\n我也不错。", "有点儿累。你呢？\n我今天精神很好。"),
    ("你要去哪里？\n我去{place}。你想和我一起去吗？", "你今天做什么？\n我要去{place}，一起去吧？"),
    (
        "好啊，我很想去！\n太好了，我们走吧！",
        "对不起，今天我没有时间，明天吧。\n没关系，明天见！",
        "好主意。\n那我们一起走吧。",
    ),
)
MEETING = (
    ("你好！我叫{p}。你叫什么名字？", "你好，我是{p}。请问你是谁？"),
    ("我叫{q}，很高兴认识你。", "我是{q}。认识你真高兴，{p}。"),
    ("我也很高兴认识你。你是从哪里来的？", "你好，{q}。你是哪里人？"),
    ("我来自{city}，你呢？", "我是从{city}来的。你呢？"),
    ("我来自{city2}。你喜欢做什么？", "我是从{city2}来的。你有什么爱好？"),
    ("我喜欢{hobby}，你也喜欢吗？\n喜欢，不过我更喜欢{hobby2}。", "我的爱好是{hobby}，你呢？\n我的爱好是{hobby2}。"),
    ("听起来很有意思。", "真好，你可以教我吗？"),
)
WAY = (
    ("请问，{place}在哪里？", "请问，去{place}怎么走？"),
    ("一直往前走，到了{mark}往{side}拐。", "沿着这条路走，在{mark}那里往{side}拐。"),
    ("远吗？\n不远，走路只要{minutes}分钟。", "要走多久？\n走路大约{minutes}分钟。"),
    ("它的旁边是什么？\n旁边是{mark2}，很好找。", "我怎么能认出来呢？\n你会看见{mark2}，{place}就在它的旁边。"),
    ("非常感谢！", "谢谢您的帮助。"),
    ("不客气。", "不用谢，祝您愉快！"),
)
WEATHER = (
    ("今天天气怎么样？", "外面的天气怎么样？"),
    ("今天{weather}。", "外面{weather}。"),
    ("{advice_q}\n{advice_a}",),
    ("那么明天呢？", "你知道明天的天气吗？"),
    ("明天{weather2}。", "听说明天{weather2}。"),
    ("那我们明天去{plan}吧。", "太好了，我们可以去{plan}。"),
    ("好主意。", "好啊，我很想去。"),
)
DOCTOR = (
    ("医生，您好。我不舒服。", "早上好，医生。我好像生病了。"),
    ("{p}，你怎么了？", "你好，{p}。哪里不舒服？"),
    ("我{pain}。", "从昨天开始，我{pain}。"),
    ("发烧吗？\n我想没有。", "昨天晚上睡得好吗？\n睡得不太好。"),
    ("{cure}过{days}天就会好的。", "别担心。{cure}"),
    ("谢谢医生。", "好的，谢谢您！"),
    ("祝你早日康复！", "不客气，多保重！"),
)
RESTAURANT = (
    ("您好！您想吃点儿什么？", "晚上好！请问您要点什么？"),
    ("我要{meal}。", "请给我来{meal}。"),
    ("好的。您想喝点儿什么？", "没问题。要喝点儿什么吗？"),
    ("请给我{drink}。", "我要{drink}。"),
    ("还要别的吗？", "要不要来点儿甜的？"),
    ("再来{dessert}吧。", "还要{dessert}，谢谢。"),
    ("好的，请等十分钟。", "好的，马上就来。"),
    ("谢谢。", "谢谢你。"),
)
LIBRARY = (
    ("你好！要我帮忙吗？", "下午好！你在找什么书？"),
    ("我想找一本关于{subject}的书。", "我想看看关于{subject}的书。"),
    ("关于{subject}的书在{floor}楼。", "请到{floor}楼去，那里有关于{subject}的书。"),
    ("谢谢。一本书可以借多久？\n可以借{weeks}个星期。", "谢谢！什么时候要还呢？\n请在{weeks}个星期以内还。"),
    ("一次可以借几本书？\n一次可以借{books}本书。", "可以多借几本吗？\n可以，最多借{books}本。"),
    ("太好了，谢谢！", "好的，非常感谢！"),
)
PHONE = (
    ("喂，我是{p}。请问{q}在吗？", "喂，{q}吗？我是{p}。"),
    ("{p}，你好！我就是{q}。", "是我，{p}。接到你的电话真高兴。"),
    ("你{day}有空吗？\n我{day}有空。怎么了？", "你{day}做什么？\n我{day}没有事。怎么了？"),
    ("我想去{plan}，你来不来？", "我们一起去{plan}，好不好？"),
    ("好啊！我们什么时候见面？", "太好了。几点见面？"),
    ("我们{hour}点在{spot}门口见面吧。", "{hour}点，在{spot}见。"),
    ("好的，{day}见！", "好的，到时候见！"),
)
BORROWING = (
    ("{q}，可以借一下你的{item}吗？", "{q}，我能用一下你的{item}吗？"),
    (
        "可以啊。你的呢？\n我的放在家里了。",
        "当然可以。你没有吗？\n我的坏了。",
        "你现在就要用吗？\n是的，我找不到我的了。",
    ),
    ("没问题，给你。", "拿去吧，用的时候小心一点儿。"),
    ("谢谢！我{when}还给你。", "太感谢了，{when}就还给你。"),
    ("不客气。", "好的，不着急。"),
)

PLACES = ("图书馆", "学校", "邮局", "医院", "博物馆", "火车站", "菜市场", "公园", "银行", "面包店")
MEETING_POINTS = ("图书馆", "学校", "博物馆", "火车站", "超市", "公园", "电影院", "体育馆")
CITIES = ("北京", "上海", "广州", "成都", "杭州", "南京", "武汉", "西安", "昆明", "青岛")
HOBBIES = ("看书", "游泳", "画画", "唱歌", "做饭", "跳舞", "踢足球", "下象棋", "钓鱼")
# Weather, a question it suggests, an answer.
WEATHERS = (
    ("下雨", "要带伞吗？", "要，带上雨伞吧。"),
    ("晴天，很暖和", "要穿大衣吗？", "不用穿大衣。"),
    ("刮风，有点儿冷", "要多穿衣服吗？", "要，穿上大衣，戴上围巾。"),
    ("很热", "出门要带什么？", "戴上帽子，带一瓶水。"),
    ("下雪", "路上白了吗？", "到处都白了，走路要小心。"),
    ("有雾", "看得见远处的山吗？", "看不见，连对面的房子都看不清。"),
    ("阴天", "你看会下雨吗？", "我想不会。"),
)
FINE_WEATHER = ("是晴天", "天气很好", "不冷也不热", "会出太阳")
PLANS = ("公园玩", "骑自行车", "湖边散步", "野餐", "爬山", "动物园看熊猫")
PAINS = (
    ("头疼", "多喝水，早点儿睡觉。"),
    ("嗓子疼", "多喝热水，少说话。"),
    ("牙疼", "好好刷牙，不要吃甜的东西。"),
    ("感冒了", "多穿衣服，多喝热水。"),
    ("肚子疼", "今天只喝粥。"),
    ("一直咳嗽", "吃点儿药，好好休息。"),
)
MEALS = ("一碗牛肉面", "一盘鸡蛋炒饭", "一碗鸡汤", "一条红烧鱼", "一盘饺子", "一盘西红柿炒鸡蛋")
DRINKS = ("一杯茶", "一杯水", "一杯橙汁", "一杯咖啡", "一杯牛奶")
DESSERTS = ("一块蛋糕", "一个冰淇淋", "一盘水果", "一碗红豆汤")
SUBJECTS = ("动物", "星星", "历史", "做菜", "植物", "音乐", "大海", "老故事", "火车")
ITEMS = ("铅笔", "尺子", "雨伞", "字典", "自行车", "台灯", "书包", "照相机")
DAYS = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期天")
# What a shop sells: measure word, thing.
GOODS = (
    ("个", "苹果"),
    ("个", "橘子"),
    ("个", "梨"),
    ("个", "鸡蛋"),
    ("本", "本子"),
    ("支", "铅笔"),
    ("个", "杯子"),
    ("个", "柠檬"),
    ("支", "蜡烛"),
    ("张", "明信片"),
)


def dialogue_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one dialogue a call."""
    people = GIRLS + BOYS

    def turns(first: str, second: str, said: list[str]) -> str:
        return "\n".join(f"{(first, second)[i % 2]}：{line}" for i, line in enumerate(said))

    def slots() -> dict[str, str]:
        p, q = chance.several(people, 2)
        weather, advice_q, advice_a = chance.pick(WEATHERS)
        pain, cure = chance.pick(PAINS)
        place, mark, mark2 = chance.several(PLACES, 3)
        city, city2 = chance.several(CITIES, 2)
        hobby, hobby2 = chance.several(HOBBIES, 2)
        return {
            "p": p,
            "q": q,
            "weather": weather,
            "advice_q": advice_q,
            "advice_a": advice_a,
            "pain": pain,
            "cure": cure,
            "place": place,
            "mark": mark,
            "mark2": mark2,
            "city": city,
            "city2": city2,
            "hobby": hobby,
            "hobby2": hobby2,
            "spot": chance.pick(MEETING_POINTS),
            "side": chance.pick("左右"),
            "minutes": chance.pick(("五", "十", "十五", "二十")),
            "weather2": chance.pick(FINE_WEATHER),
            "plan": chance.pick(PLANS),
            "days": chance.pick("两三四"),
            "meal": chance.pick(MEALS),
            "drink": chance.pick(DRINKS),
            "dessert": chance.pick(DESSERTS),
            "subject": chance.pick(SUBJECTS),
            "floor": chance.pick("一二三"),
            "weeks": chance.pick("两三四"),
            "books": chance.pick("三五十"),
            "day": chance.pick(DAYS),
            "hour": chance.pick(("九", "十", "两", "三", "四")),
            "item": chance.pick(ITEMS),
            "when": chance.pick(("下午", "明天", "放学以后", "今天晚上")),
        }

    def scene(wordings: tuple[tuple[str, ...], ...], first: str, second: str) -> Callable[[], str]:
        def write() -> str:
            values = slots()
            said = [line for turn in wordings for line in chance.lean(turn).format(**values).split("\n")]
            return turns(first.format(**values), second.format(**values), said)

        return write

    def shopping() -> str:
        (m, thing), (_, other) = chance.several(GOODS, 2)
        price, number = chance.between(2, 9), chance.between(2, 9)
        total = price * number
        paid = total if chance.often(0.5) else total + chance.between(1, 5)
        spoken = "零一两三四五六七八九"[number]
        said = [
            chance.pick((f"您好！{thing}多少钱一{m}？", f"请问，一{m}{thing}多少钱？")),
            chance.pick((f"{price}元一{m}。", f"一{m}{price}元。")),
            chance.pick((f"我要{spoken}{m}{thing}。", f"请给我{spoken}{m}{thing}。")),
            f"{price} × {number} = {total}，一共{total}元。",
            chance.pick((f"给您{paid}元。", f"好的，这是{paid}元。")),
        ]
        if paid > total:
            said.append(f"{paid} - {total} = {paid - total}，找您{paid - total}元。")
        else:
            said.append(f"谢谢。您还要买{other}吗？")
            said.append("不用了，谢谢。再见！")
        return turns("顾客", "老板", said)

    def lesson() -> str:
        present, things = chance.several(people, 3), chance.several(SUBJECTS, 3)
        lines = [f"老师：{chance.pick(('你们想学什么？', '你们想读什么书？'))}"]
        lines += [
            f"{who}：{chance.pick(('我想读一读关于', '我想看看关于'))}{what}的书。"
            for who, what in zip(present, things, strict=True)
        ]
        return "\n".join([*lines, f"老师：好，那我们就来读关于{listing(things)}的书。"])

    scenes = Deck(
        (
            scene(GREETING, "{p}", "{q}"),
            scene(MEETING, "{p}", "{q}"),
            scene(WAY, "游客", "{q}"),
            scene(WEATHER, "{p}", "{q}"),
            scene(DOCTOR, "{p}", "医生"),
            scene(RESTAURANT, "服务员", "{q}"),
            scene(LIBRARY, "管理员", "{q}"),
            scene(PHONE, "{p}", "{q}"),
            scene(BORROWING, "{p}", "{q}"),
            shopping,
            shopping,
            lesson,
        ),
        chance,
    )
    return lambda: scenes.draw()()
