"""How to do things, step by step."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance, Deck

# Title, what one needs, then the steps; each step has wordings, an empty one means the step may be left out.
RECIPES: tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...] = (
    ("make a cup of tea", "a cup, some tea leaves and hot water", (
        ("Boil some water.", "Put the kettle on and wait until the water boils."),
        ("Warm the cup with a little hot water.", ""),
        ("Put the tea leaves into the cup.", "Take a spoon of tea leaves and put them into the cup."),
        ("Pour the hot water over the leaves.", "Fill the cup with hot water."),
        ("Wait for three minutes.", "Let the tea stand for five minutes."),
        ("Add some honey if you like.", "Add a little milk.", ""),
        ("Enjoy your tea.", "Drink it while it is warm."))),
    ("plant a flower", "a pot, some soil and a seed", (
        ("Fill the pot with soil.", "Take a pot and fill it with soft soil."),
        ("Make a small hole with your finger.", "Make a hole in the soil."),
        ("Put the seed into the hole.", "Lay the seed into the hole."),
        ("Cover the seed with soil.", "Close the hole with a little soil."),
        ("Give it some water.", "Water it carefully."),
        ("Put the pot in a sunny place.", "Put the pot near a window."),
        ("Water it every day and be patient.", "Wait until the first leaf comes out."))),
    ("wash your hands", "water and soap", (
        ("Open the tap.", "Turn on the water."),
        ("Make your hands wet.", "Hold your hands under the water."),
        ("Take some soap.", "Rub your hands with soap."),
        ("Rub your hands for twenty seconds.", "Do not forget the places between your fingers."),
        ("Wash off the soap.", "Hold your hands under the water again."),
        ("Close the tap.", "Turn off the water.", ""),
        ("Dry your hands with a towel.", "Take a clean towel and dry your hands."))),
    ("boil an egg", "an egg, a pot and some water", (
        ("Put water into a pot.", "Fill a pot with water."),
        ("Heat the water until it boils.", "Put the pot on the stove and wait until the water boils."),
        ("Put the egg into the water with a spoon.", "Carefully lay the egg into the hot water."),
        ("Wait for eight minutes.", "Cook it for six minutes."),
        ("Take the egg out.", "Lift the egg out with a spoon."),
        ("Put it into cold water.", "Cool it under cold water.", ""),
        ("Take off the shell and eat the egg.", "Add a little salt and enjoy it."))),
    ("make a fruit salad", "apples, bananas, oranges and a bowl", (
        ("Wash the fruit.", "Wash all the fruit with clean water."),
        ("Peel the bananas and the oranges.", "Take off the skin of the bananas and the oranges."),
        ("Cut the fruit into small pieces.", "Cut everything into small pieces."),
        ("Put the pieces into a bowl.", "Take a big bowl and put everything into it."),
        ("Add some lemon juice.", "Add a spoon of honey.", ""),
        ("Stir it carefully.", "Mix everything with a spoon."),
        ("Put it in the fridge for an hour.", "Eat it at once.", "Share it with your family."))),
    ("make a paper boat", "a sheet of paper", (
        ("Take a sheet of paper.", "Lay a sheet of paper on the table."),
        ("Fold it in the middle.", "Fold it in half."),
        ("Fold the two upper corners to the middle.", "Bring both upper corners to the middle."),
        ("Fold up the edges on both sides.", "Fold the lower edges up."),
        ("Open it and press it flat.", "Pull it open and make it a square."),
        ("Paint it with bright colours.", ""),
        ("Put it on the water and let it sail.", "Now your boat is ready to sail."))),
    ("clean your room", "a broom, a cloth and some water", (
        ("Open the window.", "Open the window and let in fresh air."),
        ("Make your bed.", "Make the bed and fold the blanket."),
        ("Put your books on the shelf.", "Put all the books back on the shelf."),
        ("Put your toys into the box.", "Pick up everything from the floor."),
        ("Sweep the floor.", "Sweep the floor with a broom."),
        ("Clean the table with a wet cloth.", "Wipe the table and the window.", ""),
        ("Take out the rubbish.", "Now look around and be happy."))),
    ("build a snowman", "snow, a carrot and some stones", (
        ("Put on warm clothes and gloves.", "Put on a warm coat and gloves."),
        ("Roll a big ball of snow.", "Make a big ball of snow for the body."),
        ("Roll a smaller ball for the head.", "Make a smaller ball of snow."),
        ("Put the small ball on the big one.", "Put the head on the body."),
        ("Use two stones for the eyes.", "Press in two stones for the eyes."),
        ("Use a carrot for the nose.", "Put a carrot in the middle of the face."),
        ("Give it a hat and a scarf.", "Put an old hat on its head.", ""))),
    ("cross the street", "your eyes and your ears", (
        ("Stop at the edge of the street.", "Stand still before you step on the street."),
        ("Look left.", "Look to the left."),
        ("Look right.", "Look to the right."),
        ("Wait until there are no cars.", "Wait until the light is green."),
        ("Walk straight across.", "Go straight to the other side."),
        ("Do not run.", "Do not play on the street.", ""))),
    ("cook rice", "a cup of rice, water and a pot", (
        ("Wash the rice.", "Wash the rice two or three times."),
        ("Put the rice into a pot.", "Put the clean rice into the pot."),
        ("Add two cups of water.", "Add water and a little salt."),
        ("Heat it until it boils.", "Put the pot on the fire until the water boils."),
        ("Turn down the heat and close the lid.", "Cover the pot and make the fire small."),
        ("Wait for fifteen minutes.", "Cook it for a quarter of an hour."),
        ("Stir it and serve it warm.", "Let it rest for a moment before you eat."))),
    ("write a letter", "a pen, some paper and a stamp", (
        ("Take a pen and some paper.", "Sit down at a quiet table."),
        ("Write the date at the top.", "Write the date in the corner.", ""),
        ("Begin with a greeting.", "Write the name of your friend and a greeting."),
        ("Tell what you did this week.", "Tell your friend what is new."),
        ("Ask some questions.", "Ask your friend how he or she is.", ""),
        ("Write your name at the end.", "End with good wishes and your name."),
        ("Put it into an envelope and add a stamp.", "Bring the letter to the post office."))),
    ("learn a new word", "a notebook and a pencil", (
        ("Read the word aloud.", "Say the word slowly."),
        ("Look up what it means.", "Find out what it means."),
        ("Write it into your notebook.", "Write it three times."),
        ("Make a sentence with it.", "Use it in a short sentence."),
        ("Cover the word and try to remember it.", "Close the notebook and write it again."),
        ("Repeat it the next day.", "Say it again before you go to sleep."))),
)  # fmt: skip
TITLES = ("How to {what}:", "How do you {what}? Follow these steps:", "This is how you {what}:")


def howto_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes one set of instructions a call, as a list or as a paragraph."""
    deck = Deck(RECIPES, chance)
    order = ("First, ", "Then ", "Next, ", "After that, ")

    def write() -> str:
        what, needs, steps = deck.draw()
        title = chance.pick(TITLES).format(what=what)
        chosen = [step for step in (chance.pick(wordings) for wordings in steps) if step]
        if chance.often(0.6):
            lines = [title, f"You need {needs}."] if chance.often(0.5) else [title]
            return "\n".join(lines + [f"{i}. {step}" for i, step in enumerate(chosen, 1)])
        lowered = [f"{step[0].lower()}{step[1:]}" for step in chosen[:-1]]
        told = [f"{order[0] if i == 0 else order[1 + (i - 1) % 3]}{step}" for i, step in enumerate(lowered)]
        last = f"Finally, {chosen[-1][0].lower()}{chosen[-1][1:]}"
        return " ".join([f"To {what}, you need {needs}.", *told, last])

    return write
