"""The dashboard's happenings, samples, log and settings: harmless texts, bounded, followed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from run_material import write_run

from engine.language import current_language, set_language
from engine.run.folder import RunFolder
from engine.run.schema import State
from engine.run.view import RunView
from minimind_tui.core.dashboard.happenings import happening_line, happening_lines
from minimind_tui.core.dashboard.log_tail import MOST_LINES, LogTail, clean_line
from minimind_tui.core.dashboard.samples import sample_pages
from minimind_tui.core.dashboard.settings_table import settings_table

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def read(folder: RunFolder) -> RunView:
    view = RunView(folder)
    view.read_all()
    return view


def test_happenings_are_the_newest_and_loud_ones_marked(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path,
        state=State.FAILED,
        events=[
            {"kind": "guard", "message": "not finite\x1b[2J"},
            {"kind": "control", "id": "a", "op": "save", "accepted": True},
        ],
    )
    events = read(folder).events
    lines, earlier = happening_lines(events, NOW)
    assert earlier == 0 and [line.loud for line in lines[-3:]] == [True, False, True]
    assert lines[-3].text == "step 200  warning: not finite[2J" and "request accepted: Save" in lines[-2].text
    assert lines[-1].text == "step 200  failed" and lines[0].time == "03:15:00"
    few, earlier = happening_lines(events, NOW, 2)
    assert few == lines[-2:] and earlier > 0


@pytest.mark.parametrize("event", [{}, {"kind": 5}, {"kind": "sample"}, {"kind": "control", "accepted": True}])
def test_odd_events_do_no_harm(event: dict[str, object]) -> None:
    happening_line(event, NOW)
    assert sample_pages([event]) == []


def test_samples_come_by_step_newest_first(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steps=300, samples=[("a\x1b[2J", "one"), ("b", "[red]two")])
    pages = sample_pages(read(folder).events)
    assert [page.step for page in pages] == [300, 200, 100]
    assert pages[0].texts == [("a[2J", "one"), ("b", "[red]two")]


def test_the_log_is_followed_within_bounds(tmp_path: Path) -> None:
    folder = write_run(tmp_path, log="one\ntwo\nthr")
    tail = LogTail(folder)
    assert tail.poll() and list(tail.lines) == ["one", "two"] and not tail.cut
    assert not tail.poll()
    with folder.trainer_log.open("a") as file:
        file.write("ee\n" + "".join(f"{n}\n" for n in range(MOST_LINES)))
    assert tail.poll() and len(tail.lines) == MOST_LINES and tail.cut and tail.lines[-1] == str(MOST_LINES - 1)


def test_a_large_log_is_read_from_its_end(tmp_path: Path) -> None:
    folder = write_run(tmp_path, log="".join(f"line {n} {'x' * 100}\n" for n in range(20_000)))
    tail = LogTail(folder)
    assert tail.poll() and tail.cut and tail.lines[-1].startswith("line 19999 ") and tail.lines[0].startswith("line ")


def test_a_log_that_is_emptied_begins_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path, log="old\nolder\n")
    tail = LogTail(folder)
    tail.poll()
    folder.trainer_log.write_text("new\n")
    assert tail.poll() and list(tail.lines) == ["new"]
    folder.trainer_log.unlink()
    tail.poll()
    assert tail.problem == ""


def test_a_log_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    folder.trainer_log.unlink()
    folder.trainer_log.mkdir()
    tail = LogTail(folder)
    assert tail.poll() and "directory" in tail.problem and not tail.lines


def test_lines_are_harmless() -> None:
    assert clean_line(b"\x1b[31mred\x1b[0m \x1b]0;title\x07x\ty") == "red x   y"
    assert clean_line(b"10%\r20%\r30%\r") == "30%" and clean_line(b"\xff\x9b2K\x00") == "\ufffd\ufffd2K"
    assert len(clean_line(b"x" * 10_000)) < 3_000


def test_settings_show_what_differs_from_the_preset(tmp_path: Path) -> None:
    table = settings_table(write_run(tmp_path, settings={"learning_rate": 1e-3, "batch_size": 6}))
    rows = {row.name: row for _group, rows in table.groups for row in rows}
    assert table.compared_with == "mini" and table.changed == 2 and table.problem == ""
    assert rows["learning_rate"].value == "0.001" and rows["learning_rate"].usual == "0.004"
    assert rows["hidden_size"].usual is None and rows["max_seq_len"].unit == "tokens"


def test_settings_that_cannot_be_read_or_compared(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    text = folder.run_toml.read_text()
    folder.run_toml.write_text(text.replace('based_on = "mini"', 'based_on = "gone"'))
    table = settings_table(folder)
    assert table.groups and "gone" in table.problem and table.compared_with == ""
    folder.run_toml.write_text("garbage = [")
    assert settings_table(folder).groups == [] and "run.toml" in settings_table(folder).problem
