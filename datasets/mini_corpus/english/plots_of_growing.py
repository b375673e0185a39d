"""Plots about growing up: learning, fear, patience, honesty, waiting."""

from __future__ import annotations

from mini_corpus.plot import Plot, cases

LEARNING = Plot(
    "learning",
    (
        (
            "{h} wanted to learn how to {skill}. {f} could already do it very well.",
            'One day, {h} saw {f} and said, "I want to {skill} too!"',
            "All of {h.his} friends could {skill}, but {h} could not. That made {h.him} sad.",
        ),
        (
            "On the first day, {h} tried, but {h.he} {fail}.",
            "{h} tried again and again, but every time {h.he} {fail}.",
            "It was harder than {h.he} thought. {h.He} {fail}.",
        ),
        (
            '"I cannot do it," said {h}. "I want to stop."',
            "{h} was angry and did not want to try any more.",
            '"Maybe I am too small," thought {h}.',
        ),
        (
            '"Nobody can do it on the first day," said {e}. "{tip}."',
            '{f} sat down next to {h}. "I had the same problem," said {f}. "{tip}."',
            '{e.cap} smiled and said, "{tip}. You will see that it works."',
        ),
        (
            "So {h} practised every morning. Little by little, it became easier.",
            "{h} practised for a whole week. Each day {h.he} did a little better.",
            "The next day, {h} tried once more, slowly and carefully.",
        ),
        (
            "Then one day, {h} {success}!",
            'At last {h} {success}. "Look at me!" {h.he} shouted.',
            "And then it happened: {h} {success}. Everybody clapped.",
        ),
        (
            "{h} was very proud. {h.He} knew now that practice helps.",
            '"I am glad that I did not give up," said {h}.',
            "Now {h} helps others who want to {skill}.",
        ),
    ),
    cases(
        "skill fail tip success",
        "swim | swallowed a lot of water | Kick with your legs and breathe slowly | swam across the pond",
        "ride a bike | fell off after a few metres | Look ahead and not at your feet"
        " | rode all the way around the park",
        "paint | spilled paint on the paper | Start with simple shapes | painted a beautiful picture of the sea",
        "play the piano | hit the wrong keys | Play it slowly first | played the whole song without a mistake",
        "fly a kite | let it crash into a tree | Wait for the wind and then run | made the kite rise high into the sky",
        "skate | slipped on the ice | Bend your knees a little | skated in a big circle",
        "read | forgot the letters | Read one word at a time | read a whole story alone",
        "bake bread | burned it | Watch the oven and do not hurry | baked a golden loaf of bread",
        "whistle | made no sound at all | Make your lips round and blow softly | whistled a happy tune",
    ),
)

FEAR = Plot(
    "fear",
    (
        (
            "But {h} had a secret: {h.he} was afraid of {fear}.",
            "There was only one thing that {h} did not like. {h.He} was afraid of {fear}.",
            "{h} was brave in many ways, but {h.he} was afraid of {fear}.",
        ),
        (
            "One evening, {event}. {h} began to shake and wanted to run away.",
            'Then one day, {event}. "I am scared!" cried {h}.',
            "One day, {event}. {h.He} closed {h.his} eyes and did not move.",
        ),
        (
            '{e.cap} came and sat down beside {h}. "Do you know something?" said {e}. "{truth}."',
            '"What is wrong?" asked {e}. {h} told {e} everything. "{truth}," said {e}.',
            '{f} took {h.his} hand. "I was afraid too," said {f}. "But {truth_low}."',
        ),
        (
            "{h} thought about these words. Then {h.he} opened {h.his} eyes and looked around.",
            "{h} listened and took a deep breath.",
            "Slowly, {h} became calm.",
        ),
        (
            "Step by step, {h.he} {step}.",
            "With {f} at {h.his} side, {h} {step}.",
            "This time {h.he} did not run away. {h.He} {step}.",
        ),
        (
            "It was not so bad after all. {h} even laughed.",
            '"That was not bad at all!" said {h}.',
            "{h} was surprised how easy it was.",
        ),
        (
            "After that, {h} was not afraid of {fear} any more.",
            "{e.cap} was proud of {h}. Being brave means doing something even when you are afraid.",
            "Now, when others are afraid, {h} tells them this story.",
        ),
    ),
    cases(
        "fear event truth truth_low step",
        "the dark | the lamp went out | The dark is only a place without light"
        " | the dark is only a place without light | walked through the dark room",
        "thunder | there was a loud storm outside | Thunder is loud, but it is only a sound"
        " | thunder is only a sound | counted the seconds after each flash",
        "deep water | the others went to the lake to swim | Water can carry you if you stay calm"
        " | water can carry you | went into the lake and floated on the water",
        "high places | the others climbed to the top of the tower | Look at the sky and not at the ground"
        " | you only have to look up | climbed the stairs to the very top",
        "big dogs | a big dog came along the road | This dog only wants to play"
        " | this dog only wants to play | put out a hand and touched the soft fur",
        "strangers | many guests came to the house | A stranger is only a friend you do not know yet"
        " | a stranger can become a friend | said hello to every guest",
    ),
)

