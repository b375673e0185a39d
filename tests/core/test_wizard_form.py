"""The form: one field for each setting, judged as the engine judges, whatever is typed."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.language import current_language, set_language
from engine.settings.presets import load_preset
from engine.settings.resolve import build_settings
from engine.settings.settings import SETTING_NAMES, Settings
from minimind_tui.core.wizard.form import SPECS, Form, matching, names_in_order, raw_value, text_of
from minimind_tui.core.wizard.texts import duration_text, join_texts, split_texts

OTHER_TEXTS = {
    "spike_threshold": "12",
    "architecture": "minimind3",
    "norm_cast": "before_weight",
    "initializer": "normal",
    "special_tokens": "none",
    "overlong": "truncate",
    "bad_lines": "stop",
    "optimizer": "muon",
    "schedule": "wsd",
    "device": "cpu",
    "dtype": "fp32",
    "deadline": "2126-12-01T08:00",
    "time_budget": "1h30m",
    "sample_prompts": "one | two",
    "aux_loss_coef": "0.5",
    "rank_timeout": "60",
}
"""A text that differs from the default, where no number or path does."""


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def other_text(name: str) -> str:
    """Something else than the default, that is right."""
    spec, usual = SPECS[name], getattr(Settings(), name)
    if name in OTHER_TEXTS:
        return OTHER_TEXTS[name]
    if spec.kind == "flag":
        return "off" if usual else "on"
    if spec.kind == "choice":
        return next(choice for choice in spec.choices if choice != text_of(name, usual))
    if spec.kind in ("text", "path"):
        return "something.else"
    if spec.kind == "float":
        return "0.125" if usual != 0.125 and spec.bounds.get("gt") != 1 else "5000"
    if name == "rms_norm_eps":
        return "0.001"
    return "768"


def test_there_is_a_field_for_every_setting() -> None:
    assert set(SPECS) == set(SETTING_NAMES) and len(SPECS) > 60
    assert sorted(names_in_order(basic=True) + names_in_order(basic=False)) == sorted(SETTING_NAMES)
    assert len(names_in_order(basic=True)) == 21


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_what_is_typed_reaches_the_settings(name: str) -> None:
    form = Form(Settings())
    text = other_text(name)
    form.set_text(name, text)
    field = form.field(name)
    assert field.problem == "" and field.changed and field.text == text
    asked = form.settings()
    assert getattr(asked, name) != getattr(Settings(), name)
    assert asked == build_settings({name: raw_value(name, text)})
    assert {other for other in SETTING_NAMES if getattr(asked, other) != getattr(Settings(), other)} == {name}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", SETTING_NAMES)
def test_every_field_is_explained(name: str, language: str) -> None:
    set_language(language)
    spec = SPECS[name]
    assert len(spec.help) > 5
    if spec.kind in ("int", "float", "auto_number", "duration", "deadline", "texts"):
        assert spec.bounds_words
    assert bool(spec.choices) == (spec.kind in ("choice", "flag"))


@pytest.mark.parametrize(
    ("name", "kind", "choices"),
    [
        ("epochs", "int", ()),
        ("learning_rate", "float", ()),
        ("schedule", "choice", ("cosine", "linear", "wsd", "constant")),
        ("pack", "flag", ("on", "off")),
        ("compile", "choice", ("auto", "on", "off")),
        ("head_dim", "auto_number", ()),
        ("rms_norm_eps", "auto_number", ()),
        ("time_budget", "duration", ()),
        ("deadline", "deadline", ()),
        ("data_path", "path", ()),
        ("save_weight", "text", ()),
        ("sample_prompts", "texts", ()),
    ],
)
def test_a_field_is_of_its_kind(name: str, kind: str, choices: tuple[str, ...]) -> None:
    assert (SPECS[name].kind, SPECS[name].choices) == (kind, choices)


def test_bounds_are_those_declared() -> None:
    assert SPECS["epochs"].bounds_words == "1 to 100,000"
    assert SPECS["learning_rate"].bounds_words == "more than 0, 10 or less"
    assert SPECS["adam_beta1"].bounds_words == "0 or more, less than 1"
    assert SPECS["head_dim"].bounds_words == "auto, or 1 to 1,048,576"
    assert SPECS["save_interval"].bounds_words == "0 or more"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("epochs", "x", "a whole number"),
        ("epochs", "", "a whole number"),
        ("epochs", "0", "1 or more"),
        ("epochs", "1.5", "a whole number"),
        ("learning_rate", "-1", "more than 0"),
        ("learning_rate", "11", "10 or less"),
        ("learning_rate", "nan", "a finite number"),
        ("adam_beta1", "1", "less than 1"),
        ("head_dim", "car", "auto or a whole number"),
        ("time_budget", "soon", "a duration such as"),
        ("deadline", "25:00", "a moment such as"),
        ("save_weight", "../x", "text that matches"),
        ("device", "tpu", "text that matches"),
        ("data_path", "", "at least 1 character"),
    ],
)
def test_what_is_wrong_is_told_as_the_engine_tells_it(name: str, text: str, expected: str) -> None:
    form = Form(Settings())
    form.set_text(name, text)
    problem = form.field(name).problem
    assert expected in problem and name in problem
    with pytest.raises(UserError) as told:
        build_settings({name: raw_value(name, text)}, places={name: "this form"})
    assert str(told.value) == problem
    assert form.is_changed(name) and form.problems == {name: problem}
    with pytest.raises(UserError):
        form.settings()
    assert form.usable_settings() == Settings(), "a wrong text leaves the preset's value"


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(SETTING_NAMES),
    text=st.text(max_size=30) | st.sampled_from(["1e999", "9" * 5000, "-0", "٣:٠٠"]),
)
def test_no_text_breaks_the_form(name: str, text: str) -> None:
    form = Form(Settings())
    form.set_text(name, text)
    field = form.field(name)
    if field.problem:
        assert not (field.problem.isspace())
        with pytest.raises(UserError):
            form.settings()
    else:
        assert build_settings(form.settings().model_dump()) == form.settings()


@hypothesis_settings(max_examples=30, deadline=None)
@given(
    text=st.from_regex(r"[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}(T[0-9]{2}:[0-9]{2}(\+[0-9]{2}:[0-9]{2})?)?", fullmatch=True)
)
def test_no_moment_breaks_the_form(text: str) -> None:
    form = Form(Settings())
    form.set_text("deadline", text)
    field = form.field("deadline")
    assert field.text == text
    if field.problem:
        with pytest.raises(UserError):
            form.settings()
    else:
        assert build_settings(form.settings().model_dump()) == form.settings()


def test_a_preset_stays_exactly_what_it_is_until_it_is_touched() -> None:
    for preset in ("mini", "full", "minimind2", "minimind3"):
        base = load_preset(preset).settings()
        form = Form(base)
        assert form.settings() == base and form.changed == []
        for name in SETTING_NAMES:
            form.set_text(name, form.field(name).text)
        assert form.changed == [] and form.settings() == base


def test_changes_are_marked_with_what_the_preset_has_and_taken_back() -> None:
    form = Form(load_preset("mini").settings())
    form.set_text("learning_rate", "1e-2")
    form.set_text("epochs", "2")
    assert form.changed == ["epochs", "learning_rate"]
    assert form.field("learning_rate").usual == "0.004"
    form.set_text("learning_rate", "4e-3")
    assert not form.field("learning_rate").changed, "the same number, spelt otherwise"
    assert form.field("learning_rate").text == "4e-3"
    form.reset("epochs")
    assert form.changed == [] and form.field("epochs").text == "1"
    form.set_text("epochs", "x")
    form.reset_all()
    assert form.problems == {} and form.settings() == form.base


def test_changes_go_over_to_another_preset() -> None:
    form = Form(load_preset("mini").settings())
    form.set_text("epochs", "3")
    form.set_text("seed", "wrong")
    other = form.over(load_preset("full").settings())
    assert other.field("seed").problem and other.changed == ["seed"], "full has 3 epochs itself"
    assert other.base == load_preset("full").settings()


def test_what_is_wrong_is_told_in_the_language_of_now() -> None:
    form = Form(Settings())
    form.set_text("epochs", "x")
    english = form.problem("epochs")
    set_language("zh")
    assert form.problem("epochs") != english and form.problems == {"epochs": form.problem("epochs")}
    set_language("en")
    assert form.problem("epochs") == english


def test_a_shape_that_makes_no_network_is_told() -> None:
    form = Form(Settings())
    assert form.shape_problem(6400) == ""
    form.set_text("num_key_value_heads", "3")
    assert "num_key_value_heads" in form.shape_problem(6400) or "heads" in form.shape_problem(6400)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("lr", "learning_rate"),
        ("batch", "batch_size"),
        ("max-seq", "max_seq_len"),
        ("clip", "grad_clip"),
        ("mps", "device"),
    ],
)
def test_settings_are_found_by_name_initials_and_help(query: str, first: str) -> None:
    found = matching(query)
    assert first in found[:2]


def test_nothing_is_found_for_nothing() -> None:
    assert matching("  ") == [] and matching("zzzz") == []


texts = st.lists(st.text(min_size=1, max_size=12, alphabet=st.characters(exclude_categories=["Cs"])), max_size=5)


@hypothesis_settings(max_examples=200, deadline=None)
@given(texts=texts)
def test_texts_on_one_line_come_back(texts: list[str]) -> None:
    assert split_texts(join_texts(texts)) == texts


@hypothesis_settings(max_examples=100, deadline=None)
@given(line=st.text(max_size=30))
def test_any_line_is_texts(line: str) -> None:
    assert all(split_texts(line)) and split_texts(join_texts(split_texts(line))) == split_texts(line)


def test_texts_are_typed_as_one_expects() -> None:
    assert split_texts("Once upon a time | 从前") == ["Once upon a time", "从前"]
    assert split_texts("") == [] and split_texts(" | ") == []
    assert join_texts(["a|b", "c\nd", " e "]) == "a\\|b | c\\nd | \\ e\\ "


@hypothesis_settings(max_examples=100, deadline=None)
@given(seconds=st.floats(0, 1e7) | st.integers(0, 10**7).map(float))
def test_durations_come_back(seconds: float) -> None:
    form = Form(Settings(time_budget=1.0))
    form.set_value("time_budget", seconds)
    assert form.value("time_budget") == seconds


def test_durations_are_written_as_one_types_them() -> None:
    shown: list[Any] = [duration_text(value) for value in (0, 45, 5400, 7200, 90061, 0.5)]
    assert shown == ["0", "45s", "1h30m", "2h", "1d1h1m1s", "0.5"]
