"""The table of runs: which columns fit, and the order of rows, those without a value last."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from run_rows import make_row

from engine.language import current_language, set_language
from engine.run.schema import State
from minimind_tui.core.run_facts import RunRow
from minimind_tui.core.run_table import (
    GAP,
    Order,
    chosen_order,
    column_of,
    columns,
    layout,
    next_order,
    order_words,
    ordered,
    row_look,
)


@pytest.fixture(autouse=True, params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    before = current_language()
    set_language(request.param)
    yield request.param
    set_language(before)


def rows(*losses: float | None) -> list[RunRow]:
    """One row a loss, the first the newest."""
    return [make_row(f"run-{place}", age=60.0 * (place + 1), loss=loss) for place, loss in enumerate(losses)]


def keys(found: list[RunRow]) -> list[str]:
    return [row.key for row in found]


def test_runs_without_a_value_come_last_whichever_way() -> None:
    some = rows(3.0, None, 2.0, None, 4.0)
    random.Random(1).shuffle(some)
    assert keys(ordered(some, Order("loss"))) == ["run-2", "run-0", "run-4", "run-1", "run-3"]
    assert keys(ordered(some, Order("loss", reverse=True))) == ["run-4", "run-0", "run-2", "run-1", "run-3"]


def test_equal_ones_stay_newest_first() -> None:
    some = rows(2.0, 2.0, 2.0)
    random.Random(2).shuffle(some)
    assert keys(ordered(some, Order("loss"))) == ["run-0", "run-1", "run-2"]
    assert keys(ordered(some, Order("loss", reverse=True))) == ["run-0", "run-1", "run-2"]


def test_every_column_orders_every_kind_of_run() -> None:
    odd = [
        make_row("a", loss=None, age=None),
        make_row("b", broken=True, size=None),
        make_row("c", state=State.RUNNING, eta_s=5.0, tokens_per_s=10.0, total_steps=7),
        *(make_row(f"s-{state}", state=state) for state in State),
    ]
    object.__setattr__(odd[0].entry.seen, "status", None)
    for column in columns():
        for reverse in (False, True):
            found = ordered(odd, Order(column.key, reverse))
            assert sorted(keys(found)) == sorted(keys(odd))
        for row in odd:
            assert "\n" not in column.text(row)


def test_the_newest_comes_first_at_first_and_what_lives_by_state() -> None:
    some = rows(1.0, 2.0, 3.0)
    assert keys(ordered(some[::-1], Order())) == keys(some)
    mixed = [make_row(f"{state}", state=state) for state in (State.FINISHED, State.RUNNING, State.CRASHED)]
    assert keys(ordered(mixed, Order("state"))) == ["running", "crashed", "finished"]


def test_progress_is_judged_by_its_share_greatest_first() -> None:
    some = [make_row("half", step=50, total_steps=100), make_row("most", step=9, total_steps=10), make_row("open")]
    assert keys(ordered(some, Order("progress"))) == ["most", "half", "open"]
    assert column_of("progress").text(some[1]) == "90%"
    assert column_of("progress").text(make_row(step=999, total_steps=1000)) == "99%"  # not yet done is not 100 %


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 300), st.sampled_from([column.key for column in columns()]))
def test_what_is_shown_fits_and_the_ordered_column_is_among_it(width: int, keep: str) -> None:
    shown = layout(width, cell_len, keep)
    assert [column.key for column, _width in shown][:1] == ["state"]
    needed = sum(w for _column, w in shown) + GAP * (len(shown) - 1)
    if width >= 40:
        assert needed <= width
    if width >= 70:
        assert keep in [column.key for column, _width in shown]
    order = [column.key for column in columns()]
    places = [order.index(column.key) for column, _width in shown]
    assert places == sorted(places)


def test_a_small_terminal_keeps_the_essential_and_a_large_one_shows_all() -> None:
    small = [column.key for column, _width in layout(73, cell_len, "age")]
    assert set(small) >= {"state", "run", "progress", "loss", "validation", "age"}
    large = [column.key for column, _width in layout(193, cell_len, "age")]
    assert set(large) >= {"preset", "speed", "size", "steps", "tokens", "elapsed", "parameters", "eta"}
    assert len(layout(260, cell_len, "age")) == len(columns())


def test_titles_and_usual_texts_fit_their_columns() -> None:
    row = make_row(
        loss=12.345,
        best_validation=11.5,
        step=45_600,
        total_steps=45_600,
        tokens=123_400_000,
        tokens_per_s=123_400.0,
        elapsed=45_000.0,
        eta_s=45_000.0,
        size=123_400_000,
        age=3000.0,
        state=State.RUNNING,
        manifest={"parameters": 123_400_000},
    )
    for column, width in layout(260, cell_len):
        assert cell_len(column.title()) <= width, column.key
        if column.key not in ("run", "device"):
            assert cell_len(column.text(row)) <= width, column.key
    for state in State:
        assert cell_len(row_look(make_row(state=state)).text) <= layout(80, cell_len)[0][1]


def test_the_next_order_goes_round_the_columns_that_are_shown() -> None:
    shown = ["state", "run", "loss"]
    order = Order("state")
    seen = []
    for _step in range(4):
        order = next_order(order, shown)
        seen.append(order.key)
    assert seen == ["run", "loss", "state", "run"]
    assert next_order(Order("age"), shown).key == "state"
    assert next_order(Order("age"), []) == Order("age")


def test_a_column_chosen_again_turns_round() -> None:
    order = chosen_order(Order("age"), "loss")
    assert order == Order("loss") and not order.descending
    assert chosen_order(order, "loss").descending
    assert Order("progress").descending and not Order("progress", reverse=True).descending


def test_every_order_is_told_in_words_of_its_own() -> None:
    told = {order_words(Order(column.key, reverse)) for column in columns() for reverse in (False, True)}
    assert len(told) == 2 * len(columns())


def test_a_broken_folder_looks_like_nothing_else() -> None:
    looks = {row_look(make_row(state=state)).word for state in State}
    assert row_look(make_row(broken=True)).word not in looks


def test_several_processes_are_told_with_the_device() -> None:
    many = make_row(manifest={"device": "NVIDIA H100", "dtype": "bf16"}, world_size=8)
    one = make_row(manifest={"device": "NVIDIA H100", "dtype": "bf16"})
    device = next(column for column in columns() if column.key == "device")
    assert (device.text(many), device.text(one)) == ("NVIDIA H100 ×8 bf16", "NVIDIA H100 bf16")