SEED = Plot(
    "patience",
    (
        (
            'One spring day, {e} gave {h} {a_seed}. "Plant it and wait," said {e}.',
            "In spring, {h} found {a_seed} on the path. {h.He} took it home.",
            '"What is this?" asked {h}. "It is {a_seed}," said {e}. "{a_cap_plant} can grow from it."',
        ),
        (
            "{h} made a hole in the soft ground, put the {seed} in and covered it with soil.",
            "{h} planted the {seed} {where} and gave it some water.",
        ),
        (
            "Every morning, {h} went to look, but nothing happened.",
            "{h} waited one day, two days, three days. There was nothing to see.",
            'After a week, {h} was sad. "It does not want to grow," {h.he} said.',
        ),
        (
            '"Be patient," said {e}. "Good things need time."',
            '{f} said, "Give it water and sun, and do not give up."',
        ),
        (
            "Then one morning, a tiny green leaf came out of the ground!",
            "One day after the rain, there was something green in the soil.",
        ),
        (
            "All summer long, {h} gave it water. It grew and grew, until it was {size}.",
            "The plant grew a little every day. By the end of summer it was {size}.",
        ),
        (
            "At last there {result}. {h} shared this joy with {f}.",
            'Then there {result}. "It was worth the wait," said {h}.',
            "In the end there {result}, and {h} understood that patience helps things grow.",
        ),
    ),
    cases(
        "seed plant where size result",
        "sunflower seed | sunflower | near the fence | taller than the fence | was a big yellow flower",
        "pumpkin seed | pumpkin | behind the house | as long as a rope | was a huge orange pumpkin",
        "bean | bean plant | beside the wall | as high as the window | were twenty green beans",
        "tomato seed | tomato plant | in a big pot | as tall as a chair | were many red tomatoes",
        "strawberry seed | strawberry plant | in a sunny corner | full of white flowers | were sweet red strawberries",
        "melon seed | melon plant | at the edge of the field | wide and green | was a round green melon",
    ),
)

HONESTY = Plot(
    "honesty",
    (
        (
            "One afternoon, {h} was playing in the house, although {e} had told {h.him} to play outside.",
            "It was a {fine} day, and {h} was alone in the kitchen.",
        ),
        (
            "Suddenly {h.he} {accident}. {h} was shocked.",
            '{h} was not careful, and {h.he} {accident}. "Oh no!" said {h}.',
        ),
        (
            "Nobody had seen it. {h} wanted to hide {hide}.",
            '"If I say nothing, nobody will know," thought {h}. {h.He} hid {hide}.',
        ),
        (
            'Soon {e} came in and asked, "What happened here?" {h.His} heart beat fast.',
            'In the evening, {e} asked, "Do you know what happened to the {thing}?"',
        ),
        (
            '{h} felt bad. Then {h.he} looked up and told the truth. "It was me. I am very sorry."',
            'At first {h} did not answer. Then {h.he} said in a small voice, "I did it. I am sorry."',
        ),
        (
            '{e.cap} was quiet for a moment and then smiled. "Thank you for telling me the truth," said {e}.',
            '"Everyone makes mistakes," said {e}. "But it takes courage to tell the truth."',
        ),
        (
            "Together they {repair}. {h} felt light and happy again.",
            "Then the two of them {repair}. After that, {h} slept very well.",
            "The next day they {repair}, and {h} promised to be more careful.",
        ),
        (
            "An honest word is better than a clever lie.",
            "{h} never forgot that day.",
            "{h} learned that telling the truth makes the heart light.",
        ),
    ),
    cases(
        "accident thing hide repair",
        "broke the blue vase | vase | the pieces under the sofa | glued the vase",
        "spilled milk on the new book | book | the book behind the shelf | dried the pages",
        "tore the white curtain | curtain | the hole with a chair | sewed the curtain",
        "dropped the big plate | plate | the pieces in the bin | bought a new plate",
        "dropped the cake for the guests | cake | the broken cake in a cupboard | baked another cake",
        "broke the handle of the cup | cup | the cup in a drawer | mended the cup",
    ),
)

WISH = Plot(
    "saving for a wish",
    (
        (
            "{h} wanted {a_wish} more than anything else. But it cost {price} coins, and {h} had only {start}.",
            "In the window of a small shop there was {a_wish}. It cost {price} coins. {h} had only {start}.",
        ),
        (
            '"If you want it, you can work for it," said {e}.',
            '"You could earn some money," said {f}.',
        ),
        (
            "So {h} {work1} for the neighbours. They gave {h.him} {earn1} coins.",
            "First, {h} {work1}, and somebody paid {h.him} {earn1} coins for it.",
        ),
        (
            "Then {h.he} {work2}, and that brought {earn2} more coins.",
            "The week after, {h} {work2} and got {earn2} coins.",
        ),
        (
            "{h} counted the money: {start} + {earn1} + {earn2} = {price}. It was enough!",
            '"{start} + {earn1} + {earn2} = {price}," {h} counted. "Now I have enough!"',
        ),
        (
            "{h} ran to the shop and bought the {wish}.",
            "The next morning, {h} went to the shop and came home with the {wish}.",
        ),
        (
            "{h.He} was very careful with it, because {h.he} had worked hard for it.",
            '"Now you know how good it feels to work for a wish," said {e}.',
            "{h} and {f} enjoyed the {wish} together.",
        ),
    ),
    cases(
        "wish price start work1 earn1 work2 earn2",
        "red bicycle | 20 | 5 | washed windows | 8 | carried bags | 7",
        "wooden guitar | 18 | 6 | swept the yard | 5 | picked apples | 7",
        "box of paints | 12 | 3 | fed the chickens | 4 | watered the flowers | 5",
        "toy train | 15 | 4 | cleaned shoes | 5 | cut the grass | 6",
        "warm coat | 16 | 7 | carried wood | 6 | sold lemonade | 3",
        "little telescope | 19 | 9 | walked the dogs | 6 | picked berries | 4",
    ),
    who="people",
)

PLOTS = (LEARNING, FEAR, SEED, HONESTY, WISH)
