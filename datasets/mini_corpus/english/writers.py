"""The kinds of English texts and the share each has."""

from __future__ import annotations

from collections.abc import Callable

from mini_corpus.chance import Chance
from mini_corpus.english.animals import animal_writer
from mini_corpus.english.dialogues import dialogue_writer
from mini_corpus.english.howto import howto_writer
from mini_corpus.english.numbers import arithmetic_writer, word_problem_writer
from mini_corpus.english.questions import question_writer, statement_writer
from mini_corpus.english.scenes import scene_writer
from mini_corpus.english.stories import story_writer

# Kind, share of the language's bytes, what makes the writer. The shares sum to 1.
WRITERS: tuple[tuple[str, float, Callable[[Chance], Callable[[], str]]], ...] = (
    ("stories", 0.40, story_writer),
    ("questions", 0.26, question_writer),
    ("statements", 0.06, statement_writer),
    ("arithmetic", 0.05, arithmetic_writer),
    ("word problems", 0.03, word_problem_writer),
    ("dialogues", 0.09, dialogue_writer),
    ("animals", 0.05, animal_writer),
    ("scenes", 0.04, scene_writer),
    ("how-to", 0.02, howto_writer),
)
