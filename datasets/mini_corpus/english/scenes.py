"""Descriptions of places, seasons, objects and people, diary pages and letters."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance
from mini_corpus.english.cast import BOYS, FAMILY, GIRLS, Character, a, capital, listing

# A place | what it is like | what there is | what people do there | how it sounds or smells.
PLACES = (
    "market | The market is full of people. | red apples, fresh fish, warm bread, sweet melons, green tea"
    " | buy vegetables, talk to the sellers, look for cheap things | It smells of fruit and spices.",
    "library | The library is a quiet place."
    " | tall shelves, old books, soft chairs, long tables, big windows"
    " | read stories, write their homework, look for books | One can hear only the turning of pages.",
    "beach | The beach is long and wide."
    " | white shells, small crabs, smooth stones, grey birds, little boats"
    " | build sandcastles, swim in the sea, lie in the sun | The waves sing day and night.",
    "farm | The farm lies behind the hill. | brown cows, white hens, fat pigs, old horses, yellow fields"
    " | feed the animals, pick fruit, milk the cows | In the morning the rooster crows.",
    "forest | The forest is cool and green."
    " | tall pines, soft moss, wild berries, brown mushrooms, shy deer"
    " | walk along the paths, listen to the birds, look for mushrooms | The wind whispers in the leaves.",
    "park | The park is in the middle of the town."
    " | wooden benches, old trees, a small lake, bright flowers, a playground"
    " | ride bikes, fly kites, sit in the shade | On Sundays somebody plays music there.",
    "kitchen | The kitchen is the warmest room of the house."
    " | a round table, shiny pots, blue plates, a big stove, jars of jam"
    " | bake bread, drink tea, cut vegetables | It smells of soup and fresh bread.",
    "village | The village lies between two hills."
    " | small houses, a stone bridge, an old well, narrow streets, a little school"
    " | work in the fields, greet their neighbours, sit in front of the houses"
    " | In the evening it becomes very quiet.",
    "station | The station is never empty."
    " | long trains, big clocks, heavy bags, small shops, tired travellers"
    " | wait for their trains, buy tickets, say goodbye | Every few minutes a whistle blows.",
    "school | The school is a red building with a big yard."
    " | bright classrooms, long corridors, a music room, a football field, colourful pictures"
    " | learn to read, do experiments, play in the yard | When the bell rings, everyone runs outside.",
)
# A season | weather | nature | what people do | what they wear.
SEASONS = (
    "Spring | The days become longer. The snow melts. The air is mild."
    " | Flowers begin to bloom. The trees get new leaves. The birds build their nests."
    " | fly kites, plant seeds, go for walks | a light jacket",
    "Summer | The sun is hot. The days are long. There is sometimes a thunderstorm."
    " | The trees are dark green. The fruit becomes ripe. Insects sing in the grass."
    " | swim in the lake, eat ice cream, sit in the shade | a hat and a thin shirt",
    "Autumn | The wind is cool. The days become shorter. It often rains."
    " | The leaves turn red and yellow. The birds fly south. The fields are full of ripe corn."
    " | pick apples, collect nuts, bring in the harvest | a warm sweater",
    "Winter | It is cold. The nights are long. It sometimes snows."
    " | The trees are bare. The lake is covered with ice. Many animals sleep."
    " | make snowmen, skate on the ice, drink hot tea | a thick coat and gloves",
)
# An object | its material | its look | its use.
OBJECTS = (
    "clock | wood | round and brown | It tells us the time.",
    "chair | wood | old but strong | My grandfather likes to sit on it.",
    "cup | clay | small and blue | I drink tea from it every morning.",
    "bag | leather | brown and heavy | I carry my books in it.",
    "scarf | wool | long and red | It keeps me warm in winter.",
    "lamp | glass | small and bright | I read by its light in the evening.",
    "box | paper | square and light | I keep my letters in it.",
    "key | iron | small and rusty | It opens the door of the garden.",
    "kite | paper | light and colourful | It flies high when the wind is strong.",
    "spoon | silver | shiny and thin | We eat soup with it.",
    "boat | wood | narrow and fast | It carries us across the lake.",
    "window | glass | wide and clean | Through it I can see the mountains.",
)
OBJECT_PLACES = ("in my room", "in the kitchen", "at my grandmother's house", "in the living room", "in our hut")
WORK = ("a teacher", "a doctor", "a farmer", "a baker", "a painter", "a bus driver", "an engineer", "a cook", "a nurse")
LIKES = ("reading", "long walks", "music", "sweet fruit", "old films", "flowers", "football", "dogs", "tea", "the sea")
LOOKS = ("long black hair", "short brown hair", "green eyes", "big brown eyes", "curly hair", "a friendly face")
CHARACTER = ("kind and patient", "funny and clever", "quiet and friendly", "honest and brave", "lively and cheerful")
WEATHER = ("sunny", "rainy", "cloudy", "windy", "cold", "warm")
MORNING = ("got up at seven o'clock", "woke up early", "got up late", "woke up when the birds began to sing")
BREAKFAST = ("bread and eggs", "rice porridge", "noodles", "bread with jam", "fruit and milk")
ERRANDS = (
    "went to the market with {e} and bought {goods}",
    "helped {e} in the garden",
    "cleaned my room and washed the windows",
    "read a book about {topic}",
    "visited {friend} and played chess",
    "learned a new song on the piano",
    "went to the park with {friend}",
    "wrote a letter to {friend}",
    "baked a cake with {e}",
)
GOODS = ("apples", "carrots", "fish", "eggs", "oranges", "bread", "potatoes", "tea")
TOPICS = ("the stars", "animals", "the sea", "old heroes", "mountains", "trees")
FEELINGS = (
    "It was a good day.",
    "I am tired but happy.",
    "Tomorrow I want to get up earlier.",
    "I am looking forward to tomorrow.",
    "Now I am going to bed.",
    "I hope that tomorrow will be just as nice.",
)


def sentences(text: str) -> list[str]:
    """The sentences of a text of statements."""
    return [f"{sentence}." for sentence in text.rstrip(".").split(". ")]


def small(sentence: str) -> str:
    """The sentence with its first letter in lower case."""
    return sentence[:1].lower() + sentence[1:]


def scene_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one description, diary page or letter a call."""
    people = [Character(name, "girl", True) for name in GIRLS] + [Character(name, "boy", False) for name in BOYS]

    def place() -> str:
        name, opening, things, acts, mood = chance.pick(PLACES).split(" | ")
        seen = listing(chance.several(things.split(", "), 3))
        lead = chance.pick((f"I like to go to the {name}.", f"There is {a(name)} near our house.", ""))
        if name == "kitchen":
            lead = ""
        see = chance.pick(("You can see {seen} there.", "There you find {seen}.", "Everywhere there are {seen}."))
        if seen.startswith(("a ", "an ")):
            see = "You can see {seen} there."
        do = chance.pick(("People come to {acts}.", "Here people can {acts}.", "Some people {acts}."))
        parts = [
            lead,
            opening,
            see.format(seen=seen),
            do.format(acts=listing(chance.several(acts.split(", "), 2), "or")),
            mood,
        ]
        return " ".join(part for part in parts if part)

    def season() -> str:
        name, weather, nature, acts, clothes = chance.pick(SEASONS).split(" | ")
        low = name.lower()
        told = [
            chance.pick((f"{name} is here.", f"I like {low} very much.", f"{name} is a beautiful season.")),
            *chance.several(sentences(weather), 2),
            *chance.several(sentences(nature), 2),
            f"In {low}, people {listing(chance.several(acts.split(', '), 2))}.",
            chance.pick((f"They wear {clothes}.", f"It is a good idea to wear {clothes}.")),
        ]
        return " ".join(told)

    def seasons_compared() -> str:
        first, second = chance.several(SEASONS, 2)
        (x, xw, xn, xa, xc), (y, yw, yn, ya, yc) = first.split(" | "), second.split(" | ")
        first_act, second_act = chance.pick(xa.split(", ")), chance.pick(ya.split(", "))
        told = [
            f"{x} and {y.lower()} are different.",
            f"In {x.lower()}, people {first_act}, but in {y.lower()} they {second_act}.",
            f"In {x.lower()}, we wear {xc}. In {y.lower()}, we wear {yc}.",
            f"In {x.lower()}, {small(chance.pick(sentences(xw)))} {chance.pick(sentences(xn))}",
            f"In {y.lower()}, {small(chance.pick(sentences(yw)))} {chance.pick(sentences(yn))}",
        ]
        return " ".join([told[0], *chance.in_order(told[1:], 3)])

    def thing() -> str:
        name, material, look, use = chance.pick(OBJECTS).split(" | ")
        where = chance.pick(OBJECT_PLACES)
        who = chance.pick(("My grandmother", "My father", "My best friend", "My aunt", "My uncle"))
        opening = chance.pick((f"There is {a(name)} {where}.", f"Let me tell you about {a(name)} {where}."))
        told = [f"It is made of {material}.", f"It is {look}.", use]
        closing = [
            f"{who} gave it to me.",
            "I take good care of it.",
            "It is not new, but I like it.",
            "It is not for sale.",
        ]
        return " ".join([opening, *told, *chance.several(closing, 2)])

    def person() -> str:
        p = chance.pick(people)
        he, his = p.He, p.His
        relation = chance.pick(("friend", "neighbour", "classmate", "cousin"))
        likes = listing(chance.several(LIKES, 2))
        told = [
            f"{he} has {chance.pick(LOOKS)}.",
            f"{he} is {chance.pick(CHARACTER)}.",
            f"{his} {chance.pick(('mother', 'father'))} is {chance.pick(WORK)}.",
            f"{he} likes {likes}.",
            f"When {p.he} grows up, {p.he} wants to be {chance.pick(WORK)}.",
            f"We often {chance.pick(('walk to school', 'play football', 'do our homework', 'sing'))} together.",
        ]
        age = chance.between(7, 14)
        opening = f"My {relation} {p} is {age} years old."
        return " ".join([opening, *chance.in_order(told, chance.between(4, 5))])

    def day(others: list[Character]) -> list[str]:
        elder = chance.pick(FAMILY)[0]
        values = {
            "e": f"my {elder}",
            "friend": str(chance.pick(others)),
            "goods": listing(chance.several(GOODS, 2)),
            "topic": chance.pick(TOPICS),
        }
        first, second, third = (errand.format(**values) for errand in chance.several(ERRANDS, 3))
        return [
            f"In the morning I {first}.",
            f"After lunch I {second}.",
            f"In the evening I {third}.",
        ]

    def diary() -> str:
        weekday = chance.pick(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"))
        opening = f"{weekday}, {chance.pick(WEATHER)}. Today I {chance.pick(MORNING)}."
        breakfast = f"For breakfast I had {chance.pick(BREAKFAST)}."
        return " ".join([opening, breakfast, *day(people), chance.pick(FEELINGS)])

    def letter() -> str:
        p, q = chance.several(people, 2)
        opening = chance.pick(
            (
                "How are you? I am fine.",
                "Thank you for your letter.",
                "I hope that you are well.",
                "I have not seen you for a long time.",
            )
        )
        closing = chance.pick(
            (
                "When will you visit us?",
                "Please write to me soon.",
                "I hope to see you in summer.",
                "What are you doing these days?",
            )
        )
        middle = " ".join(chance.in_order(day([who for who in people if who not in (p, q)]), 2))
        body = f"{opening} Yesterday was a {chance.pick(WEATHER)} day. {middle} {closing}"
        return f"Dear {p},\n{body}\nYour friend {q}"

    def write() -> str:
        kinds = (place, place, season, seasons_compared, thing, person, person, diary, diary, letter, letter)
        return capital(chance.pick(kinds)())

    return write
