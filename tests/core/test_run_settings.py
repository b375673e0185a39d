"""The quick reader of run.toml finds what a TOML parser finds, or leaves the file to one."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.settings.presets import load_preset
from engine.settings.resolve import build_settings
from engine.settings.run_toml import render_settings
from engine.settings.settings import Settings
from minimind_tui.core.run_settings import flattened, quick_values, read_run_settings


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "run.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("preset", ["mini", "full"])
def test_our_own_files_are_read_quickly_and_rightly(preset: str, tmp_path: Path) -> None:
    wanted = load_preset(preset).settings()
    text = render_settings(wanted, preset)
    assert quick_values(text) is not None
    found = read_run_settings(write(tmp_path, text))
    assert found is not None
    assert build_settings(found) == wanted
    assert set(found) == set(Settings.model_fields)


_PROMPTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=3)


@settings(deadline=None, max_examples=150)
@given(
    _PROMPTS,
    st.floats(1e-12, 10, exclude_min=True),
    st.integers(1, 10**9),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
)
def test_whatever_stands_in_a_setting_both_readers_agree(
    prompts: list[str], rate: float, number: int, flag: bool, path: str
) -> None:
    values: dict[str, Any] = {"learning_rate": rate, "validation_tokens": number + 256, "pack": flag}
    values |= {"sample_prompts": tuple(prompts), "data_path": path}
    text = render_settings(Settings.model_validate(values))
    expected = flattened(tomllib.loads(text))
    assert quick_values(text) in (None, expected)


_TOML_BITS = st.sampled_from(
    ["a = 1", "a = 01", "a = 1.5", "a = .5", "a = 1e3", "a = -0", 'a = "x"', 'a = "\\n"', 'a = "x" # c', "a = true",
     "b = [", "b = []", 'b = ["x", "y"]', 'b = ["x",]', "[data]", "[data", "[[data]]", "[data] # c", "# only", "",
     " ", "\t# c", "a=1", "a  =  2", "a = inf", "a = nan", "a = 2026-01-01", "a = 1_000", "a = 0x10", "'''", '"""',
     "a.b = 1", '"a" = 1', "a = 'x'", "a = {}", "c = 3 # \x07", "d = 4\r", "\ufeff", "e = 1e5", "based_on = \"mini\""]
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(_TOML_BITS, max_size=6))
def test_what_is_read_quickly_is_what_the_parser_reads(lines: list[str]) -> None:
    text = "\n".join(lines)
    quick = quick_values(text)
    if quick is not None:
        assert quick == flattened(tomllib.loads(text))


def test_a_file_of_another_hand_is_read_by_the_parser(tmp_path: Path) -> None:
    text = "data = {data_path = 'x'}\n[training]\nlearning_rate = 1_0e-4\nunknown = 3\nsample_prompts = '''a\nb'''\n"
    assert quick_values(text) is None
    assert read_run_settings(write(tmp_path, text)) == {
        "learning_rate": 1e-3,
        "data_path": "x",
        "sample_prompts": "a\nb",
    }


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[[[", b"a = ", b"\x00"])
def test_what_cannot_be_read_is_none(content: bytes, tmp_path: Path) -> None:
    assert read_run_settings(write(tmp_path, content)) is None
    assert read_run_settings(tmp_path / "not there") is None
