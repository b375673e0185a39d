"""Pictures of every screen for the READMEs, from real runs: docs/pictures/NAME.LANGUAGE.svg.

    python docs/make_pictures.py [--workspace FOLDER] [--only NAME ...] [--lang en zh] [--out docs/pictures]

Without --workspace it trains first, in a folder that is thrown away: two short runs of the smoke test at different
rates, and a third that still trains while its picture is taken. A FOLDER with such runs in it is used as it is.
"""

import argparse
import asyncio
import html
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.cells import cell_len
from textual.pilot import Pilot

from engine.language import LANGUAGES, set_language
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.view import RunView
from minimind_tui.app.application import MinimindApp

MINIMIND = [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())"]
SIZE = (120, 36)
PROMPT = {"en": "Once upon a time", "zh": "从前"}
LIVE_STEPS = 120
"""How far the run that still trains has come before its first picture."""

Driven = Callable[[MinimindApp, "Pilot[int]"], Awaitable[None]]


async def rest(pilot: "Pilot[int]", seconds: float = 0.5) -> None:
    """Let what was asked for be drawn."""
    for _moment in range(int(seconds / 0.1)):
        await pilot.pause(0.1)


async def home(app: MinimindApp, pilot: "Pilot[int]") -> None:
    """What is seen first."""


def wizard(steps: int | None) -> Driven:
    """The wizard's first step, or so many steps after the smoke test was chosen."""

    async def drive(app: MinimindApp, pilot: "Pilot[int]") -> None:
        app.open_wizard(preset=None if steps is None else "mini")
        await rest(pilot, 4)
        for _step in range(steps or 0):
            await pilot.press("ctrl+n")
            await rest(pilot, 4)

    return drive


def dashboard(*keys: str) -> Driven:
    """The run that trains, or the newest."""

    async def drive(app: MinimindApp, pilot: "Pilot[int]") -> None:
        live = [entry.folder for entry in app.index.live]
        app.open_run((live or [entry.folder for entry in app.index.entries])[0])
        await rest(pilot, 2)
        await pilot.press(*keys)
        await rest(pilot, 1)

    return drive


async def runs(app: MinimindApp, pilot: "Pilot[int]") -> None:
    """The browser, two runs marked."""
    app.action_show_runs()
    await rest(pilot, 2)
    await pilot.press("end", "space", "up", "space")
    await rest(pilot)


async def compare(app: MinimindApp, pilot: "Pilot[int]") -> None:
    """Two runs side by side."""
    await runs(app, pilot)
    await pilot.press("c")
    await rest(pilot, 2)


def playground(language: str) -> Driven:
    """A text that the first run's model wrote."""

    async def drive(app: MinimindApp, pilot: "Pilot[int]") -> None:
        app.open_playground(app.index.entries[-1].folder)
        await rest(pilot, 2)
        for letter in PROMPT[language]:
            await pilot.press("space" if letter == " " else letter)
        await pilot.press("ctrl+g")
        await rest(pilot, 25)

    return drive


async def help_of_dashboard(app: MinimindApp, pilot: "Pilot[int]") -> None:
    """The keys of the dashboard, those of its charts too."""
    await dashboard()(app, pilot)
    await pilot.press("question_mark")
    await rest(pilot)


async def preferences(app: MinimindApp, pilot: "Pilot[int]") -> None:
    """Language, theme, charts, money."""
    app.action_show_preferences()
    await rest(pilot)


def shots(language: str) -> dict[str, Driven]:
    """Every picture by its name."""
    return {
        "dashboard": dashboard(),
        "samples": dashboard("2"),
        "chart": dashboard("1", "m"),
        "home": home,
        "wizard-preset": wizard(None),
        "wizard-data": wizard(0),
        "wizard-settings": wizard(1),
        "wizard-review": wizard(2),
        "runs": runs,
        "compare": compare,
        "playground": playground(language),
        "help": help_of_dashboard,
        "preferences": preferences,
    }


