"""A table of animals, and what can be said truly about them: descriptions, riddles, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from mini_corpus.chance import Chance, Deck
from mini_corpus.english.cast import a, capital


@dataclass(frozen=True)
class Animal:
    """One kind of animal. `size` orders from small to large; equal sizes are not compared."""

    name: str
    plural: str
    group: str
    size: int
    looks: str  # "has ..."
    legs: str
    lives: str  # "lives ..."
    eats: str
    can: str  # "can ..."
    more: str  # a sentence about many of them


def _animals(*rows: str) -> tuple[Animal, ...]:
    made = []
    for row in rows:
        name, plural, group, size, looks, legs, lives, eats, can, more = row.split(" | ")
        made.append(Animal(name, plural, group, int(size), looks, legs, lives, eats, can, more))
    return tuple(made)


ANIMALS = _animals(
    "ant | ants | insect | 1 | a black or red body | six | in a big nest with many others | seeds and insects"
    " | carry things heavier than itself | Ants always work together.",
    "bee | bees | insect | 2 | yellow and black stripes | six | in a hive | nectar and pollen"
    " | fly from flower to flower | Bees make sweet honey.",
    "butterfly | butterflies | insect | 3 | two pairs of colourful wings | six | in gardens and meadows | nectar"
    " | fly and dance in the air | Before they could fly, butterflies were caterpillars.",
    "mouse | mice | mammal | 4 | soft fur and a long tail | four | in a small hole | seeds and grain"
    " | run fast and hide well | Mice are afraid of cats.",
    "frog | frogs | amphibian | 5 | wet skin and big eyes | four | near ponds | insects"
    " | jump far and swim well | Young frogs are called tadpoles.",
    "squirrel | squirrels | mammal | 6 | a big bushy tail | four | in trees | nuts and seeds"
    " | climb and jump from branch to branch | Squirrels hide food for the winter.",
    "owl | owls | bird | 7 | large round eyes | two | in the forest | mice and insects"
    " | see well at night | Owls sleep during the day.",
    "rabbit | rabbits | mammal | 8 | long ears and a short tail | four | under the ground | grass and vegetables"
    " | hear very well | Rabbits are shy and quiet.",
    "duck | ducks | bird | 8 | a flat beak and soft feathers | two | near the water | plants and small animals"
    " | swim, walk and fly | Ducks like rainy days.",
    "cat | cats | mammal | 9 | soft fur and sharp claws | four | with people | meat and fish"
    " | climb trees and catch mice | Cats sleep most of the day.",
    "dog | dogs | mammal | 12 | a wet nose and a good sense of smell | four | with people | meat and many other things"
    " | run, swim and watch the house | Dogs are good friends of people.",
    "sheep | sheep | mammal | 15 | a thick coat of wool | four | on farms | grass"
    " | live in hot and in cold places | We make warm clothes from the wool of sheep.",
    "kangaroo | kangaroos | mammal | 17 | strong back legs and a long tail | four | in Australia | grass and leaves"
    " | jump very far | Mother kangaroos carry their young in a pouch.",
    "panda | pandas | mammal | 18 | black and white fur | four | in the mountains of China | bamboo"
    " | climb trees | Pandas eat for many hours every day.",
    "lion | lions | mammal | 20 | strong teeth and sharp claws | four | in the grasslands of Africa | meat"
    " | roar very loudly | Male lions have a mane around the head.",
    "horse | horses | mammal | 24 | long legs and a long tail | four | on farms | grass and hay"
    " | run fast and carry people | Horses can sleep while standing.",
    "cow | cows | mammal | 25 | a large body and a long tail | four | on farms | grass"
    " | give a lot of milk | Cows spend hours chewing their food.",
    "camel | camels | mammal | 26 | one or two humps on its back | four | in dry places | grass and leaves"
    " | live for days without water | People ride camels through the desert.",
    "giraffe | giraffes | mammal | 30 | a very long neck and brown spots | four | in Africa | the leaves of trees"
    " | reach the top of the trees | Giraffes are the tallest animals in the world.",
    "elephant | elephants | mammal | 40 | a long trunk and big ears | four | in Africa and Asia"
    " | grass, leaves and fruit | carry heavy things with its trunk | Elephants are the largest animals on land.",
    "penguin | penguins | bird | 10 | black and white feathers | two | in the cold south | fish"
    " | swim very well but cannot fly | Penguins stand close together when it is cold.",
    "whale | whales | mammal | 90 | a huge body and strong fins | no | in the sea | small sea animals"
    " | swim very far | Whales come up to breathe air.",
)


def animal_writer(chance: Chance) -> Callable[[], str]:
    """A function that writes a description, a riddle or a comparison of animals a call."""
    deck = Deck(ANIMALS, chance)

    def describe() -> str:
        x = deck.draw()
        one, many = a(x.name), capital(x.plural)
        opening = chance.pick(
            (
                f"{capital(one)} is {a(x.group)}. It has {x.looks}.",
                f"{capital(one)} is an animal with {x.looks}. It is {a(x.group)}.",
                f"Do you know what {one} looks like? It has {x.looks}.",
                f"{many} are {x.group}s. They have {x.looks}.",
            )
        )
        they = opening.startswith(f"{many} are")
        facts = [
            f"{many} live {x.lives}." if they else f"It lives {x.lives}.",
            f"They eat {x.eats}." if they else f"It eats {x.eats}.",
            f"{'They have' if they else 'It has'} {x.legs} legs.",
            f"They can {_of(x.can, 'their', 'themselves')}." if they else f"It can {x.can}.",
            x.more,
        ]
        told = chance.in_order(facts, chance.between(3, 5))
        closing = chance.pick(
            (
                "",
                f"Have you ever seen {one}?",
                f"I like {x.plural} very much.",
                f"Children like to read about {x.plural}.",
                f"Yesterday we read a book about {x.plural}.",
            )
        )
        return " ".join(part for part in (opening, *told, closing) if part)

    def riddle() -> str:
        x = deck.draw()
        clues = [f"I have {x.looks}.", f"I have {x.legs} legs.", f"I live {x.lives}.", f"I eat {x.eats}."]
        clues.append(f"I can {_of(x.can, 'my', 'myself')}.")
        ask = chance.pick(("What am I?", "Who am I?"))
        told = " ".join(chance.several([_of(clue, "my", "myself") for clue in clues], chance.between(3, 4)))
        return f"Riddle: {told} {ask}\nAnswer: You are {a(x.name)}."

    def compare() -> str:
        x = deck.draw()
        y = chance.pick([other for other in ANIMALS if other.size != x.size])
        big, small = (x, y) if x.size > y.size else (y, x)
        one, other = a(x.name), a(y.name)
        told = [
            chance.pick((f"{capital(one)} and {other} are both animals.", f"Let us compare {one} and {other}.")),
            chance.pick(
                (
                    f"{capital(a(big.name))} is bigger than {a(small.name)}.",
                    f"{capital(a(small.name))} is smaller than {a(big.name)}.",
                )
            ),
        ]
        differences = [
            f"{capital(one)} has {x.looks}, but {other} has {y.looks}.",
            f"{capital(one)} lives {x.lives}, and {other} lives {y.lives}."
            if x.lives != y.lives
            else f"Both of them live {x.lives}.",
            f"{capital(x.plural)} eat {x.eats}, but {y.plural} eat {y.eats}."
            if x.eats != y.eats
            else f"Both of them eat {x.eats}.",
            f"{capital(one)} has {x.legs} legs, but {other} has {y.legs}."
            if x.legs != y.legs
            else f"Both of them have {x.legs} legs.",
            f"{capital(one)} can {x.can}. {capital(other)} can {y.can}.",
        ]
        return " ".join([*told, *chance.in_order(differences, chance.between(2, 4))])

    def ranked() -> str:
        chosen = sorted(chance.several(ANIMALS, chance.between(3, 4)), key=lambda animal: animal.size)
        if any(left.size == right.size for left, right in pairwise(chosen)):
            return ranked()
        steps = [f"{capital(a(right.name))} is bigger than {a(left.name)}." for left, right in pairwise(chosen)]
        names = [animal.name for animal in chance.shuffled(chosen)]
        asked = f"Question: Which is the biggest: {', '.join(a(name) for name in names[:-1])} or {a(names[-1])}?"
        return f"{asked}\nAnswer: {' '.join(steps)} So {a(chosen[-1].name)} is the biggest."

    def write() -> str:
        return chance.pick((describe, describe, describe, riddle, compare, compare, ranked))()

    return write


def _of(text: str, owner: str, self: str) -> str:
    """The text with "its" and "itself" said of somebody else."""
    words = {"its": owner, "itself": self, "itself.": f"{self}."}
    return " ".join(words.get(word, word) for word in text.split(" "))
