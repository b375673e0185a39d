"""Plots about friends: losing and finding, helping, sharing, building, racing, meeting."""

from __future__ import annotations

from mini_corpus.plot import Plot, cases

LOST = Plot(
    "lost and found",
    (
        (
            "{h.He} had {a_thing} and took it everywhere.",
            "{h.His} favourite thing was {a_thing}.",
            "One day, {e} gave {h} {a_thing}. {h.He} loved it very much.",
        ),
        (
            "One {fine} morning, the {thing} was gone. {h} felt very sad.",
            'But one afternoon, {h} could not find the {thing}. "Oh no! Where is my {thing}?" cried {h}.',
            "Then one day the {thing} was not in its place. {h} began to cry.",
        ),
        (
            '{f} came to help. "Do not worry," said {f}. "We will find it together."',
            '"What is wrong?" asked {f}. "I lost my {thing}," said {h}. "Then let us look for it," said {f}.',
            '{h} ran to {f} and asked for help. "Of course I will help you," said {f}.',
        ),
        (
            "First they looked {look1}, but they found only {only}. Then they looked {look2}, but it was not there.",
            "They looked {look1} and {look2}, but they found only {only}.",
            "They looked {look1}. It was not there. They looked {look2}. There they saw only {only}.",
        ),
        (
            "At last, {f} looked {spot}. There was the {thing}!",
            '"Look!" said {f}. The {thing} was lying {spot}.',
            "Then {h} saw something {spot}. It was the {thing}!",
        ),
        (
            '{h} was so happy that {h.he} danced. "Thank you, {f}! You are a good friend," said {h}.',
            '{h} hugged {f} and said, "Thank you for helping me!"',
            "{h} laughed and jumped for joy. Then the two friends went home together.",
        ),
        (
            "From that day on, {h} always put the {thing} in a safe place.",
            "After that, {h} took good care of the {thing}.",
            "{h} learned that it is easier to find things with a friend.",
        ),
    ),
    cases(
        "thing look1 look2 only spot",
        "red ball | behind the house | near the bridge | some dry leaves | in the tall grass",
        "blue kite | in the garden | by the river | an old shoe | on top of the wall",
        "little drum | under the table | behind the door | a sleepy cat | under the bed",
        "yellow hat | in the garden | near the gate | a few stones | under the apple tree",
        "green scarf | behind the door | in the kitchen | an empty basket | on the old chair",
        "silver bell | near the well | in the barn | a small brown feather | between two stones",
        "wooden boat | on the bridge | in the field | a slow snail | beside the pond",
        "picture book | under the bed | in the kitchen | a pair of old socks | behind the big chair",
        "orange umbrella | near the gate | in the barn | some wet leaves | beside the garden wall",
    ),
)

RESCUE = Plot(
    "rescue",
    (
        (
            "One {fine} day, {h} was walking {where}. Suddenly {h.he} heard a small voice. It was {a_who}.",
            "One morning, {h} and {f} went for a walk {where}. On the way they met {a_who}.",
            "One afternoon, {h} was playing {where} when {h.he} saw {a_who}.",
        ),
        (
            'The {who} {trouble}. "Please help me!" it said.',
            "The {who} {trouble}, and it was very afraid.",
            'The {who} looked sad, because it {trouble}. "Can you help me?" it asked.',
        ),
        (
            '"Poor {who}!" said {h}. "I will help you."',
            "{h} did not run away. {h.He} wanted to help.",
            "{h} thought for a moment. Then {h.he} had an idea.",
        ),
        (
            "{h} {help}. Soon the {who} felt better.",
            "Carefully, {h} {help}. It was not easy, but {h.he} did not stop.",
            "So {h} {help}. It took a long time, but at last the {who} was safe.",
        ),
        (
            '"Thank you," said the {who}. "I will never forget you." Then it {after}.',
            'The {who} was very happy. "You are so kind!" it said. Then it {after}.',
            "The {who} thanked {h} many times. Then it {after}.",
        ),
        (
            'When {h} told {e} about it, {e} smiled and said, "You have a good heart."',
            "{e.cap} was very proud of {h}.",
            "That evening {h} told {f} the whole story.",
        ),
        (
            "Helping others makes us happy too.",
            "From then on, {h} and the {who} were good friends.",
            "Even a small act of kindness can do a lot of good.",
        ),
    ),
    cases(
        "who where trouble help after",
        "small bird | in the woods | had hurt its wing | wrapped the wing in a soft leaf | sang a sweet song",
        "young lamb | in the hills | had fallen into a hole | pulled it out with a long rope | ran back to its mother",
        "black beetle | in the garden | was lying on its back | turned it over with a little stick"
        " | walked slowly away",
        "small turtle | near the lake | was stuck between two stones | pushed the stones apart"
        " | swam into the cool water",
        "little fish | by the river | was trapped in a tiny pool | carried it back to the river"
        " | swam away with a splash",
        "yellow duckling | by the pond | could not find its mother | led it to the other ducks | swam after its mother",
        "young butterfly | in the meadow | was caught in a net | opened the net very slowly | flew over the flowers",
        "little ant | near the stream | had fallen into the water | threw a leaf into the water"
        " | climbed out onto the grass",
    ),
)

