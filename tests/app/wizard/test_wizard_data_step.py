"""The second step: which text, what is in it, what is wrong with it; nothing here is a crash."""

import gzip
import threading
from pathlib import Path
from typing import Any

from screens import running, screen_text, until, until_shown
from wizard_steps import at_step, flat, type_into, until_told, write_tales

from minimind_tui.app.screens.wizard.data_report import DataReport
from minimind_tui.app.screens.wizard.data_step import FileChoices
from minimind_tui.app.screens.wizard.form_input import FormInput


async def test_the_verdict_comes_first_then_what_it_rests_on(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        await until_shown(pilot, "tokens for each of the model's")
        text = flat(app)
        places = [text.index(words) for words in ("learn the texts by heart", "300 documents, ", "Length in tokens")]
        assert places == sorted(places)
        assert "█" in text
        screen.query_one(DataReport).focus()
        await pilot.press("end")
        await until_shown(pilot, "What training makes of it")
        await pilot.press("home")
        await until_shown(pilot, "by heart")


async def test_rows_are_shown_as_the_model_sees_them(workspace: Path) -> None:
    async with running(size=(120, 60)) as (app, pilot):
        await at_step(app, pilot, "data")
        await until_shown(pilot, "Rows as the model sees them")
        text = flat(app)
        assert "<|im_start|>Tale" in text and "row 1: " in text and "tokens: <|im_start|>" in text


async def test_another_file_is_chosen_with_the_arrows(workspace: Path, looks: Any) -> None:
    write_tales(workspace / "datasets" / "zoo.jsonl", 40)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        await pilot.press("down")
        assert screen.draft.form.field("data_path").text == "datasets/zoo.jsonl"
        assert screen.query_one("#data-path", FormInput).value == "datasets/zoo.jsonl"
        await until_shown(pilot, "40 documents")
        await pilot.press("up")
        await until_shown(pilot, "300 documents")
        assert screen.draft.form.changed == []
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.draft.step == "settings")
        assert screen.draft.form.changed == ["data_path"]


async def test_a_look_is_given_up_when_something_else_is_chosen(workspace: Path, looks: Any) -> None:
    write_tales(workspace / "datasets" / "zoo.jsonl", 40)
    looks.held = threading.Event()
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        await until_shown(pilot, "Looking into it ...")
        first = screen.draft.request()
        await pilot.press("down")
        await until(pilot, lambda: first in looks.forgotten)
        assert screen.draft.request() in looks.asked
        await pilot.press("ctrl+n")  # the screen lives on while it looks
        await until(pilot, lambda: screen.draft.step == "settings")
        looks.held.set()
        await at_step(app, pilot, "data")
        await until_shown(pilot, "40 documents")


async def test_a_path_is_typed_and_completed(workspace: Path) -> None:
    write_tales(workspace / "texts" / "tales.jsonl", 50)
    (workspace / "texts" / "tables.csv").write_text("no")
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        files = screen.query_one(FileChoices)
        await pilot.press("down")
        assert files.chosen == "?" and isinstance(screen.focused, FormInput), "to type a path one goes on to its field"
        await pilot.press(*"te")
        await until(pilot, lambda: screen.query_one("#data-path", FormInput)._suggestion == "texts/")
        await pilot.press("right", *"ta")
        await until(pilot, lambda: screen.query_one("#data-path", FormInput)._suggestion == "texts/tales.jsonl")
        await pilot.press("right")
        await until_shown(pilot, "50 documents")
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.step == "settings")
        assert screen.draft.form.field("data_path").text == "texts/tales.jsonl"


