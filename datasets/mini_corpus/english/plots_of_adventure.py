"""Plots about days that turn out unlike others: storms, ways lost, trips, strange sounds, parties, soup."""

from __future__ import annotations

from mini_corpus.plot import Plot, cases

STORM = Plot(
    "storm",
    (
        (
            "One day, {h} and {f} were playing {where}. The sky was blue and the air was warm.",
            "One warm afternoon, {h} and {f} went for a long walk {where}.",
        ),
        (
            "Then dark clouds came, and a strong wind began to blow.",
            "Suddenly the sky became grey. They heard thunder far away.",
        ),
        (
            '"It is going to rain," said {f}. "We must find a dry place!"',
            'The first drops fell on their noses. "Quick, let us run!" said {h}.',
        ),
        (
            "They ran and ran, until they found {shelter}. There they sat close together.",
            '"Look, there is {shelter}!" said {h}. They were safe and dry there.',
        ),
        (
            "Outside, the rain fell and the wind blew. To pass the time, they {pastime}.",
            "While they waited, they {pastime}. Soon they forgot the storm.",
        ),
        (
            "After an hour, the rain stopped and the sun came out again.",
            "At last the wind was still. Little by little, the sky became bright.",
        ),
        (
            'Then they saw a big rainbow in the sky. "How beautiful!" said {h}.',
            '"Look up!" said {f}. There was a rainbow with all its colours.',
        ),
        (
            "On the way home, they jumped over every puddle. {e.cap} was glad to see them.",
            "After every storm, the sun comes back.",
            "When they came home, {e} gave them hot tea and warm soup.",
        ),
    ),
    cases(
        "where shelter pastime",
        "in the meadow | an old barn | told each other stories",
        "in the hills | a small cave | sang all the songs they knew",
        "by the river | a wide bridge | counted the flashes in the sky",
        "in the forest | a hollow tree | ate the bread from their bag",
        "near the lake | an empty boat house | played a game with small stones",
        "on the beach | a fisherman's hut | asked each other riddles",
    ),
)

LOST_WAY = Plot(
    "the way home",
    (
        (
            "One {fine} day, {h} went into the forest to {purpose}.",
            'One morning, {h} said, "I will go to the forest and {purpose}." "Come back before dark," said {e}.',
        ),
        (
            "{h.He} went deeper and deeper into the forest. At last {h.he} did not know the way back.",
            "{h} forgot the time. When the sun went down, {h.he} did not know where {h.he} was.",
        ),
        (
            '"Which way is home?" asked {h}, but only the wind answered.',
            "All the trees looked the same. {h} sat down on a stone and felt like crying.",
        ),
        (
            'Then a {guide} came out of the bushes. "Why are you sad?" asked the {guide}. "I am lost," said {h}.',
            'A {guide} was sitting on a branch and looking at {h.him}. "Can I help you?" it asked.',
        ),
        (
            '"{advice}," said the {guide}. "Then you will find your way."',
            'The {guide} thought for a moment and said, "{advice}."',
        ),
        (
            "{h} did what the {guide} said. Soon {h.he} saw {sign}.",
            "{h} stood up and went on. After a while {h.he} saw {sign}.",
        ),
        (
            "{f} and {e} were already waiting at the door. They were so happy to see {h}!",
            '"There you are!" cried {f} and ran to meet {h}.',
        ),
        (
            "Now {h} always remembers the way when {h.he} goes out.",
            "The next day, {h} brought some nuts to the forest to thank the {guide}.",
            "{h} was tired, but very glad to be home.",
        ),
    ),
    cases(
        "purpose guide advice sign",
        "pick berries | squirrel | Follow the little stream | the lights of the houses",
        "look for mushrooms | sparrow | Walk towards the evening star | the old stone bridge",
        "collect wood | robin | Go down the hill and turn left at the big rock | smoke from a chimney",
        "pick flowers | cuckoo | Follow the path with the white stones | the roof of the house",
        "find acorns | magpie | Go where the sun goes down | the wide field near home",
    ),
)

