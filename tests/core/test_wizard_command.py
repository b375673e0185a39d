"""The equivalent command: the command line reads it back as the very same settings."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.settings.presets import load_preset
from engine.settings.settings import SETTING_NAMES, Settings
from minimind_tui import starting
from minimind_tui.cli.entry import main
from minimind_tui.core.wizard.command import command_line, run_arguments
from minimind_tui.core.wizard.form import SPECS

Asked = tuple[Settings, str | None, str | None, bool]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Asked]:
    """What `minimind` would start for a line."""
    monkeypatch.chdir(tmp_path)
    asked: list[Asked] = []

    def plan(settings: Settings, preset: str | None, name: str | None, *, force: bool) -> Any:
        asked.append((settings, preset, name, force))
        raise UserError("not here")

    monkeypatch.setattr(starting, "checked_plan", plan)

    def read_line(line: str) -> Asked:
        program, *words = shlex.split(line)
        assert program == "minimind"
        assert main(words) == 2
        return asked.pop()

    return read_line


def test_a_preset_as_it_is(read: Callable[[str], Asked]) -> None:
    base = load_preset("mini").settings()
    line = command_line(run_arguments("mini", base, base))
    assert line == "minimind run --preset mini"
    assert read(line) == (base, "mini", None, False)


def test_only_what_differs_is_written(read: Callable[[str], Asked]) -> None:
    base = load_preset("mini").settings()
    asked = base.model_copy(update={"learning_rate": 0.01, "pack": False, "time_budget": 5400.0, "save_dir": "my out"})
    line = command_line(run_arguments("mini", base, asked, name="second try", force=True))
    assert line == (
        "minimind run --preset mini --pack 0 --learning_rate 0.01 --time_budget 1h30m --save_dir 'my out' "
        "--name 'second try' --force"
    )
    assert read(line) == (asked, "mini", "second try", True)


WORDS = st.text(min_size=1, max_size=12, alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Right values of a setting."""
    spec, bounds = SPECS[name], SPECS[name].bounds
    if spec.kind == "flag":
        return st.booleans()
    if spec.kind == "choice":
        flags = {"on": True, "off": False} if "on" in spec.choices else {}
        return st.sampled_from([flags.get(choice, choice) for choice in spec.choices])
    if spec.kind == "int" or (spec.kind == "auto_number" and name not in ("rms_norm_eps", "aux_loss_coef")):
        numbers = st.integers(int(bounds.get("ge", 0)), int(bounds.get("le", 10**9)))
        return numbers if spec.kind == "int" else numbers | st.just("auto")
    if spec.kind in ("float", "auto_number"):
        low, high = bounds.get("ge", bounds.get("gt", 0.0)), bounds.get("le", bounds.get("lt", 1e9))
        return st.floats(low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds)
    if spec.kind == "duration":
        return st.floats(0, 1e8)
    if spec.kind == "deadline":
        return st.sampled_from(["none", "08:00", "2126-12-01T08:00"])
    if spec.kind == "texts":
        return st.lists(WORDS, max_size=3).map(tuple)
    if name == "device":
        return st.sampled_from(["auto", "cpu", "cuda:3", "mps"])
    if name == "save_weight":
        return st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
    return WORDS


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.fixed_dictionaries({}, optional={name: values_of(name) for name in SETTING_NAMES}))
def test_the_command_line_reads_the_same_settings(read: Callable[[str], Asked], values: dict[str, Any]) -> None:
    base = load_preset("mini").settings()
    asked = base.model_copy(update=values)
    settings, preset, name, _force = read(command_line(run_arguments("mini", base, asked, name="-x")))
    assert settings == asked and (preset, name) == ("mini", "-x")
