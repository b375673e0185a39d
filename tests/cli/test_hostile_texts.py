"""Every command over a run and data whose every text is made to act on the terminal: nothing of it gets out."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_helpers import Minimind
from hostile_workspace import EVIL, MARKED, NAME, acts_on_a_terminal, make_hostile

from engine.errors import UserError
from engine.run.folder import RunFolder
from minimind_tui.cli.arguments import Command
from minimind_tui.cli.tree import build_app, describe_commands

RUN = "last"
DATA = f"datasets/d{NAME}.jsonl"
COMMANDS: dict[str, list[str]] = {
    "runs": ["runs"],
    "runs --json": ["runs", "--json"],
    "runs show": ["runs", "show", RUN],
    "runs show --json": ["runs", "show", RUN, "--json"],
    "runs note": ["runs", "note", RUN],
    "runs rename": ["runs", "rename", RUN, EVIL.replace("\x00", "")[-70:]],
    "runs stop": ["runs", "stop", RUN],
    "runs pause": ["runs", "pause", RUN],
    "runs continue": ["runs", "continue", RUN],
    "runs save": ["runs", "save", RUN],
    "runs sample": ["runs", "sample", RUN, "--prompt", EVIL],
    "runs set": ["runs", "set", RUN, "--lr_scale", "0.5"],
    "runs report": ["runs", "report", RUN, "--output", f"r{NAME}.html"],
    "runs report md": ["runs", "report", RUN, "--output", f"r{NAME}.md"],
    "runs rm": ["runs", "rm", RUN, "--yes"],
    "attach": ["attach", RUN],
    "attach --json": ["attach", RUN, "--json"],
    "plot": ["plot", RUN],
    "verify": ["verify", RUN],
    "runs exclude": ["runs", "exclude", RUN, f"{DATA}:1"],
    "plot metric": ["plot", RUN, "--metric", EVIL],
    "resume": ["resume", RUN],
    "fork": ["fork", RUN],
    "generate": ["generate", RUN, "--prompt", "x"],
    "generate file": ["generate", f"{NAME}.pth", "--prompt", EVIL],
    "run": ["run", "--preset", f"broken{NAME}"],
    "run data": ["run", "--data_path", f"nothing{NAME}.jsonl"],
    "run option": ["run", f"--{NAME}", EVIL],
    "run value": ["run", "--epochs", EVIL],
    "run config": ["run", "--config", f"{NAME}.toml"],
    "estimate": ["estimate", "--preset", f"broken{NAME}"],
    "data inspect": ["data", "inspect", DATA],
    "data inspect --json": ["data", "inspect", DATA, "--json"],
    "data inspect field": ["data", "inspect", DATA, "--text_field", EVIL],
    "data cache": ["data", "cache"],
    "data cache clean": ["data", "cache", "clean", "--older_than", EVIL],
    "presets": ["presets"],
    "presets show": ["presets", "show", f"p{NAME}"],
    "presets show --json": ["presets", "show", f"p{NAME}", "--json"],
    "presets show broken": ["presets", "show", f"broken{NAME}"],
    "doctor": ["doctor"],
    "tui": ["tui", EVIL],
    "unknown run": ["runs", "show", EVIL],
    "unknown command": [EVIL],
    "unknown word": ["runs", EVIL],
}
"""What is called, by what it is. `--help` and completions show nothing that was read."""

COLOURED = ["runs", "attach", "data inspect", "presets", "presets show", "doctor", "plot"]
"""Those that draw in colours where there is a terminal."""


@pytest.fixture
def hostile(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    def refuse() -> None:
        raise UserError(EVIL)  # a probe takes seconds, and its words are not ours either

    monkeypatch.setattr("engine.estimate.device_probe._run_probe", refuse)
    return make_hostile(workspace)


@pytest.mark.parametrize(
    ("name", "coloured"), [*((name, False) for name in COMMANDS), *((name, True) for name in COLOURED)]
)
def test_nothing_a_text_asks_of_the_terminal_comes_out(
    name: str, coloured: bool, hostile: RunFolder, minimind: Minimind, monkeypatch: pytest.MonkeyPatch
) -> None:
    if coloured:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr("minimind_tui.cli.terminal.has_colours", lambda: True)
    called = minimind(*COMMANDS[name])
    assert called.code in (0, 1, 2, 3)
    assert "Unexpected error" not in called.err, called.err
    assert called.out + called.err
    found = acts_on_a_terminal(called.out + called.err, coloured=coloured)
    assert not found, "\n".join(found[:5])


@pytest.mark.parametrize("name", ["runs", "runs show", "runs note", "attach", "presets", "data inspect"])
def test_markup_is_shown_as_it_is_written(name: str, hostile: RunFolder, minimind: Minimind) -> None:
    called = minimind(*COMMANDS[name])
    assert MARKED in " ".join((called.out + called.err).split()), called.out


def test_every_command_is_among_them() -> None:
    def leaves(command: Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        inner = [leaf for name, one in command.subcommands.items() for leaf in leaves(one, (*words, name))]
        return inner or [words]

    import typer

    tree = describe_commands(typer.main.get_command(build_app(with_settings=False)), with_settings=False)
    called = {tuple(words[: len(leaf)]) for words in COMMANDS.values() for leaf in leaves(tree)}
    missing = [" ".join(leaf) for leaf in leaves(tree) if leaf not in called]
    assert not missing, missing


class Page(HTMLParser):
    """The elements and attributes of a page, and the text outside of styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("kind", ["html", "md"])
def test_a_report_of_it_is_a_page_without_anything_of_it(kind: str, hostile: RunFolder, minimind: Minimind) -> None:
    assert minimind("runs", "report", RUN, "--output", f"page.{kind}").code == 0
    text = Path(f"page.{kind}").read_text(encoding="utf-8")
    assert not acts_on_a_terminal(text)
    if kind == "md":
        fenced = False
        for line in text.splitlines():
            fenced ^= line.startswith("```")
            assert fenced or not any(wrong in line for wrong in ("<script", "<img", "](http", "](javascript")), line
        return
    page = Page()
    page.feed(text)
    assert page.elements.isdisjoint({"script", "img", "iframe", "a", "link", "object", "embed", "form", "base"})
    assert not [name for name, value in page.attributes if name.startswith("on") or "javascript:" in value.lower()]
    assert not [value for name, value in page.attributes if name in ("href", "src", "xlink:href") and value]
    assert text.count("</style>") == 1 and "&lt;script&gt;" in text


def test_a_text_is_no_command(hostile: RunFolder, minimind: Minimind, workspace: Path) -> None:
    calls: list[Callable[[], object]] = [lambda words=words: minimind(*words) for words in COMMANDS.values()]  # type: ignore[misc]
    for call in calls[:20]:
        call()
    assert not list(workspace.rglob("harmed"))
