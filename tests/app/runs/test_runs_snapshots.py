"""The runs browser and the comparison as text, at two sizes and in both languages; look at them when they change."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from run_material import EPOCH, Attempt, write_run
from runs_browsing import browser, settled
from screens import SIZES, screen_text, settle_on_snapshot, until
from test_compare_screen import comparing

from engine.language import set_language
from engine.run.annotations import rename_run, write_note
from engine.run.clock import utc_iso
from engine.run.folder import RunFolder
from engine.run.schema import Lineage, State
from minimind_tui.app.screens.runs.filter_bar import FilterInput

HIDE = {
    r"(host|主机) +\S+ +": "~",
    r"\d+\.\d kB": "~.~ kB",
    r"20261124-031\d{3}-\S+ \d+% \S+( \+\d)?": "~",
}
LANGUAGES = ("en", "zh")


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nine hours after the runs were made."""
    monkeypatch.setattr("minimind_tui.app.screens.runs.screen.time", SimpleNamespace(time=lambda: EPOCH + 9 * 3600))


def made(seconds: float) -> dict[str, str]:
    return {"created": utc_iso(EPOCH - seconds)}


def mixed(workspace: Path) -> list[RunFolder]:
    """A run in every state there is, with and without title, and two folders that are broken."""
    folders = [
        write_run(workspace, "s", run_id="20261124-031459-mini", state=State.RUNNING, steps=130, manifest=made(1)),
        write_run(workspace, "s", run_id="20261124-031458-mini-lr", state=State.PAUSED, steps=80, manifest=made(2)),
        write_run(
            workspace,
            "s",
            run_id="20261124-031457-mini-fork",
            state=State.FINISHED,
            attempts=[
                Attempt(50, 120),
                Attempt(100, 200, exact=False, why_inexact=("dtype changed from bf16 to fp32",)),
            ],
            lineage=Lineage(kind="fork", run="20261124-031452-mini", step=50, settings={"learning_rate": [4e-3, 1e-3]}),
            manifest=made(3),
            settings={"learning_rate": 1e-3},
        ),
        write_run(workspace, "s", run_id="20261124-031456-full", state=State.FAILED, steps=60, manifest=made(4)),
        write_run(workspace, "s", run_id="20261124-031455-full", state=State.CRASHED, steps=90, manifest=made(5)),
        write_run(workspace, "s", run_id="20261124-031454-mini", state=State.CREATED, manifest=made(6)),
        write_run(workspace, "s", run_id="20261124-031453-mini", state=State.STOPPED, steps=30, manifest=made(7)),
        write_run(workspace, "s", run_id="20261124-031452-mini", state=State.FINISHED, manifest=made(90_000)),
    ]
    rename_run(folders[2], "低学习率 lower rate")
    write_note(folders[2], "Half the rate from step 50 on:\n[is] it better?")
    lost = RunFolder(workspace / "runs" / "20261124-031451-lost")
    lost.path.mkdir()
    lost.run_toml.write_text("")
    return folders


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_browser(workspace: Path, size: str, language: str) -> None:
    set_language(language)
    mixed(workspace)
    async with browser(SIZES[size]) as (app, pilot, screen):
        await pilot.press("space", "down", "space", "down")
        await settled(pilot, screen)
        await settle_on_snapshot(pilot, f"runs-{size}-{language}", lambda: screen_text(app), hide=HIDE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_details_asked_for(workspace: Path, size: str, language: str) -> None:
    set_language(language)
    mixed(workspace)
    async with browser(SIZES[size]) as (app, pilot, screen):
        await pilot.press("end")
        await pilot.press("i")
        await settled(pilot, screen)
        await settle_on_snapshot(pilot, f"runs-details-{size}-{language}", lambda: screen_text(app), hide=HIDE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_empty(workspace: Path, size: str, language: str) -> None:
    set_language(language)
    async with browser(SIZES[size]) as (app, pilot, screen):
        await settled(pilot, screen)
        await settle_on_snapshot(pilot, f"runs-empty-{size}-{language}", lambda: screen_text(app))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_filter_error(workspace: Path, size: str, language: str) -> None:
    set_language(language)
    mixed(workspace)
    async with browser(SIZES[size]) as (app, pilot, screen):
        await pilot.press("slash")
        screen.query_one(FilterInput).value = "mini learning_rat>=1e-3"
        await settled(pilot, screen)
        await settle_on_snapshot(pilot, f"runs-filter-error-{size}-{language}", lambda: screen_text(app), hide=HIDE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
async def test_compare(workspace: Path, size: str, language: str) -> None:
    set_language(language)
    folders = mixed(workspace)
    async with comparing(folders[7], folders[2], folders[4], size=SIZES[size]) as (app, pilot, screen):
        await until(pilot, lambda: screen.comparison is not None)
        await settle_on_snapshot(pilot, f"compare-{size}-{language}", lambda: screen_text(app), hide=HIDE)
