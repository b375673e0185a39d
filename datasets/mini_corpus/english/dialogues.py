"""Dialogues: greeting, meeting, shopping, asking the way, the weather, eating, the doctor, plans, the telephone."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck
from mini_corpus.english.cast import BOYS, GIRLS, Character, a, capital, listing

# What is said in a scene, one tuple of wordings after the other. The speakers take turns, {p} begins, {q} answers; a
# line break inside a wording passes the word on, where an answer fits only its own question.
GREETING = (
    ("Good morning, {q}!", "Hello, {q}!", "Hi, {q}! Nice to see you."),
    ("Good morning, {p}! How are you?", "Hello, {p}! How are you today?", "Hi, {p}! How are you?"),
    (
        "I am fine, thank you. And you?\nI am very well, thank you.",
        "Very well, thanks. How about you?\nI am fine too.",
        "I am a little tired. And you?\nI feel great today.",
    ),
    (
        "Where are you going?\nI am going to the {place}. Do you want to come with me?",
        "What are you doing today?\nI want to go to the {place}. Will you come along?",
    ),
    (
        "Yes, I would love to!\nGreat! Let us go.",
        "I am sorry, I have no time today. Maybe tomorrow.\nThat is fine. See you tomorrow!",
        "That is a good idea.\nThen let us go together.",
    ),
)
MEETING = (
    ("Hello! My name is {p}. What is your name?", "Hi, I am {p}. Who are you?"),
    ("My name is {q}. Nice to meet you.", "I am {q}. Nice to meet you, {p}."),
    ("Nice to meet you too. Where do you come from?", "Nice to meet you, {q}. Where are you from?"),
    ("I come from {country}. And you?", "I am from {country}. Where are you from?"),
    ("I come from {country2}. What do you like to do?", "I am from {country2}. What is your hobby?"),
    (
        "I like {hobby}. Do you like it too?\nYes, but I like {hobby2} more.",
        "My hobby is {hobby}. And yours?\nMy hobby is {hobby2}.",
    ),
    ("That sounds interesting.", "That is nice. Can you teach me?"),
)
WAY = (
    ("Excuse me, where is the {place}?", "Excuse me, how can I get to the {place}?"),
    ("Go straight on and turn {side} at the {mark}.", "Walk along this street and turn {side} at the {mark}."),
    (
        "Is it far from here?\nNo, it takes only {minutes} minutes on foot.",
        "How long does it take?\nIt takes about {minutes} minutes on foot.",
    ),
    (
        "What is it next to?\nIt is next to the {mark2}. You cannot miss it.",
        "How will I know it?\nYou will see the {mark2}. The {place} is right beside it.",
    ),
    ("Thank you very much!", "Thank you for your help."),
    ("You are welcome.", "No problem. Have a nice day!"),
)
WEATHER = (
    ("How is the weather today?", "What is the weather like today?"),
    ("It is {weather}.", "Today it is {weather}."),
    ("{advice_q}\n{advice_a}",),
    ("And what will it be like tomorrow?", "Do you know the weather for tomorrow?"),
    ("Tomorrow it will be {weather2}.", "They say it will be {weather2}."),
    ("Then let us {plan} tomorrow.", "Good. Then we can {plan}."),
    ("Yes, that is a good idea.", "I would like that."),
)
DOCTOR = (
    ("Good morning, doctor. I do not feel well.", "Hello, doctor. I feel sick."),
    ("What is wrong, {p}?", "Good morning, {p}. What is the problem?"),
    ("I have {pain}.", "Since yesterday I have had {pain}."),
    (
        "Do you have a fever too?\nNo, I do not think so.",
        "Did you sleep well last night?\nNo, not very well.",
    ),
    ("{cure} You will feel better in {days} days.", "Do not worry. {cure}"),
    ("Thank you, doctor.", "I will do that. Thank you!"),
    ("Get well soon!", "You are welcome. Take care!"),
)
RESTAURANT = (
    ("Good evening! What would you like to eat?", "Hello! Can I take your order?"),
    ("I would like {meal}, please.", "Can I have {meal}, please?"),
    ("Of course. And what would you like to drink?", "Very good. Anything to drink?"),
    ("A {drink}, please.", "I would like a {drink}."),
    ("Would you like something sweet afterwards?", "And for dessert?"),
    ("{dessert}, please.", "I will take {dessert}."),
    ("It will be ready in ten minutes.", "Your food will be here soon."),
    ("Thank you.", "Thank you very much."),
)
LIBRARY = (
    ("Hello! Can I help you?", "Good afternoon! What are you looking for?"),
    ("I am looking for a book about {subject}.", "I would like to read something about {subject}."),
    ("Books about {subject} are on the {floor} floor.", "The books about {subject} are on the {floor} floor."),
    (
        "Thank you. How long can I keep a book?\nYou can keep it for {weeks} weeks.",
        "Thanks! When do I have to bring it back?\nPlease bring it back in {weeks} weeks.",
    ),
    (
        "And how many books can I take?\nYou can take {books} books at a time.",
        "Can I take more than one?\nYes, up to {books} books.",
    ),
    ("That is great. Thank you!", "Wonderful. Have a nice day!"),
)
PHONE = (
    ("Hello, this is {p}. Is that {q}?", "Hello, {q}! It is {p}."),
    ("Hello, {p}! Yes, it is me.", "Hi, {p}! How nice that you call."),
    (
        "Are you free on {day}?\nYes, I am free on {day}. Why do you ask?",
        "What are you doing on {day}?\nI have nothing to do on {day}. Why?",
    ),
    ("I want to {plan}. Would you like to come?", "Shall we {plan} together?"),
    ("I would love to! When shall we meet?", "That sounds good. When and where shall we meet?"),
    ("Let us meet at {hour} o'clock in front of the {spot}.", "At {hour} o'clock, at the {spot}."),
    ("All right. See you on {day}!", "Good. See you then!"),
)
BORROWING = (
    ("{q}, may I borrow your {item}?", "Excuse me, {q}, can I use your {item}?"),
    (
        "Of course. Where is yours?\nI left mine at home.",
        "Yes, you can. Do you not have one?\nMine is broken.",
        "Do you need it now?\nYes, I cannot find mine.",
    ),
    ("No problem. Here you are.", "Here it is. Please be careful with it."),
    ("Thank you! I will give it back {when}.", "Thanks a lot. You will have it back {when}."),
    ("You are welcome.", "That is fine. Take your time."),
)

PLACES = ("library", "school", "post office", "hospital", "museum", "station", "market", "park", "bank", "bakery")
MEETING_POINTS = ("library", "school", "museum", "station", "market", "park", "town hall", "big fountain")
COUNTRIES = ("China", "Japan", "France", "Italy", "Canada", "Egypt", "Spain", "India", "Brazil", "England")
HOBBIES = ("reading", "swimming", "painting", "singing", "cooking", "dancing", "football", "playing chess", "fishing")
# Weather, a question it suggests, an answer.
WEATHERS = (
    ("rainy", "Do I need an umbrella?", "Yes, take an umbrella with you."),
    ("sunny and warm", "Do I need a coat?", "No, you do not need a coat."),
    ("cold and windy", "Should I put on a coat?", "Yes, put on a warm coat and a scarf."),
    ("very hot", "What should I take with me?", "Take a hat and a bottle of water."),
    ("snowy", "Are the streets white?", "Yes, everything is white, and the streets are slippery."),
    ("foggy", "Can you see the mountain?", "No, I can hardly see the house next door."),
    ("cloudy", "Do you think it will rain?", "No, I do not think so."),
)
FINE_WEATHER = ("sunny", "warm and sunny", "fine", "mild and dry")
PLANS = ("go to the park", "ride our bikes", "go to the lake", "have a picnic", "climb the hill", "visit the zoo")
PAINS = (
    ("a headache", "Drink a lot of water and sleep early."),
    ("a sore throat", "Drink warm tea and do not shout."),
    ("a toothache", "Brush your teeth and eat nothing sweet."),
    ("a cold", "Stay warm and drink hot tea."),
    ("a stomach ache", "Eat only rice and soup today."),
    ("a cough", "Take this medicine and stay in bed."),
)
MEALS = ("noodles with beef", "fried rice", "chicken soup", "fish with vegetables", "dumplings", "a tomato salad")
DRINKS = ("cup of tea", "glass of water", "glass of orange juice", "cup of coffee", "glass of milk")
DESSERTS = ("a piece of cake", "some ice cream", "a bowl of fruit", "an apple pie")
SUBJECTS = ("animals", "the stars", "history", "cooking", "plants", "music", "the sea", "old stories", "trains")
ITEMS = ("pencil", "ruler", "umbrella", "dictionary", "bike", "lamp", "bag", "camera")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# What a shop sells: one, many.
GOODS = (
    ("apple", "apples"),
    ("orange", "oranges"),
    ("pear", "pears"),
    ("egg", "eggs"),
    ("notebook", "notebooks"),
    ("pencil", "pencils"),
    ("cup", "cups"),
    ("lemon", "lemons"),
    ("candle", "candles"),
    ("postcard", "postcards"),
)


def dialogue_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one dialogue a call."""
    people = [Character(name, "girl", True) for name in GIRLS] + [Character(name, "boy", False) for name in BOYS]

    def turns(first: str, second: str, said: list[str]) -> str:
        return "\n".join(f"{(first, second)[i % 2]}: {capital(line)}" for i, line in enumerate(said))

    def slots() -> dict[str, object]:
        p, q = chance.several(people, 2)
        weather, advice_q, advice_a = chance.pick(WEATHERS)
        pain, cure = chance.pick(PAINS)
        place, mark, mark2 = chance.several(PLACES, 3)
        country, country2 = chance.several(COUNTRIES, 2)
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
            "spot": chance.pick(MEETING_POINTS),
            "mark": mark,
            "mark2": mark2,
            "country": country,
            "country2": country2,
            "hobby": hobby,
            "hobby2": hobby2,
            "side": chance.pick(("left", "right")),
            "minutes": chance.pick(("five", "ten", "fifteen", "twenty")),
            "weather2": chance.pick(FINE_WEATHER),
            "plan": chance.pick(PLANS),
            "days": chance.pick(("two", "three", "four")),
            "meal": chance.pick(MEALS),
            "drink": chance.pick(DRINKS),
            "dessert": chance.pick(DESSERTS),
            "subject": chance.pick(SUBJECTS),
            "floor": chance.pick(("first", "second", "third")),
            "weeks": chance.pick(("two", "three", "four")),
            "books": chance.pick(("three", "five", "ten")),
            "day": chance.pick(DAYS),
            "hour": chance.pick(("nine", "ten", "two", "three", "four")),
            "item": chance.pick(ITEMS),
            "when": chance.pick(("this afternoon", "tomorrow", "after school", "tonight")),
        }

    def scene(wordings: tuple[tuple[str, ...], ...], first: str, second: str) -> Callable[[], str]:
        def write() -> str:
            values = slots()
            said = [line for turn in wordings for line in chance.lean(turn).format(**values).split("\n")]
            return turns(first.format(**values), second.format(**values), said)

        return write

    def shopping() -> str:
        (one, many), (_, others) = chance.several(GOODS, 2)
        price, number = chance.between(2, 9), chance.between(2, 9)
        total = price * number
        paid = total if chance.often(0.5) else total + chance.between(1, 5)
        said = [
            chance.pick(("Good morning! How much is one {one}?", "Hello! How much does {a_one} cost?")),
            chance.pick(("One {one} costs {price} coins.", "They are {price} coins each.")),
            chance.pick(("I would like {number} {many}, please.", "Please give me {number} {many}.")),
            "{price} × {number} = {total}. That is {total} coins, please.",
            chance.pick(("Here are {paid} coins.", "Here you are, {paid} coins.")),
        ]
        if paid > total:
            said.append("{paid} - {total} = {back}. Here is your change: {back} {back_coins}.")
        else:
            said.append("Thank you. Would you like some {others} too?")
            said.append("No, thank you. Goodbye!")
        back = paid - total
        values = {
            "one": one,
            "a_one": a(one),
            "many": many,
            "others": others,
            "price": price,
            "number": number,
            "total": total,
            "paid": paid,
            "back": back,
            "back_coins": "coin" if back == 1 else "coins",
        }
        return turns("Customer", "Seller", [line.format(**values) for line in said])

    def roll_call() -> str:
        teacher, present = "Teacher", chance.several(people, 3)
        things = chance.several(SUBJECTS, 3)
        lines = [f"{teacher}: {chance.pick(('What will we read about?', 'What would you like to read about?'))}"]
        lines += [
            f"{who}: {chance.pick(('I want to learn about', 'I would like to know more about'))} {what}."
            for who, what in zip(present, things, strict=True)
        ]
        lines.append(f"{teacher}: Good. Then we will read about {listing(things)}.")
        return "\n".join(lines)

    scenes = Deck(
        (
            scene(GREETING, "{p}", "{q}"),
            scene(MEETING, "{p}", "{q}"),
            scene(WAY, "Visitor", "{q}"),
            scene(WEATHER, "{p}", "{q}"),
            scene(DOCTOR, "{p}", "Doctor"),
            scene(RESTAURANT, "Waiter", "{q}"),
            scene(LIBRARY, "Librarian", "{q}"),
            scene(PHONE, "{p}", "{q}"),
            scene(BORROWING, "{p}", "{q}"),
            shopping,
            shopping,
            roll_call,
        ),
        chance,
    )
    return lambda: scenes.draw()()