TRIP = Plot(
    "trip",
    (
        (
            "One {fine} morning, {h} woke up very early. Today was the day of the trip {to}!",
            '"Tomorrow we will go {to}," said {e}. {h} was so excited that {h.he} could not sleep.',
        ),
        (
            "{h} put some bread, an apple and a bottle of water into a bag. Then {h.he} met {f}.",
            "{h} and {f} went with {e}. They took bread, fruit and water with them.",
        ),
        (
            "They went {by}. On the way they saw {way}.",
            "The way was long. They travelled {by} and looked at {way}.",
        ),
        (
            "When they arrived, {h} stood still. {view}.",
            '"We are here!" said {f}. {view}.',
        ),
        (
            "They {do1}, and then they {do2}.",
            "In the morning they {do1}. In the afternoon they {do2}.",
        ),
        (
            "{h} found {a_find} and put it into {h.his} pocket.",
            'At noon they sat down and ate their bread. "Everything tastes better here," said {f}.',
        ),
        (
            "In the evening they went home, tired but happy.",
            "When the sun went down, it was time to go home. {h} fell asleep on the way.",
        ),
        (
            "That night, {h} dreamed of the trip.",
            '"When can we go there again?" asked {h}.',
            "It was a day that {h} would never forget.",
        ),
    ),
    cases(
        "to by way view do1 do2 find",
        "to the sea | by train | green fields and small villages | The water was blue and had no end"
        " | played in the sand | jumped over the waves | white shell",
        "to the mountains | by bus | rivers and old bridges | There was snow on the highest tops"
        " | climbed up a narrow path | drank cold water from a spring | shiny stone",
        "to the zoo | by bike | yellow fields and many cows | There were animals everywhere"
        " | fed the goats | watched the monkeys | long blue feather",
        "to the lake | on foot | tall trees and small birds | The lake was as smooth as a mirror"
        " | rowed a boat | swam near the shore | round pebble",
        "to the old castle | by bus | forests and hills | The walls were high and grey"
        " | went up the tower | looked down at the town | rusty key",
        "to the island | by boat | white birds and small waves | The island was quiet and green"
        " | walked around the whole island | watched the crabs | piece of green glass",
    ),
)

STRANGE_SOUND = Plot(
    "strange sound",
    (
        (
            "One night, {h} heard a strange sound. {sound}! It came from {where}.",
            "{h} was lying in bed when there was a sound from {where}. {sound}!",
        ),
        (
            '"Is it a monster?" thought {h} and pulled the blanket up to {h.his} nose.',
            "{h} sat up and listened. There it was again.",
        ),
        (
            'The next morning, {h} told {f} about it. "Let us find out what it is," said {f}.',
            "{h} called {f}, who was staying for the night. They took a lamp and went to look.",
        ),
        (
            "They walked very quietly, one step at a time.",
            "Their hearts beat fast, but they went on.",
        ),
        (
            "{f} held up the lamp, and {h} opened the door. They saw {a_cause}!",
            "Then they looked behind a big box, and there was {a_cause}.",
        ),
        (
            "It {doing}. {h} and {f} looked at each other and laughed.",
            'It {doing}. "So that was our monster!" said {f}.',
        ),
        (
            "They {solve}, and from then on it was quiet at night.",
            "So they {solve}. After that, {h} slept well.",
        ),
        (
            "Many things are less scary when we look at them closely.",
            '"Next time I will look first and be afraid later," said {h}.',
        ),
    ),
    cases(
        "sound where cause doing solve",
        "Tap, tap, tap | the roof | little woodpecker | was looking for insects in the wood"
        " | gave it some seeds in the garden",
        "Scratch, scratch | the cellar | hungry mouse | was trying to open a bag of flour | gave it a piece of cheese",
        "Bang, bang | the barn | loose window | was moving in the wind | fixed it with a nail",
        "Drip, drip, drip | the kitchen | leaking tap | was dripping into a metal bowl | closed it with a strong hand",
        "Crunch, crunch | the garden shed | small hedgehog | was eating an apple | made it a bed of leaves",
        "Meow, meow | the cupboard | white kitten | was locked in and wanted to get out | let it out and gave it milk",
    ),
    who="people",
)

