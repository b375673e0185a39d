"""Questions about the world people made: places, calendar, measures, opposites, jobs, tools, words, shapes."""

from __future__ import annotations

from mini_corpus.english.cast import capital
from mini_corpus.fact import Fact, facts, plain

CAPITALS = facts(
    "capitals",
    ("What is the capital of {0}?", "Which city is the capital of {0}?"),
    ("The capital of {0} is {1}.", "{1} is the capital of {0}."),
    (
        "China | Beijing",
        "Japan | Tokyo",
        "France | Paris",
        "Germany | Berlin",
        "Italy | Rome",
        "Spain | Madrid",
        "Greece | Athens",
        "Russia | Moscow",
        "Egypt | Cairo",
        "Canada | Ottawa",
        "Australia | Canberra",
        "Thailand | Bangkok",
        "Ireland | Dublin",
        "England | London",
    ),
)
CONTINENTS = facts(
    "continents",
    ("Where is {0}?", "On which continent is {0}?"),
    ("{0} is in {1}.",),
    (
        "China | Asia",
        "Japan | Asia",
        "India | Asia",
        "France | Europe",
        "Germany | Europe",
        "Italy | Europe",
        "Egypt | Africa",
        "Canada | North America",
        "Brazil | South America",
        "Peru | South America",
    ),
)
GEOGRAPHY = plain(
    "geography",
    "How many continents are there? There are seven continents.",
    "How many oceans are there? There are five oceans.",
    "Which ocean is the largest? The Pacific is the largest ocean.",
    "Which mountain is the highest in the world? Mount Everest is the highest mountain in the world.",
    "Which continent is the largest? Asia is the largest continent.",
    "Which continent is the coldest? Antarctica is the coldest continent.",
    "Which country is the largest? Russia is the largest country.",
    "Which river flows through London? The Thames flows through London.",
    "Which river flows through Paris? The Seine flows through Paris.",
    "Which river is the longest in China? The Yangtze is the longest river in China.",
    "Which river is the longest in Africa? The Nile is the longest river in Africa.",
    "Where is the Great Wall? The Great Wall is in China.",
    "Where are the pyramids of Giza? The pyramids of Giza are in Egypt.",
    "Where is the Eiffel Tower? The Eiffel Tower is in Paris.",
    "What are the four directions? The four directions are north, south, east and west.",
    "Which direction is opposite to north? South is opposite to north.",
    "Which direction is opposite to east? West is opposite to east.",
    "What do we call land with water all around it? Land with water all around it is called an island.",
    "What do we call a very dry place with a lot of sand? A very dry place with a lot of sand is called a desert.",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
SEASONS = ("spring", "summer", "autumn", "winter")


def _neighbours(topic: str, what: str, names: tuple[str, ...]) -> list[Fact]:
    """Which one comes after, which before, for names that go round."""
    made: list[Fact] = []
    for earlier, later in zip(names, names[1:] + names[:1], strict=True):
        after = (f"Which {what} comes after {earlier}?", f"What comes after {earlier}?")
        made.append(Fact(topic, after, (f"{capital(later)} comes after {earlier}.",)))
        before = (f"Which {what} comes before {later}?", f"What comes before {later}?")
        made.append(Fact(topic, before, (f"{capital(earlier)} comes before {later}.",)))
    return made


CALENDAR = [
    *_neighbours("days and seasons", "day", DAYS),
    *_neighbours("calendar", "month", MONTHS)[::2],
    *_neighbours("days and seasons", "season", SEASONS),
    *facts(
        "calendar",
        ("How many days does {0} have?",),
        ("{0} has {1} days.",),
        ("January | 31", "March | 31", "April | 30", "May | 31", "June | 30", "July | 31", "September | 30"),
    ),
    *plain(
        "calendar",
        "How many days are in a week? There are seven days in a week.",
        "How many months are in a year? There are twelve months in a year.",
        "How many days are in a year? There are 365 days in a year.",
        "How many days are in a leap year? There are 366 days in a leap year.",
        "How many seasons are there? There are four seasons.",
        "What are the four seasons? The four seasons are spring, summer, autumn and winter.",
        "What is the first month of the year? January is the first month of the year.",
        "What is the last month of the year? December is the last month of the year.",
        "Which month is the shortest? February is the shortest month.",
        "Which season is the coldest? Winter is the coldest season.",
        "Which season is the hottest? Summer is the hottest season.",
        "When do leaves fall from the trees? Leaves fall from the trees in autumn.",
        "When do flowers begin to bloom? Flowers begin to bloom in spring.",
        "What meal do we eat in the morning? We eat breakfast in the morning.",
        "What meal do we eat at noon? We eat lunch at noon.",
        "What meal do we eat in the evening? We eat dinner in the evening.",
    ),
]
MEASURES = facts(
    "measures",
    ("How many {0} are in {1}?",),
    ("There are {2} {0} in {1}.",),
    (
        "centimetres | a metre | 100",
        "metres | a kilometre | 1000",
        "millimetres | a centimetre | 10",
        "grams | a kilogram | 1000",
        "seconds | a minute | 60",
        "minutes | an hour | 60",
        "minutes | half an hour | 30",
        "hours | a day | 24",
        "weeks | a year | 52",
        "years | a century | 100",
        "years | a decade | 10",
        "eggs | a dozen | 12",
        "shoes | a pair | 2",
        "letters | the English alphabet | 26",
    ),
)
_OPPOSITES = (
    "big small|small big|hot cold|cold hot|up down|down up|day night|night day|black white|white black|long short"
    "|fast slow|slow fast|happy sad|sad happy|open closed|hard soft|full empty|wet dry|early late|rich poor|strong weak"
    "|clean dirty|left right|good bad|bad good|near far|first last|easy difficult|loud quiet|young old|new old"
)
OPPOSITES = facts(
    "opposites",
    ('What is the opposite of "{0}"?', "What is the opposite of {0}?"),
    ('The opposite of "{0}" is "{1}".', "The opposite of {0} is {1}."),
    (pair.replace(" ", " | ") for pair in _OPPOSITES.split("|")),
)
JOBS = facts(
    "jobs",
    ("Who {0}?",),
    ("{1} {0}.",),
    (
        "teaches children at school | A teacher",
        "helps sick people | A doctor",
        "bakes bread | A baker",
        "grows rice and vegetables | A farmer",
        "flies a plane | A pilot",
        "puts out fires | A firefighter",
        "brings letters | A postman",
        "cooks in a restaurant | A cook",
        "makes clothes | A tailor",
        "catches fish | A fisherman",
        "paints pictures | A painter",
        "drives a bus | A bus driver",
        "takes care of sick animals | A vet",
        "writes books | A writer",
    ),
)
TOOLS = facts(
    "tools",
    ("What do we use {0} for?", "What is {0} for?"),
    ("We use {0} to {1}.",),
    (
        "a knife | cut things",
        "a spoon | eat soup",
        "a broom | sweep the floor",
        "a key | open a lock",
        "a clock | tell the time",
        "a thermometer | measure temperature",
        "a pen | write",
        "a needle | sew clothes",
        "a hammer | drive nails into wood",
        "an umbrella | stay dry in the rain",
        "a fridge | keep food cold",
        "a lamp | light a room",
        "soap | wash our hands",
        "a map | find the way",
        "a telescope | look at the stars",
        "a bed | sleep",
        "a boat | cross the water",
    ),
)
PLURALS = facts(
    "words",
    ('What is the plural of "{0}"?',),
    ('The plural of "{0}" is "{1}".',),
    (
        "mouse | mice",
        "child | children",
        "tooth | teeth",
        "man | men",
        "goose | geese",
        "leaf | leaves",
        "knife | knives",
        "sheep | sheep",
    ),
)
PAST = facts(
    "words",
    ('What is the past tense of "{0}"?',),
    ('The past tense of "{0}" is "{1}".',),
    (
        "go | went",
        "eat | ate",
        "run | ran",
        "give | gave",
        "write | wrote",
        "take | took",
        "sing | sang",
        "swim | swam",
    ),
)
SHAPES = plain(
    "shapes",
    "How many sides does a triangle have? A triangle has three sides.",
    "How many sides does a square have? A square has four sides.",
    "How many sides does a pentagon have? A pentagon has five sides.",
    "How many sides does a hexagon have? A hexagon has six sides.",
    "How many sides does an octagon have? An octagon has eight sides.",
    "How many faces does a cube have? A cube has six faces.",
    "What shape is a ball? A ball is round.",
    "What shape is a wheel? A wheel is round.",
    "How many wheels does a bicycle have? A bicycle has two wheels.",
    "How many wheels does a car have? A car has four wheels.",
    "How many strings does a violin have? A violin has four strings.",
)
CHINESE_WORDS = facts(
    "Chinese words",
    ('What is the Chinese word for "{0}"?', 'How do you say "{0}" in Chinese?'),
    ('The Chinese word for "{0}" is "{1}".',),
    (
        "cat | 猫",
        "dog | 狗",
        "bird | 鸟",
        "fish | 鱼",
        "water | 水",
        "sun | 太阳",
        "moon | 月亮",
        "mountain | 山",
        "tree | 树",
        "rain | 雨",
        "snow | 雪",
        "book | 书",
        "school | 学校",
        "teacher | 老师",
        "friend | 朋友",
        "apple | 苹果",
        "tea | 茶",
        "red | 红色",
        "white | 白色",
        "hello | 你好",
        "thank you | 谢谢",
    ),
)

PEOPLE: list[Fact] = [
    *CAPITALS,
    *CONTINENTS,
    *GEOGRAPHY,
    *CALENDAR,
    *MEASURES,
    *OPPOSITES,
    *JOBS,
    *TOOLS,
    *PLURALS,
    *PAST,
    *SHAPES,
    *CHINESE_WORDS,
]
