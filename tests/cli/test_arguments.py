"""What was typed, made regular: both spellings, values untouched, mistakes named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UserError
from minimind_tui.cli.arguments import FALSE_WORDS, TRUE_WORDS, Command, Option, regular_arguments

BOOL = (*TRUE_WORDS, *FALSE_WORDS)
RUN = Command(
    "minimind run",
    {
        "--batch-size": Option("--batch_size"),
        "--learning-rate": Option("--learning_rate"),
        "--prompt": Option("--prompt"),
        "--use-moe": Option("--use_moe", words=BOOL),
        "--compile": Option("--compile", words=(*BOOL, "auto")),
        "--detach": Option("--detach", flag=True),
        "--help": Option("--help", flag=True),
    },
    positional=False,
)
SHOW = Command("minimind runs show", {"--use-wandb": Option("--use_wandb", words=BOOL)})
ROOT = Command(
    "minimind",
    {"--version": Option("--version", flag=True)},
    {"run": RUN, "runs": Command("minimind runs", {}, {"show": SHOW})},
)


def regular(*words: str) -> list[str]:
    return regular_arguments(words, ROOT)


@pytest.mark.parametrize("spelling", ["--batch-size", "--batch_size"])
def test_both_spellings_are_one(spelling: str) -> None:
    assert regular("run", spelling, "8") == ["run", "--batch_size", "8"]
    assert regular("run", f"{spelling}=8") == ["run", "--batch_size=8"]


@given(st.text(min_size=1).filter(lambda text: not text.startswith("--")))
def test_a_value_is_never_touched(value: str) -> None:
    assert regular("run", "--prompt", value) == ["run", "--prompt", value]
    assert regular("run", f"--prompt={value}") == ["run", f"--prompt={value}"]


def test_a_value_that_looks_like_an_option_passes_with_an_equals_sign_or_when_no_option_is_called_so() -> None:
    assert regular("run", "--prompt=--batch-size") == ["run", "--prompt=--batch-size"]
    assert regular("run", "--prompt", "--once_upon-a") == ["run", "--prompt", "--once_upon-a"]


def test_what_follows_two_hyphens_is_left_alone() -> None:
    assert regular("runs", "show", "--", "--use_wandb") == ["runs", "show", "--", "--use_wandb"]


@pytest.mark.parametrize("value", [*BOOL, "False", "ON"])
def test_a_yes_or_no_setting_takes_a_value_in_every_form(value: str) -> None:  # trap 30
    assert regular("run", "--use-moe", value) == ["run", f"--use_moe={value}"]
    assert regular("run", f"--use_moe={value}") == ["run", f"--use_moe={value}"]


def test_a_yes_or_no_setting_alone_means_yes_and_no_before_it_means_no() -> None:
    assert regular("run", "--use_moe") == ["run", "--use_moe=true"]
    assert regular("run", "--use_moe", "--detach") == ["run", "--use_moe=true", "--detach"]
    assert regular("run", "--no-use_moe") == ["run", "--use_moe=false"]
    assert regular("run", "--compile", "auto") == ["run", "--compile=auto"]


def test_a_wrong_value_of_a_yes_or_no_setting_is_kept_to_be_refused_by_name() -> None:
    assert regular("run", "--use_moe", "maybe") == ["run", "--use_moe=maybe"]


def test_a_run_after_a_yes_or_no_setting_is_not_taken_for_its_value() -> None:
    assert regular("runs", "show", "--use_wandb", "20261124-mini") == [
        "runs",
        "show",
        "--use_wandb=true",
        "20261124-mini",
    ]


def test_a_switch_may_be_given_a_truth_value() -> None:
    assert regular("run", "--detach=0") == ["run"]
    assert regular("run", "--detach=yes") == ["run", "--detach"]
    with pytest.raises(UserError, match="--detach is a switch"):
        regular("run", "--detach=later")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--batchsize", "--batch_size"),
        ("--batch-sise", "--batch_size"),
        ("--learning_rat", "--learning_rate"),
        ("--Learning-Rate", "--learning_rate"),
    ],
)
def test_an_unknown_option_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"no option {typed} of `minimind run`. Did you mean {meant}?"):
        regular("run", typed, "8")


def test_an_option_before_its_command_is_told_where_it_belongs() -> None:
    with pytest.raises(UserError, match="It is an option of `minimind run`"):
        regular("--batch_size", "8", "run")


def test_a_single_hyphen_is_pointed_out() -> None:
    with pytest.raises(UserError, match="two hyphens: --batch_size"):
        regular("run", "-batch-size", "8")


@pytest.mark.parametrize("words", [("run", "--batch_size"), ("run", "--batch-size", "--learning-rate", "1e-3")])
def test_a_missing_value_is_pointed_out(words: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="needs a value"):
        regular(*words)


def test_an_unknown_command_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"`minimind rnu`. Did you mean run\? There are: run, runs"):
        regular("rnu")
    with pytest.raises(UserError, match=r"`minimind runs shwo`. Did you mean show\?"):
        regular("runs", "shwo")