BIRTHDAY = Plot(
    "birthday",
    (
        (
            "It was {h}'s birthday. {h.He} woke up early and looked out of the window.",
            "Tomorrow was {h}'s birthday, and {f} wanted to make it a special day.",
        ),
        (
            "{f} wanted to give {h} something special, but {f.he} had no money.",
            '"What can I give to {h}?" {f} asked {e}. "The best gift comes from the heart," said {e}.',
        ),
        (
            "So {f} made {a_gift} with {f.his} own hands. It took {f.him} the whole day.",
            "{f} worked in secret all day long and made {a_gift}.",
        ),
        (
            "{e.cap} baked a big cake with {topping}. All the friends came and hid behind the door.",
            "In the evening, the table was full of good things: a cake with {topping}, juice and fruit.",
        ),
        (
            'When {h} opened the door, everybody shouted, "Happy birthday, {h}!"',
            "When {h} came in, all the friends began to sing a birthday song.",
        ),
        (
            '{h} unwrapped the {gift}. "This is the best present of all," said {h}.',
            'Then {f} gave {h} the {gift}. "Did you make this for me?" asked {h}. "It is wonderful!"',
        ),
        (
            "They ate cake, {play} and laughed until late in the evening.",
            "After the cake they {play}. Nobody wanted to go home.",
        ),
        (
            "{h} wished for only one thing: that they would always be friends.",
            "That night {h} put the {gift} next to the bed and fell asleep with a smile.",
        ),
    ),
    cases(
        "gift topping play",
        "blue scarf | red cherries | danced in a circle",
        "wooden horse | white cream | played hide and seek",
        "paper lantern | fresh strawberries | told funny stories",
        "picture of the two friends | thick chocolate | sang songs",
        "necklace of shells | sweet blueberries | played music",
        "little clay cup | slices of orange | played games",
    ),
)

SOUP = Plot(
    "cooking together",
    (
        (
            "One {cold} day, {h} wanted to make {dish}. But there {lack1} in the house.",
            '"Today I will cook {dish}," said {h}. But when {h.he} looked into the kitchen, there {lack1}.',
        ),
        (
            'So {h} went to {f} and asked, "Do you have {need1}?"',
            '{h} knocked at {f}\'s door. "Do you have {need1}?" asked {h}.',
        ),
        (
            '"Yes, I do," said {f}. "But I would like to eat some {meal} too." "Of course!" said {h}.',
            '"Here you are," said {f}. "May I help you cook?" "Yes, please," said {h}.',
        ),
        (
            "Then they also needed {need2}. {e.cap} had that at home and came along.",
            'Something was still missing. "I can bring {need2}," said {e}.',
        ),
        (
            "{h} washed the {meal} pot, {f} {task}, and {e} lit the fire.",
            "They all worked together. {f} {task}, and {h} stirred the pot.",
        ),
        (
            "Soon there was a wonderful smell in the whole house.",
            "After an hour, everything was ready. It smelled very good.",
        ),
        (
            "They sat around the table and ate. There was enough for everybody.",
            '"This is delicious!" said {f}. Everyone ate two bowls.',
        ),
        (
            "A meal with friends warms you twice.",
            "When everyone gives a little, there is enough for all.",
            "Outside it was cold, but inside it was warm and bright.",
        ),
    ),
    cases(
        "dish meal lack1 need1 need2 task",
        "vegetable soup | soup | were no carrots | three carrots | a little salt | cut the carrots",
        "tomato soup | soup | were no tomatoes | six tomatoes | some green herbs | washed the tomatoes",
        "a pot of stew | stew | were no potatoes | five potatoes | a big onion | peeled the potatoes",
        "rice porridge | porridge | was no rice | a bag of rice | some brown sugar | washed the rice",
        "noodle soup | soup | were no noodles | some noodles | two fresh eggs | boiled the noodles",
        "pumpkin soup | soup | was no pumpkin | a big pumpkin | a cup of cream | cut the pumpkin",
    ),
)

PLOTS = (STORM, LOST_WAY, TRIP, STRANGE_SOUND, BIRTHDAY, SOUP)