SHARING = Plot(
    "sharing",
    (
        (
            "One {fine} day, {h} had {food}. {h.He} sat down under a tree to eat.",
            "One morning, {e} gave {h} {food}. {h} could not wait to eat it all.",
            'One day, {h} found {food} on the kitchen table. "This is all for you," said {e}.',
        ),
        (
            'Just then {f} came by. {f.He} looked tired and hungry. "That looks good," said {f}.',
            "Then {h} saw {f}. {f.He} had nothing to eat and looked very sad.",
            '{f} was sitting alone near the path. "I am so hungry," said {f}.',
        ),
        (
            '"If I share, I will have less," thought {h}. {h.He} did not know what to do.',
            "At first {h} wanted to keep everything. But then {h.he} looked at {f} again.",
            "{h} thought about it for a little while.",
        ),
        (
            'Then {h} gave half of it to {f}. "Here, this is for you," said {h}.',
            '"Come and sit with me," said {h}. "We can share it."',
            "{h} smiled and divided everything into two parts: one for {f} and one for {h.himself}.",
        ),
        (
            "They ate and talked and laughed. It tasted better than ever before.",
            '"Thank you!" said {f}. "This is the best {meal} of my life." They both laughed.',
            "The two friends ate together until there was nothing left.",
        ),
        (
            "The next day, {f} brought {gift} for {h}.",
            "A few days later, {h} was hungry, and {f} came with {gift}.",
            "Soon after that, {f} came back and gave {h} {gift}.",
        ),
        (
            "{h} learned that sharing makes good things even better.",
            "From that day on, they always shared their food.",
            '"A friend is worth more than a full plate," said {e}.',
        ),
    ),
    cases(
        "food meal gift",
        "a basket of red apples | meal | a jar of honey",
        "a big cake with cream | cake | a bag of nuts",
        "a warm loaf of bread | bread | some fresh cheese",
        "a bowl of sweet berries | meal | a big yellow pear",
        "a plate of hot dumplings | dinner | a basket of oranges",
        "a pot of vegetable soup | soup | a loaf of bread",
        "a round apple pie | pie | a cup of warm milk",
        "a bag of roasted nuts | snack | a slice of melon",
    ),
)

BUILDING = Plot(
    "building together",
    (
        (
            "One day, {h} wanted to build {a_work}. {h.He} worked all morning, but it was too hard to do alone.",
            '"I want to build {a_work}," said {h} one {fine} morning. {h.He} began at once, but soon {h.he} was tired.',
            "{h} had a plan. {h.He} wanted to make {a_work}, but {h.he} had never made one before.",
        ),
        (
            'Then {f} came along. "May I help you?" asked {f}. "Yes, please!" said {h}.',
            '{h} went to {f} and asked, "Will you build it with me?" "That sounds like fun," said {f}.',
            'When {f} saw this, {f.he} said, "Two can do more than one. Let us work together."',
        ),
        (
            "{h} brought {part1}, and {f} brought {part2}.",
            "First they looked for {part1}. Then they looked for {part2}.",
            "They needed {part1} and {part2}. It took them an hour to find everything.",
        ),
        (
            "{h} held everything in place, and {f} put it together.",
            "They worked side by side and sang a song while they worked.",
            "Sometimes it fell apart, but they tried again and again.",
        ),
        (
            "In the evening, the {work} was ready. It was {quality}.",
            "After a long day, the {work} was finished at last. It was {quality}!",
            'Finally, {h} stepped back and looked. "It is done!" {h.he} said. The {work} was {quality}.',
        ),
        (
            "They {use} until the sun went down.",
            "Everyone came to see it. Then the two friends {use}.",
            "The next day they {use} from morning to evening.",
        ),
        (
            '{e.cap} said, "You see, many hands make light work."',
            "{h} knew that {h.he} could not have done it without {f}.",
            "Together they could do what one could not do alone.",
        ),
    ),
    cases(
        "work part1 part2 quality use",
        "tree house | some long boards | a strong rope | high and safe | played in it",
        "small bridge | two long logs | some flat boards | short but strong | walked over it",
        "snowman | a long carrot | two black stones | big and round | danced around it",
        "sandcastle | a small bucket | some white shells | tall and beautiful | played beside it",
        "little boat | some dry wood | a piece of white cloth | light and fast | sailed it on the pond",
        "warm hut | many branches | a pile of dry grass | small but warm | sat inside and told stories",
        "swing | a wide board | two strong ropes | simple but good | took turns on it",
        "bird house | some thin boards | a box of nails | small and pretty | watched the birds in it",
    ),
)