def without_web_fonts(svg: str) -> str:
    """The picture with the reader's own monospaced font: it loads nothing from anywhere."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code, monospace", "monospace").replace("Fira Code", "monospace")


def with_wide_characters(svg: str) -> str:
    """The picture with Chinese as wide as it is in a terminal: Rich allows each character one column."""

    def widened(found: re.Match[str]) -> str:
        begin, length, middle, text = found.groups()
        shown = html.unescape(text)
        return f'{begin}textLength="{float(length) / len(shown) * cell_len(shown):g}"{middle}>{text}</text>'

    return re.sub(r'(<text [^>]*?)textLength="([\d.]+)"([^>]*)>([^<]+)</text>', widened, svg)


def without_folders(svg: str) -> str:
    """The picture without the names of the folders of whoever took it: others of the same width stand there."""
    for folder, stand_in in (
        (Path(__file__).parents[1], "~/minimind-tui"),
        (os.environ["MINIMIND_CONFIG"], "~/.config/minimind-tui"),
    ):
        name = str(folder)
        svg = svg.replace(name, stand_in[: len(name)].ljust(len(name), "_"))
    return svg


async def take(name: str, drive: Driven, language: str, out: Path) -> None:
    """One picture, of an application of its own."""
    set_language(language)
    os.environ["MINIMIND_LANG"] = language
    app = MinimindApp()
    app.preferences = app.preferences.model_copy(update={"welcomed": True})
    async with app.run_test(size=SIZE) as pilot:
        for _moment in range(100):
            await pilot.pause(0.1)
            if app.device_facts is not None or app.device_problem:
                break
        await drive(app, pilot)
        await rest(pilot)
        svg = app.export_screenshot(title=f"minimind-tui · {name}")
        if app.troubles:
            raise SystemExit(f"{name} ({language}): {app.troubles}")
    path = out / f"{name}.{language}.svg"
    path.write_text(without_folders(with_wide_characters(without_web_fonts(svg))), encoding="utf-8")
    print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


@contextmanager
def trained_workspace() -> Iterator[Path]:
    """A workspace with two runs that ended and one that trains; gone afterwards, the run stopped."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        short = ["--max_steps", "250", "--eval_interval", "50", "--sample_interval", "100"]
        for rate in ("4e-3", "1e-3"):
            words = ["run", "--preset", "mini", "--name", f"mini-lr{rate}", "--learning_rate", rate, *short]
            subprocess.run([*MINIMIND, *words], cwd=workspace, check=True)
        subprocess.run(
            [*MINIMIND, "run", "--preset", "mini", "--epochs", "4", *short[2:], "--detach"], cwd=workspace, check=True
        )
        try:
            _wait_for_steps(list_runs(workspace / "runs")[0], LIVE_STEPS)
            yield workspace
        finally:
            subprocess.run([*MINIMIND, "runs", "stop", "last", "--now"], cwd=workspace, check=False)


def _wait_for_steps(folder: RunFolder, steps: int) -> None:
    view = RunView(folder)
    while len(view.train) < steps:
        asyncio.run(asyncio.sleep(1))
        view.poll()
        if not observe(folder).is_live:
            raise SystemExit(f"{folder.id} ended before its picture was taken.")


def main() -> None:
    """Take the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, help="a folder with runs; without it some are trained")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help=", ".join(shots("en")))
    parser.add_argument("--lang", nargs="*", default=list(LANGUAGES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    asked = parser.parse_args()
    out = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    unknown = set(asked.only) - set(shots("en"))
    if unknown:
        parser.error(f"no picture is called {', '.join(sorted(unknown))}")
    if asked.workspace is None:
        with trained_workspace() as workspace:
            _take_all(workspace, asked.only, asked.lang, out)
    else:
        _take_all(asked.workspace.resolve(), asked.only, asked.lang, out)


def _take_all(workspace: Path, only: list[str], languages: list[str], out: Path) -> None:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as config:
        os.environ["MINIMIND_CONFIG"] = config
        os.environ.pop("MINIMIND_RUNS", None)
        os.chdir(workspace)
        try:
            for language in languages:
                for name, drive in shots(language).items():
                    if not only or name in only:
                        asyncio.run(take(name, drive, language, out))
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
