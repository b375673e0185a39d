"""The playground without a screen: options as typed, prompts gone through, answers as they come."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.run.folder import RunFolder
from engine.run.observe import Observation
from engine.run.schema import State, Status
from minimind_tui.core.playground import (
    OPTION_NAMES,
    AnswerState,
    PlaygroundState,
    PromptHistory,
    Side,
    WritingOptions,
    option_help,
    option_label,
)
from minimind_tui.core.playground_models import ModelChoice
from minimind_tui.core.run_index import RunEntry
from minimind_tui.generating import Begun, Died, Done, Failed, Piece

RUN = RunFolder(Path("/somewhere/runs/20261124-031500-mini"))


def begun(number: int, **changes: object) -> Begun:
    values = {"device": "cpu", "step": 20, "heads_assumed": None, "file_is_gone": False} | changes
    return Begun(number, **values)  # type: ignore[arg-type]


def entry(step: int | None, state: State = State.RUNNING) -> RunEntry:
    status = Status(attempt=1, step=step or 0, state=state, last_checkpoint=step)
    return RunEntry(RUN, None, Observation(state, "", "", status))


def asked(choice: ModelChoice | None = None, *, number: int = 1) -> Side:
    side = Side(choice or ModelChoice(RUN))
    side.ask(number, "从前", 7)
    return side


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0", 0.0),
        ("temperature", " 1.5 ", 1.5),
        ("top_k", "40", 40),
        ("top_p", "1", 1.0),
        ("seed", "", None),
        ("seed", "17", 17),
        ("max_tokens", "4096", 4096),
    ],
)
def test_an_option_is_taken_as_it_is_typed(name: str, text: str, value: object) -> None:
    options, problem = WritingOptions().with_text(name, text)
    assert problem == "" and getattr(options, name) == value
    assert options.with_text(name, options.text_of(name)) == (options, "")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("temperature", "", "a number"),
        ("temperature", "warm", "a number"),
        ("temperature", "-0.1", "0.0 to 100.0"),
        ("temperature", "nan", "0.0 to 100.0"),
        ("top_k", "1.5", "a whole number"),
        ("top_k", "-1", "0 to"),
        ("top_p", "0", "more than 0, at most 1"),
        ("top_p", "1.01", "more than 0, at most 1"),
        ("seed", "-1", "0 to"),
        ("max_tokens", "0", "1 to 32768"),
        ("max_tokens", "32769", "1 to 32768"),
    ],
)
def test_a_wrong_option_is_named_and_changes_nothing(name: str, text: str, words: str) -> None:
    options, problem = WritingOptions().with_text(name, text)
    assert options == WritingOptions()
    assert problem.startswith(option_label(name)) and words in problem


def test_every_option_is_named_and_explained() -> None:
    assert all(option_label(name) and option_help(name) for name in OPTION_NAMES)


def test_a_seed_is_drawn_anew_or_stays() -> None:
    assert len({WritingOptions().draw_seed() for _n in range(5)}) == 5
    assert WritingOptions(seed=3).draw_seed() == 3


def test_prompts_are_gone_through_and_the_draft_comes_back() -> None:
    history = PromptHistory()
    assert history.older("typing") is None and history.newer() is None
    for prompt in ("one", "two", "one", "  ", "three"):
        history.add(prompt)
    assert history.older("typing") == "three"
    assert history.older("three") == "one"
    assert history.older("one") == "two"
    assert history.older("two") is None
    assert [history.newer() for _n in range(4)] == ["one", "three", "typing", None]


def test_the_prompt_that_was_just_written_is_not_offered_first() -> None:
    history = PromptHistory()
    history.add("one")
    history.add("two")
    assert history.older("two") == "one"
    assert history.newer() == "two"


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("+-abc"), max_size=40))
def test_any_way_through_the_history_ends_at_the_draft(moves: list[str]) -> None:
    history, shown = PromptHistory(), "draft"
    for move in moves:
        if move in "abc":
            history.add(move)
            shown = "draft"
        else:
            shown = (history.older(shown) if move == "-" else history.newer()) or shown
    while (newer := history.newer()) is not None:
        shown = newer
    assert shown == "draft"


def test_an_answer_from_its_beginning_to_its_end() -> None:
    side = asked()
    answer = side.answers[0]
    assert answer.state is AnswerState.WAITING and answer.summary() == "Loading the model ..."
    side.hear(begun(1), 10.0)
    assert (side.device, side.loaded_step, answer.step) == ("cpu", 20, 20)
    side.hear(Piece(1, "有一只", 3), 10.5)
    side.hear(Piece(1, "\x1b[31m熊\x07", 5), 11.0)
    assert answer.text == "有一只[31m熊" and answer.state is AnswerState.WRITING
    assert answer.summary() == "5 tokens · 5/s"
    side.hear(Done(1, 6, 5.5, -2.0, "length"), 11.2)
    assert answer.state is AnswerState.DONE and answer.perplexity == pytest.approx(math.e**2)
    assert answer.summary() == "6 tokens · 6/s · perplexity 7.39 · seed 7 · step 20 · cut at the limit"
    assert side.last_text == "从前有一只[31m熊" and side.open_answer is None


def test_a_model_that_ends_at_once_says_so() -> None:
    side = asked()
    side.hear(begun(1), 1.0)
    side.hear(Done(1, 0, None, None, "eos"), 1.1)
    assert side.answers[0].summary() == "The model ended the text at once."
    assert side.last_text == ""


def test_a_perplexity_beyond_all_numbers_is_none_the_less_one() -> None:
    side = asked()
    side.hear(Done(1, 1, 1.0, -1e9, "eos"), 1.0)
    assert math.isfinite(side.answers[0].perplexity or math.inf)


def test_what_comes_after_a_stop_is_not_shown() -> None:
    side = asked()
    side.hear(begun(1), 1.0)
    side.hear(Piece(1, "a", 1), 1.1)
    assert side.stop() == 1 and side.stop() is None
    side.hear(Piece(1, "b", 2), 1.2)
    side.hear(Done(1, 2, 3.0, -1.0, "cancelled"), 1.3)
    answer = side.answers[0]
    assert answer.text == "a" and answer.state is AnswerState.STOPPED and answer.summary().endswith("stopped")
    side.hear(Failed(1, "too late"), 1.4)
    assert answer.state is AnswerState.STOPPED


def test_an_answer_of_nobody_is_left_out() -> None:
    side = asked()
    side.hear(Piece(9, "x", 1), 1.0)
    assert side.answers[0].text == ""


def test_a_failure_is_told_in_its_own_words() -> None:
    side = asked()
    side.hear(Failed(1, "another tokenizer"), 1.0)
    assert side.answers[0].summary() == "another tokenizer"


def test_a_death_ends_what_was_asked_of_that_process_alone() -> None:
    side = asked()
    side.ask(2, "next", 1)
    side.hear(Died(frozenset({1}), "killed"), 1.0)
    assert [answer.state for answer in side.answers] == [AnswerState.FAILED, AnswerState.WAITING]
    assert side.answers[0].summary() == "killed" and side.notice(None, take_newest="x") == ""


def test_a_death_while_idle_is_told_until_another_process_begins() -> None:
    side = asked()
    side.hear(Died(frozenset(), "It was killed."), 1.0)
    assert side.notice(None, take_newest="x").startswith("It was killed.")
    side.hear(begun(1), 2.0)
    assert side.notice(None, take_newest="x") == ""


def test_newer_weights_of_a_training_run_are_told() -> None:
    newest = asked()
    assert newest.newer_step(entry(40)) is None, "nothing is loaded yet"
    newest.hear(begun(1), 1.0)
    assert newest.newer_step(entry(20)) is None and newest.newer_step(None) is None
    assert "Step 40" in newest.notice(entry(40), take_newest="ctrl+n")
    assert "next prompt" in newest.notice(entry(40), take_newest="ctrl+n")
    fixed = asked(ModelChoice(RUN, "20"))
    assert "ctrl+n" in fixed.notice(entry(40), take_newest="ctrl+n")
    assert fixed.notice(entry(40, State.FINISHED), take_newest="ctrl+n") == ""
    assert asked(ModelChoice(RUN, "best")).newer_step(entry(40)) is None


def test_deleted_weights_and_assumed_heads_are_told() -> None:
    side = asked(ModelChoice(file=Path("w.pth")))
    side.hear(begun(1, heads_assumed=8, file_is_gone=True), 1.0)
    notice = side.notice(None, take_newest="x")
    assert "deleted" in notice and "8 are assumed" in notice
    side.choose(ModelChoice(RUN))
    assert side.notice(None, take_newest="x") == "" and side.answers, "what was written stays"


def test_old_answers_go_and_both_sides_are_copied() -> None:
    state = PlaygroundState(left=asked(), right=asked())
    assert state.is_writing
    for side, text in zip(state.sides, ("links", "rechts"), strict=True):
        side.hear(Piece(1, text, 1), 1.0)
        side.hear(Done(1, 1, 1.0, -1.0, "eos"), 1.0)
    assert state.last_text == "从前links\n\n从前rechts" and not state.is_writing
    for number in range(2, 80):
        state.left.ask(number, "p", 1)
    assert len(state.left.answers) == 50 and state.left.answers[-1].number == 79


def test_what_a_choice_is_called() -> None:
    assert (ModelChoice(RUN).name, ModelChoice(RUN).which) == (RUN.id, "newest")
    assert ModelChoice(RUN, "best").which == "best" and not ModelChoice(RUN, "best").is_fixed
    assert ModelChoice(RUN, "20").which == "step 20" and ModelChoice(RUN, "20").is_fixed
    assert (ModelChoice(file=Path("a/w.pth")).name, ModelChoice(file=Path("a/w.pth")).which) == ("w.pth", "")
