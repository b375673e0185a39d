"""The filter language of the runs browser: what goes through, and how a mistake is explained in its place."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_rows import make_row

from engine.language import current_language, set_language
from engine.run.schema import Manifest, State
from minimind_tui.core.run_facts import RunRow, facts, find_fact, known_names, parse_quantity
from minimind_tui.core.run_filter import FilterError, parse_filter, state_in_words

LOW = make_row("20261124-031500-mini", loss=2.5, settings={"learning_rate": 4e-4}, total_steps=200)
HIGH = make_row(
    "20261124-031501-full",
    state=State.CRASHED,
    loss=3.25,
    step=50,
    total_steps=200,
    best_validation=3.5,
    world_size=2,
    tokens=12_000_000,
    tokens_per_s=880.0,
    elapsed=7200.0,
    age=86400.0 * 3,
    size=25_000_000,
    settings={"learning_rate": 1e-3, "use_moe": True, "batch_size": 64, "optimizer": "muon", "device": "cpu"},
    manifest={"preset": "full", "device": "NVIDIA H100", "dtype": "bf16", "parameters": 25_800_000, "host": "far"},
    note="the second try [bold]",
    title="Große Probe",
)
BROKEN = make_row("20261124-031502-lost", broken=True)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def through(text: str, *rows: RunRow) -> list[str]:
    """The last words of the ids of the rows that go through."""
    wanted = parse_filter(text)
    return [row.key.rpartition("-")[2] for row in rows or (LOW, HIGH, BROKEN) if wanted.matches(row)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["mini", "full", "lost"]),
        ("   ", ["mini", "full", "lost"]),
        ("mini", ["mini"]),
        ("FULL", ["full"]),
        ("große", ["full"]),
        ("second", ["full"]),
        ("[bold]", ["full"]),
        ('"second try"', ["full"]),
        ('"second  try"', []),
        ("-full", ["mini", "lost"]),
        ("!full", ["mini", "lost"]),
        ("crashed", ["full"]),
        ("lr>=1e-3", ["full"]),
        ("lr>1e-3", []),
        ("lr<1e-3", ["mini", "lost"]),
        ("lr=0.0004", ["mini"]),
        ("learning_rate=4e-4", ["mini"]),
        ("Learning-Rate = 4e-4", ["mini"]),
        ("lr == 4e-4", ["mini"]),
        ("lr≥1e-3", ["full"]),
        ("lr>=1e-3 moe=1 state=crashed full", ["full"]),
        ("lr>=1e-3 moe=0", []),
        ("moe=yes", ["full"]),
        ("moe=false", ["mini", "lost"]),
        ("moe!=1", ["mini", "lost"]),
        ("-moe=1", ["mini", "lost"]),
        ("nproc=2", ["full"]),
        ("nproc=1 -lost", ["mini"]),
        ("processes>1", ["full"]),
        ("ranks!=2", ["mini", "lost"]),
        ("moe=1 nproc=2", ["full"]),
        ("bs=64,128", ["full"]),
        ("bs!=64,128", ["mini", "lost"]),
        ("state=crashed,finished", ["mini", "full"]),
        ("state!=crashed", ["mini", "lost"]),
        ("state=broken", ["lost"]),
        ("state~crash", ["full"]),
        ("preset=full", ["full"]),
        ("preset!=full", ["mini", "lost"]),
        ("preset=none", ["lost"]),
        ("loss<3", ["mini"]),
        ("loss>=3.25", ["full"]),
        ("loss=none", ["lost"]),
        ("val=none", ["mini", "lost"]),
        ("val!=none", ["full"]),
        ("tokens>=12M", ["full"]),
        ("tokens>12m", []),
        ("speed<1k", ["full"]),
        ("elapsed>=2h", ["full"]),
        ("elapsed<1d", ["full"]),
        ("age<1d", ["mini"]),
        ("age>=3d", ["full"]),
        ("size>20MB", ["full"]),
        ("size<=25000000", ["mini", "full", "lost"]),
        ("progress=50%", ["mini"]),
        ("progress<0.3", ["full"]),
        ("progress>=50", ["mini"]),
        ("device~h100", ["full"]),
        ("device=cpu", ["full"]),
        ("dtype=BF16", ["full"]),
        ("opt=muon", ["full"]),
        ("opt~mu", ["full"]),
        ("params>20M", ["full"]),
        ("host=far", ["full"]),
        ("data~pretrain", ["mini", "full", "lost"]),
        ("num_threads=auto", ["mini", "full", "lost"]),
        ("exact=none", ["mini", "full", "lost"]),
        ("run~031501", ["full"]),
        ('title="große probe"', ["full"]),
        ("ｌoss", []),
        ("loss＜3", ["mini"]),
        ("loss<3　mini", ["mini"]),
    ],
)
def test_what_goes_through(text: str, found: list[str]) -> None:
    broken = make_row("20261124-031502-lost", broken=True, step=0)
    object.__setattr__(broken.entry.seen, "status", None)
    assert through(text, LOW, HIGH, broken) == found


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        ("lrr>3", "lrr", "Did you mean lr?"),
        ("mini learning_rat>3", "learning_rat", "Did you mean learning_rate?"),
        ("state=crahsed", "crahsed", "Did you mean crashed?"),
        ("state=crahsed", "crahsed", "running"),
        ("lr>=fast", "fast", "a number such as"),
        ("age<soon", "soon", "2h"),
        ("size>big", "big", "20MB"),
        ("progress>most", "most", "50%"),
        ("moe=perhaps", "perhaps", "1, 0"),
        ("opt=adam", "adam", "Did you mean adamw?"),
        ("state>running", ">", "is no number"),
        ("note<3", "<", "~ (contains)"),
        ("mini lr>=", "lr>=", "wants a value"),
        ("zzzzqq=1", "zzzzqq", "There is no zzzzqq"),
        ("tokens>12x", "12x", "12k"),
    ],
)
def test_a_mistake_is_explained_in_its_place(text: str, part: str, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert text[caught.value.start : caught.value.end] == part
    assert words in str(caught.value)


def test_a_state_is_understood_in_both_languages() -> None:
    set_language("zh")
    spoken = state_in_words("crashed")
    assert spoken != "crashed"
    for text in (f"state={spoken}", "state=crashed", spoken, "crashed"):
        assert through(text, LOW, HIGH) == ["full"], text


def test_what_has_not_been_read_fits_nothing_and_is_waited_for() -> None:
    row = make_row(loss=2.0)
    unread = RunRow(row.entry, row.now)
    for text in ("lr=5e-4", "-lr=5e-4", "lr!=5e-4", "size>1", "size=none"):
        assert not parse_filter(text).matches(unread)
        assert parse_filter(text).waits_for(unread)
        assert not parse_filter(text).waits_for(row)
    assert parse_filter("loss<3 mini").matches(unread)
    assert not parse_filter("loss<3 mini").waits_for(unread)


def test_every_name_leads_to_a_fact_and_every_setting_has_one() -> None:
    from engine.settings.settings import SETTING_NAMES

    assert all(find_fact(name) for name in known_names())
    assert set(SETTING_NAMES) <= set(facts())


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_mistake_with_a_place(text: str) -> None:
    try:
        wanted = parse_filter(text)
    except FilterError as error:
        assert 0 <= error.start < error.end <= len(text)
        assert str(error)
    else:
        for row in (LOW, HIGH, BROKEN):
            assert wanted.matches(row) in (True, False)


_NAMES = st.sampled_from(known_names())


@settings(deadline=None, max_examples=300)
@given(_NAMES, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~"]), st.text(min_size=1, max_size=12))
def test_any_condition_judges_any_run(name: str, sign: str, value: str) -> None:
    try:
        wanted = parse_filter(f"{name}{sign}{value}")
    except FilterError:
        return
    for row in (LOW, HIGH, BROKEN):
        assert wanted.matches(row) in (True, False)


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_order_of_numbers_is_that_of_arithmetic(value: float, bound: float) -> None:
    row = make_row(loss=value)
    assert parse_filter(f"loss<{bound!r}").matches(row) is (value < bound)
    assert parse_filter(f"loss>={bound!r}").matches(row) is (value >= bound)
    assert parse_filter(f"loss={value!r}").matches(row)
    assert not parse_filter(f"loss!={value!r}").matches(row)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["=", "!=", "<", ">=", "~"]), st.sampled_from([1, 2.5, 0]))
def test_a_minus_turns_a_condition_round(sign: str, bound: float) -> None:
    for row in (LOW, HIGH):
        if sign != "~":
            plain, turned = parse_filter(f"loss{sign}{bound}"), parse_filter(f"-loss{sign}{bound}")
            assert plain.matches(row) is not turned.matches(row)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1e-3", "number", 0.001),
        ("1,200", "number", 1200),
        ("1_200", "number", 1200),
        ("12k", "number", 12_000),
        ("1.5M", "number", 1.5e6),
        ("2G", "number", 2e9),
        ("2b", "number", 2e9),
        ("-3", "number", -3),
        (".5", "number", 0.5),
        ("10MB", "bytes", 1e7),
        ("1.5 GB", "bytes", 1.5e9),
        ("7b", "bytes", 7),
        ("50%", "share", 0.5),
        ("0.25", "share", 0.25),
    ],
)
def test_quantities(text: str, kind: str, value: float) -> None:
    assert parse_quantity(text, kind) == pytest.approx(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "x", "1e", "1..2", "--1", "nan", "inf", "0x10", "1 2"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError):
        parse_quantity(text, "number")


def test_processes_are_those_of_the_newest_attempt_where_there_is_no_status() -> None:
    attempts = [{"attempt": 1, "started": "", "host": "here", "world_size": size} for size in (4, 3)]
    row = make_row(manifest={"attempts": attempts})
    row = replace(row, entry=replace(row.entry, seen=replace(row.entry.seen, status=None)))
    assert parse_filter("nproc=3").matches(row) and not parse_filter("nproc=4").matches(row)
    fresh = replace(row, entry=replace(row.entry, manifest=Manifest()))
    assert not parse_filter("nproc=7").matches(fresh)
