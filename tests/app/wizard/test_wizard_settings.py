"""The third step: the form by keys and mouse, every kind of mistake in place, marks, folds, finding."""

from pathlib import Path

import pytest
from screens import running, screen_text, until
from textual.events import Key, Paste
from textual.pilot import Pilot
from wizard_steps import at_step, field, flat, until_told, wizard

from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.wizard.field_drawing import CONTROL_AT
from minimind_tui.app.screens.wizard.field_list import FieldList
from minimind_tui.core.wizard.form import SPECS, names_in_order


def fields(app: MinimindApp) -> FieldList:
    return app.screen.query_one(FieldList)


def text_of(app: MinimindApp, name: str) -> str:
    return wizard(app).draft.form.field(name).text


def line_of(app: MinimindApp, name: str) -> str:
    """The line of the screen on which a setting stands."""
    return next(line for line in screen_text(app).splitlines() if line[3:].startswith(name + " "))


async def to(app: MinimindApp, pilot: Pilot[int], name: str) -> None:
    """Put the cursor on a setting."""
    fields(app).go_to(name)
    await pilot.pause()
    assert fields(app).setting == name


async def test_basic_settings_come_first_and_groups_are_folded(workspace: Path) -> None:
    async with running(size=(120, 48)) as (app, pilot):
        await at_step(app, pilot, "settings")
        text = screen_text(app)
        assert all(f" {name} " in text for name in names_in_order(basic=True))
        advanced = [name for name in names_in_order(basic=False) if SPECS[name].group == "model"]
        assert f"▸ Model: {len(advanced)} advanced" in text and "▸ Watching: 8 advanced" in text
        assert "adam_beta1" not in text


