"""The command line as a whole: quick help, one message for a mistake, every setting an option."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from cli_helpers import Called, Minimind, command
from rich.cells import cell_len

from engine.language import _
from engine.settings.declaration import declarations
from engine.settings.settings import SETTING_NAMES, Settings
from minimind_tui import __version__
from minimind_tui.cli import main
from minimind_tui.cli.tree import build_app

GUIDE_FLAGS = """
    epochs batch_size learning_rate max_seq_len data_path save_dir save_weight hidden_size num_hidden_layers use_moe
    from_resume from_weight accumulation_steps grad_clip dtype device num_workers log_interval save_interval use_wandb
    wandb_project seed
"""


def test_help_imports_neither_torch_nor_textual_nor_numpy() -> None:
    code = (
        "import sys; from minimind_tui.cli import main; main(sys.argv[1:]); "
        "print('LOADED', sorted({'torch', 'textual', 'numpy', 'plotext', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert "minimind" in result.stdout
    assert result.stdout.splitlines()[-1] == "LOADED []"


def test_no_command_module_imports_torch_textual_or_numpy_to_show_its_help() -> None:
    code = (
        "import sys; from minimind_tui.cli import main\n"
        "for words in ('run', 'resume', 'runs', 'runs show', 'attach', 'plot', 'generate', 'presets', 'data'):\n"
        "    assert main([*words.split(), '--help']) == 0\n"
        "print('LOADED', sorted({'torch', 'textual', 'numpy', 'plotext'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "LOADED []"


def test_the_application_without_a_terminal_names_headless_commands(capsys: pytest.CaptureFixture[str]) -> None:
    from minimind_tui.app import main as application

    assert application([]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("minimind run", "minimind runs", "minimind attach"))


def test_version(minimind: Minimind) -> None:
    assert minimind("--version") == Called(0, f"minimind-tui {__version__}\n", "")


def test_help_documents_exit_codes_and_spellings(minimind: Minimind) -> None:
    text = " ".join(minimind("--help").out.split())
    for words in ("Exit codes", "2 a mistake", "3 the run was stopped", "130 interrupted", "hyphens or underscores"):
        assert words in text
    assert minimind().out == minimind("--help").out


def test_every_setting_is_an_option_with_its_help(minimind: Minimind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    lines = minimind("run", "--help").out.splitlines()
    for name, declaration in declarations(Settings).items():
        [line] = [line for line in lines if f"--{name} " in line]
        assert declaration.english[:40] in line, name
        assert "(default: " in line, name


def test_basic_settings_stand_first(minimind: Minimind) -> None:
    text = minimind("run", "--help").out
    basic = [text.index(f"--{name} ") for name, one in declarations(Settings).items() if one.basic]
    advanced = [text.index(f"--{name} ") for name, one in declarations(Settings).items() if not one.basic]
    assert max(basic) < min(advanced)


def test_help_is_chinese_when_asked() -> None:
    result = subprocess.run(
        command("--lang", "zh", "run", "--help"),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "300"},
    )
    assert declarations(Settings)["epochs"].chinese in result.stdout


@pytest.mark.parametrize("words", [("--lang", "zh", "runs"), ("runs", "--lang=zh"), ("runs", "--lang", "zh")])
def test_the_language_may_be_asked_for_anywhere(words: tuple[str, ...], workspace: Path) -> None:
    from engine.language import set_language

    code = "import sys, os; from minimind_tui.cli import main; main(sys.argv[1:]); print(os.environ['MINIMIND_LANG'])"
    out = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True).stdout
    set_language("zh")
    try:
        place = _("No runs in {folder} yet. Start one: minimind run --preset mini").format(folder="runs")
    finally:
        set_language("en")
    assert out == f"{place}\nzh\n"


def test_an_unknown_language_is_a_mistake(minimind: Minimind) -> None:
    called = minimind("runs", "--lang", "fr")
    assert (called.code, called.err) == (2, "Error: --lang takes one of: en, zh.\n")


@pytest.mark.parametrize("name", GUIDE_FLAGS.split())
def test_the_guides_flags_work_in_both_spellings(name: str, minimind: Minimind) -> None:
    """Each is understood: with a value that is wrong, the complaint is about the value and names the flag."""
    for spelling in {name, name.replace("_", "-")}:
        called = minimind("run", "--preset", "mini", f"--{spelling}", "", "--data_path", "missing.jsonl")
        assert called.code == 2
        assert "no option" not in called.err


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("epochs", "many", "epochs = many (--epochs): expected a whole number."),
        ("learning_rate", "-1", "learning_rate = -1 (--learning_rate): expected more than 0."),
        ("use_wandb", "maybe", "use_wandb = maybe (--use_wandb): expected true or false (1/0, yes/no, on/off)."),
        ("dtype", "int8", "dtype = int8 (--dtype): expected auto, bf16, fp16 or fp32."),
        ("num_experts", "1", "num_experts = 1 (--num_experts): expected 2 or more."),
        ("time_budget", "soon", "time_budget = soon (--time_budget): expected a duration"),
    ],
)
def test_a_wrong_value_is_refused_in_one_message(option: str, value: str, complaint: str, minimind: Minimind) -> None:
    called = minimind("run", "--preset", "mini", f"--{option}", value)
    assert called.code == 2
    assert called.err.startswith("Error: ")
    assert complaint in called.err
    assert "Traceback" not in called.err
    assert called.out == ""
    assert not Path("runs").exists()


@pytest.mark.parametrize("typed", ["--batchsize", "--batch-szie", "--batch_szie"])
def test_a_misspelt_flag_names_the_nearest(typed: str, minimind: Minimind) -> None:
    called = minimind("run", typed, "8")
    assert (called.code, called.out) == (2, "")
    assert "Did you mean --batch_size?" in called.err


def test_a_forgotten_command_is_told_where_its_options_belong(minimind: Minimind) -> None:
    called = minimind("--epochs", "3")
    assert called.code == 2
    assert "It is an option of `minimind run`" in called.err


def test_an_unknown_preset_names_the_nearest(minimind: Minimind) -> None:
    called = minimind("run", "--preset", "mimi")
    assert called.code == 2
    assert "Did you mean mini?" in called.err


def test_a_bare_run_is_full_and_says_where_its_data_comes_from(minimind: Minimind) -> None:
    called = minimind("run")
    assert called.code == 2
    assert "datasets/pretrain_data.jsonl" in called.err
    assert "jingyaogong/minimind_dataset" in called.err
    assert "--data_path" in called.err
    assert not Path("runs").exists()


def test_a_file_that_is_no_jsonl_is_refused_before_a_run_is_made(minimind: Minimind) -> None:
    Path("data.jsonl").write_bytes(b"\x1f\x8b\x08rest")
    called = minimind("run", "--preset", "mini", "--data_path", "data.jsonl")
    assert called.code == 2
    assert "gzip" in called.err
    assert not Path("runs").exists()


def test_a_superfluous_word_is_a_mistake_without_traceback(minimind: Minimind) -> None:
    called = minimind("attach", "one", "two")
    assert called.code == 2
    assert "Traceback" not in called.err


def test_an_unexpected_error_is_short_and_leaves_its_traceback_in_a_file(
    minimind: Minimind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("an odd thing")

    monkeypatch.setattr("minimind_tui.cli.listing.list_table", broken)
    called = minimind("runs")
    assert called.code == 1
    assert "ZeroDivisionError: an odd thing" in called.err
    assert "Traceback" not in called.err
    path = Path(called.err.split("The traceback is in ")[1].split(";")[0])
    assert "in broken" in path.read_text()
    path.unlink()


def test_ctrl_c_outside_of_a_run_is_130(minimind: Minimind, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minimind_tui.cli.listing.list_table", interrupted)
    assert minimind("runs").code == 130


def test_a_reader_that_goes_away_is_no_error() -> None:
    whole = subprocess.Popen(command("run", "--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert whole.stdout is not None
    whole.stdout.read(1)
    whole.stdout.close()
    assert whole.wait(timeout=20) in (0, 1)
    assert whole.stderr is not None
    assert whole.stderr.read() == b""


def test_presets_are_listed_and_shown(minimind: Minimind) -> None:
    listed = minimind("presets").out
    assert all(name in listed for name in ("mini", "full", "minimind2", "minimind3"))
    records = [json.loads(line) for line in minimind("presets", "--json").out.splitlines()]
    assert {record["name"] for record in records} >= {"mini", "full"}
    shown = minimind("presets", "show", "mini").out
    assert any(line.startswith("*") and "optimizer" in line and "muon" in line for line in shown.splitlines())
    assert any(not line.startswith("*") and "grad_clip" in line for line in shown.splitlines())
    assert all(name in shown for name in SETTING_NAMES)


def test_a_preset_as_toml_repeats_itself(minimind: Minimind) -> None:
    from engine.settings.presets import load_preset
    from engine.settings.run_toml import parse_settings

    Path("mine.toml").write_text(minimind("presets", "show", "minimind3", "--toml").out, encoding="utf-8")
    assert parse_settings(Path("mine.toml")) == (load_preset("minimind3").settings(), "minimind3")


def test_a_broken_preset_of_the_workspace_does_not_hide_the_others(minimind: Minimind) -> None:
    Path("presets").mkdir()
    Path("presets/broken.toml").write_text("[modle]\n")
    called = minimind("presets")
    assert called.code == 0
    assert "broken" in called.out and "[model]" in called.out and "mini" in called.out


def test_the_shell_completes_presets_options_and_choices() -> None:
    def complete(words: str, count: int) -> str:
        environment = {
            **os.environ,
            "_MINIMIND_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
        }
        return subprocess.run(command(), capture_output=True, text=True, env=environment, check=False).stdout

    assert "minimind3" in complete("minimind run --preset mi", 3).split()
    assert "muon" in complete("minimind run --optimizer ", 3).split()
    assert "--batch_size" in complete("minimind run --batch", 2).split()


def test_every_command_has_a_help_sentence() -> None:
    import typer

    def walk(one: object, path: str) -> None:
        assert getattr(one, "help", None), path
        for name, sub in getattr(one, "commands", {}).items():
            walk(sub, f"{path} {name}")

    walk(typer.main.get_command(build_app()), "minimind")


def test_main_takes_its_arguments_from_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["minimind", "--version"])
    assert main() == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_help_fits_the_terminal_and_loses_nothing(columns: int, language: str) -> None:
    """Chinese has no spaces to break at: what does not fit must be folded, not cut."""
    environment = {**os.environ, "COLUMNS": str(columns), "MINIMIND_LANG": language}
    result = subprocess.run(command("run", "--help"), capture_output=True, text=True, check=True, env=environment)
    assert "…" not in result.stdout
    assert max(cell_len(line) for line in result.stdout.splitlines()) <= columns
    squeezed = "".join(result.stdout.split())
    if columns >= 80:
        for name, declaration in declarations(Settings).items():
            [first, *_rest] = declaration.help(language).split()
            assert f"--{name}" in squeezed and first in squeezed, name
    for declaration in declarations(Settings).values():
        letters = set(declaration.help(language)) - {" "}
        assert letters <= set(squeezed)


def test_help_has_colour_only_on_a_terminal_that_wants_it() -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        python, *arguments = command("run", "--help")
        child = pexpect.spawn(
            python, arguments, env={**os.environ, "TERM": "xterm-256color", **environment}, encoding="utf-8"
        )
        child.expect(pexpect.EOF)
        assert ("\x1b[36m" in child.before) == coloured
    piped = subprocess.run(command("run", "--help"), capture_output=True, text=True, check=True)
    assert "\x1b" not in piped.stdout