RACE = Plot(
    "race",
    (
        (
            'One day, {f} said to {h}, "I am faster than you." "Let us have a race," said {h}.',
            "Every spring there was a big race in the village. This year, {h} and {f} both wanted to win.",
            '"Let us race to {goal}," said {f} one {fine} morning. {h} agreed.',
        ),
        (
            '{e.cap} called, "One, two, three, go!" and the race began.',
            "All their friends came to watch. {e.cap} waved a white flag, and off they went.",
        ),
        (
            "{f} was very fast. Soon {f.he} was far in front.",
            "At first, {f} ran much faster, and {h} was far behind.",
        ),
        (
            'But then {f} {stop}. "I have enough time," thought {f}.',
            '{f} looked back and laughed. "{h} is so slow," thought {f}. So {f.he} {stop}.',
        ),
        (
            "{h} did not stop. Step by step, {h.he} went on and on.",
            "{h} was tired, but {h.he} kept going. {h.He} did not look left or right.",
            "{h} just went on, slowly but surely.",
        ),
        (
            "When {f} looked up, {h} was already at {goal}. {h} had won the race!",
            "{f} jumped up and ran as fast as {f.he} could, but it was too late. {h} had won!",
        ),
        (
            '"Well done!" said {f}. "Next time I will not stop on the way." They both laughed.',
            'Everyone cheered for {h}. {f} shook {h.his} hand and said, "You won because you did not give up."',
            "{f} learned that the one who keeps going can win against the one who is fast.",
        ),
    ),
    cases(
        "goal stop",
        "the big oak tree | sat down in the shade and fell asleep",
        "the old mill | stopped to eat some berries",
        "the top of the hill | lay down in the grass for a nap",
        "the end of the road | went to drink from the stream",
        "the village gate | stopped to talk to some friends",
    ),
    who="animals",
)

NEWCOMER = Plot(
    "new friend",
    (
        (
            "One day, somebody new moved in next door. {n.His} name was {n}.",
            "One {fine} morning, {h} saw a new face. It was {n}, who had just moved to this place.",
        ),
        (
            "{n} was shy and always sat alone {alone}.",
            "{n} did not know anybody. Every day {n.he} sat {alone} and watched the others play.",
        ),
        (
            '{h} went over and said, "Hello! My name is {h}. Do you want to play with us?"',
            '"Why are you alone?" asked {h}. "I have no friends here," said {n} in a soft voice.',
            '"{n} looks lonely," said {h} to {f}. "Let us say hello."',
        ),
        (
            "{n} smiled for the first time. They played {game} all afternoon.",
            'So they asked {n} to play {game} with them. "I would love to!" said {n}.',
        ),
        (
            "It turned out that {n} {skill}. Everybody was surprised.",
            '{n} showed them something: {n.he} {skill}. "That is wonderful!" said {h}.',
        ),
        (
            '"I am glad that you came here," said {h}. "So am I," said {n}.',
            'When it got dark, {n} said, "Today was my best day here."',
        ),
        (
            "From then on, {h}, {f} and {n} were always together.",
            "Now {n} was not lonely any more.",
            "A friendly word is often the start of a long friendship.",
        ),
    ),
    cases(
        "alone game skill",
        "under the big tree | hide and seek | could whistle like a bird",
        "on the steps | with a ball | could stand on one hand",
        "by the window | a game of cards | knew a hundred stories",
        "on a bench | chess | could play the flute",
        "near the fence | a game of tag | could make animals out of paper",
        "at the edge of the field | football | could run faster than anyone",
    ),
)

PLOTS = (LOST, RESCUE, SHARING, BUILDING, RACE, NEWCOMER)