async def test_every_setting_is_shown_explained_and_can_be_reached(workspace: Path) -> None:
    async with running(size=(120, 120)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await pilot.press("ctrl+t")
        text = screen_text(app)
        assert [name for name in SPECS if f" {name} " not in text] == []
        seen = set()
        for _line in range(len(SPECS) + 20):
            if fields(app).setting:
                seen.add(fields(app).setting)
                assert SPECS[fields(app).setting].help[:30] in flat(app)
            await pilot.press("down")
            if app.screen.focused is not fields(app):
                break
        assert seen == set(SPECS)


WRONG = [
    ("epochs", "x", "epochs = x (this form): expected a whole number."),
    ("epochs", "0", "expected 1 or more."),
    ("hidden_size", "9999999", "expected 65536 or less."),
    ("learning_rate", "-1", "expected more than 0."),
    ("learning_rate", "nan", "expected a finite number."),
    ("adam_beta1", "1", "expected less than 1."),
    ("head_dim", "wide", "expected auto or a whole number."),
    ("time_budget", "soon", "expected a duration such as 90s, 30m, 2h or 1h30m."),
    ("deadline", "25:00", "expected a moment such as 08:00"),
    ("device", "tpu", "expected text that matches"),
    ("save_weight", "a/b", "expected text that matches"),
    ("data_path", "", "expected at least 1 character."),
]


async def test_what_is_wrong_is_told_in_place(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        for name, typed, words in WRONG:
            await field(pilot, screen, name, typed)
            assert words in flat(app), (name, typed)
            assert f"! {name}" in screen_text(app) and "1 wrong" in screen_text(app)
            assert ("! Data" if name == "data_path" else "! Settings") in screen_text(app)
            await pilot.press("ctrl+z")
            await pilot.pause()
            assert words not in flat(app) and "wrong" not in screen_text(app), (name, typed)
            assert screen.draft.form.changed == []


async def test_numbers_that_make_no_network_are_told(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "num_attention_heads", "3")
        assert screen.draft.shape_problem and screen.draft.shape_problem[:40] in flat(app)
        assert "! Settings" in screen_text(app)


async def test_more_choices_than_experts_are_told(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "use_moe", "on")
        assert not screen.draft.shape_problem
        await field(pilot, screen, "num_experts_per_tok", "5")
        assert "num_experts_per_tok is 5" in str(screen.draft.shape_problem)
        assert "! Settings" in screen_text(app)


async def test_typing_replaces_and_moving_edits(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await to(app, pilot, "learning_rate")
        await pilot.press(*"0.01")
        assert text_of(app, "learning_rate") == "0.01"
        await pilot.press("home", "delete", "5", "end", "backspace", "2")
        assert text_of(app, "learning_rate") == "5.02"
        await pilot.press("left", "left", "ctrl+u")
        assert text_of(app, "learning_rate") == "02"
        await pilot.press("end", "ctrl+w")
        assert text_of(app, "learning_rate") == ""
        await pilot.press("down", "up", "end", *"1e-3")
        assert text_of(app, "learning_rate") == "1e-3"


async def test_keys_faster_than_the_screen_are_all_taken(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await to(app, pilot, "epochs")
        for character in "1234":
            fields(app).post_message(Key(character, character))
        await pilot.pause()
        assert text_of(app, "epochs") == "1234" and "1234" in line_of(app, "epochs")
        await pilot.press("5")
        assert text_of(app, "epochs") == "12345"
        await to(app, pilot, "schedule")
        for _press in range(3):
            fields(app).post_message(Key("space", " "))
        await pilot.pause()
        assert text_of(app, "schedule") == "cosine"


async def test_letters_that_are_keys_elsewhere_are_typed_here(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await to(app, pilot, "save_dir")
        await pilot.press(*"q?m")
        assert text_of(app, "save_dir") == "q?m" and app.is_running
        await to(app, pilot, "optimizer")
        await pilot.press("q")
        await pilot.pause()
        assert app.is_running and text_of(app, "optimizer") == "muon"


async def test_what_is_pasted_is_typed(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await to(app, pilot, "save_dir")
        fields(app).post_message(Paste("my\nfolder\x1b[31m"))
        await pilot.pause()
        assert text_of(app, "save_dir") == "my folder[31m"


async def test_choices_are_made_by_arrows_space_and_letters(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await to(app, pilot, "schedule")
        assert "○ cosine  ● linear  ○ wsd  ○ constant" in line_of(app, "schedule")
        await pilot.press("right")
        assert text_of(app, "schedule") == "wsd"
        await pilot.press("space", "space")
        assert text_of(app, "schedule") == "cosine"
        await pilot.press("left")
        assert text_of(app, "schedule") == "constant"
        await pilot.press("l")
        assert text_of(app, "schedule") == "linear"
        await pilot.press("c")
        assert text_of(app, "schedule") == "constant"
        assert "● constant" in line_of(app, "schedule") and "mini: linear" in line_of(app, "schedule")


async def test_a_changed_field_is_marked_with_what_the_preset_has(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await to(app, pilot, "epochs")
        await pilot.press("3")
        assert line_of(app, "epochs").startswith(" * epochs") and "mini: 1" in line_of(app, "epochs")
        assert "The preset mini has 1; ctrl+z takes it again." in flat(app) and "1 changed" in screen_text(app)
        await pilot.press("ctrl+z")
        await pilot.pause()
        assert "mini: 1" not in line_of(app, "epochs") and "0 changed" in screen_text(app)
        assert screen.draft.form.changed == []
        await pilot.press("2")
        assert text_of(app, "epochs") == "2", "after it was taken back, typing replaces again"


async def test_groups_unfold_and_fold(workspace: Path) -> None:
    async with running(size=(80, 60)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        fields(app).go_to("+schedule")
        await pilot.press("enter")
        await pilot.pause()
        assert "▾ Schedule: 4 advanced" in screen_text(app) and "warmup_steps" in screen_text(app)
        await pilot.press("down", "9")
        assert text_of(app, "warmup_steps") == "9" and "▾ Schedule: 4 advanced · 1 changed" in screen_text(app)
        await pilot.press("up", "left")
        await pilot.pause()
        assert "▸ Schedule: 4 advanced · 1 changed" in screen_text(app) and "warmup_steps" not in screen_text(app)
        await pilot.press("space")
        await pilot.pause()
        assert screen.draft.unfolded == {"schedule"}
        await pilot.press("down", "ctrl+t")
        await pilot.pause()
        assert screen.draft.unfolded == set() and fields(app).line is not None
        assert "▸ Schedule" in screen_text(app), "what was folded away leaves the cursor on its heading"
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert len(screen.draft.unfolded) == 8


@pytest.mark.parametrize(("typed", "name"), [("lr", "learning_rate"), ("beta2", "adam_beta2"), ("mps", "device")])
async def test_a_setting_is_found_by_name_or_help(workspace: Path, typed: str, name: str) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await pilot.press("ctrl+f", *typed)
        await until_told(pilot, "found")
        assert f" {name} " in screen_text(app) and "batch_size" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.focused is fields(app))
        assert fields(app).setting == name and line_of(app, name)
        assert wizard(app).draft.query == ""


async def test_nothing_found_is_said_and_the_list_comes_back(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await pilot.press("ctrl+f", *"zzz")
        await until_told(pilot, "0 found")
        assert fields(app).setting == "" and app.troubles == []
        await pilot.press("enter", "down", "ctrl+z", "x")
        await pilot.press("ctrl+f", "delete")
        await until_told(pilot, "0 changed")
        assert "hidden_size" in screen_text(app)


async def test_up_from_the_first_field_is_the_find_field_and_back(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        assert screen.focused is fields(app) and fields(app).setting == "architecture"
        await pilot.press("shift+tab")
        await pilot.pause()
        assert screen.focused is not None and screen.focused.id == "find"
        await pilot.press("tab")
        await pilot.pause()
        assert screen.focused is fields(app)
        await pilot.press("pagedown", "pageup", "ctrl+end")
        assert fields(app).cursor == len(names_in_order(basic=True)) + 8 - 1
        await pilot.press("ctrl+home")
        assert fields(app).cursor == 0


async def test_the_mouse_does_it_too(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "settings")
        names = names_in_order(basic=True)
        await pilot.click(FieldList, offset=(CONTROL_AT + 1 + 14, names.index("optimizer") - 0))
        assert fields(app).setting == "optimizer"
        await pilot.click(FieldList, offset=(CONTROL_AT + 2, names.index("optimizer")))
        assert text_of(app, "optimizer") == "adamw"
        await pilot.click(FieldList, offset=(CONTROL_AT + 1 + 2, names.index("learning_rate")))
        await pilot.press("9")
        assert text_of(app, "learning_rate") == "0.9004"


async def test_what_the_run_would_be_follows_the_typing(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        await at_step(app, pilot, "settings")
        await until_told(pilot, "2.19M parameters")
        await until_told(pilot, "roughly")
        await to(app, pilot, "hidden_size")
        await pilot.press(*"512")
        await until_told(pilot, "15.1M parameters")


async def test_texts_between_bars(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "sample_prompts", "Hello | a b")
        assert screen.draft.form.value("sample_prompts") == ("Hello", "a b")
        assert screen.draft.command(None, None).endswith("--sample_prompts Hello --sample_prompts 'a b'")
        await field(pilot, screen, "sample_prompts", "")
        assert screen.draft.form.value("sample_prompts") == ()


async def test_wide_characters_fit_their_field(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "save_dir", "模型" * 30)
        line = line_of(app, "save_dir")
        await pilot.press("up")
        assert "…" in line_of(app, "save_dir") and "mini: none" in line and "mini: none" in line_of(app, "save_dir")
        await pilot.press("down", "end", "left", "left", "X")
        assert text_of(app, "save_dir")[-3] == "X"