async def test_what_was_typed_last_counts_though_one_leaves_at_once(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        await type_into(pilot, screen, "#data-path", "x.jsonl")
        await pilot.press("ctrl+n")
        await until(pilot, lambda: screen.draft.step == "settings")
        assert screen.draft.form.field("data_path").text == "x.jsonl"
        await pilot.press("ctrl+o")
        await until(pilot, lambda: screen.draft.step == "data")
        await pilot.pause()
        assert screen.query_one("#data-path", FormInput).value == "x.jsonl"


BAD = [
    (b"", "is empty"),
    (gzip.compress(b'{"text": "a"}\n', mtime=0), "is compressed (gzip)"),
    (b'[{"text": "a"}]', "is one JSON array"),
    (b'{\n "text": "a"\n}\n', "JSON spread over several lines"),
    (b'{"conversations": [{"role": "user"}]}\n', "conversation (SFT) data"),
    (b'{"body": "some text"}\n', "--text_field body"),
    (b"just words\n", "none of its first 1 lines is a JSON object"),
    (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ('{"text": "文字"}\n'.encode("utf-16"), "UTF-16"),
    (b'{"text": "good enough to be read"}\n{"text": 5}\n', "of the lines cannot be used"),
]


async def test_a_bad_file_is_explained_where_it_is_chosen(workspace: Path) -> None:
    for place, (content, _words) in enumerate(BAD):
        (workspace / f"bad{place}.jsonl").write_bytes(content)
    async with running(size=(240, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        path = screen.query_one("#data-path", FormInput)
        good = path.value
        for place, (_content, words) in enumerate(BAD):
            path.value = f"bad{place}.jsonl"
            await until_told(pilot, words)
            assert "✗" in screen_text(app)
            await until(pilot, lambda: "! Data" in screen_text(app))
            assert screen.draft.wrong_steps == {"data"} and app.troubles == []
            path.value = good
            await until(pilot, lambda: "! Data" not in screen_text(app))


async def test_a_bad_file_beside_the_others_is_explained_as_the_cursor_comes_to_it(workspace: Path) -> None:
    (workspace / "datasets" / "a.jsonl").write_bytes(b"")
    async with running(size=(120, 36)) as (app, pilot):
        await at_step(app, pilot, "data")
        await pilot.press("up")
        await until_told(pilot, "is empty")
        await pilot.press("down")
        await until(pilot, lambda: "! Data" not in screen_text(app))


async def test_a_path_that_names_no_file_is_explained(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        for path, words in (
            ("nothing.jsonl", "There is no file"),
            ("datasets", "is a folder"),
            ("", "at least 1 character"),
            ("[red]x[/red]", "There is no file"),
        ):
            screen.query_one("#data-path", FormInput).value = path
            await until_told(pilot, words)
            assert app.troubles == [] and path in screen_text(app)


async def test_lines_that_are_wrong_are_named(workspace: Path) -> None:
    path = workspace / "datasets" / "mini_pretrain_data.jsonl"
    path.write_text(path.read_text() + '{"txt": "x"}\nno json\n')
    async with running(size=(120, 60)) as (app, pilot):
        await at_step(app, pilot, "data")
        await until_shown(pilot, "line 301")
        assert "line 302" in screen_text(app) and "Problems" in screen_text(app)


async def test_a_file_that_was_mended_is_looked_at_again(workspace: Path, looks: Any) -> None:
    bad = workspace / "datasets" / "a.jsonl"
    bad.write_text("")
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "data")
        await pilot.press("up")
        await until_shown(pilot, "is empty")
        write_tales(bad, 30)
        await pilot.press("ctrl+n")
        await at_step(app, pilot, "data")
        await until_shown(pilot, "30 documents")


async def test_texts_of_the_data_are_nobody_s_markup(workspace: Path) -> None:
    line = '{"text": "[bold red]see[/] [@click=app.quit]this[/] \\u001b[31m"}\n'
    (workspace / "datasets" / "a.jsonl").write_text(line * 40)
    async with running(size=(120, 80)) as (app, pilot):
        await at_step(app, pilot, "data")
        await pilot.press("up")
        await until_shown(pilot, "[bold red]see[/]")
        assert "[@click=app.quit]this[/]" in flat(app)


async def test_what_a_file_is_stands_whole_beside_it(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        await at_step(app, pilot, "data")
        line = next(line for line in screen_text(app).splitlines() if "mini_pretrain_data.jsonl ·" in line)
        assert "the preset's" in line.split("││")[0], line
