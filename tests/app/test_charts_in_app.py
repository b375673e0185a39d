"""The chart widgets in an application: every key, any numbers, any size, any theme."""

import json
import math
import time
from array import array
from pathlib import Path

import pytest
from screens import screen_text
from textual.app import App, ComposeResult
from textual.content import Content
from textual.events import MouseScrollUp

from engine.run.folder import RunFolder
from engine.run.view import RunView
from minimind_tui.app.themes import OURS
from minimind_tui.app.widgets.line_plot import LinePlot
from minimind_tui.app.widgets.metric_chart import MetricChart
from minimind_tui.app.widgets.overlay_chart import LOOKS, OverlayChart, looks_of
from minimind_tui.core.chart_state import ChartState
from minimind_tui.core.preferences import Preferences

NAN, INF = float("nan"), float("inf")


class Charts(App[None]):
    """A loss and a learning rate that share their state."""

    def __init__(self, view: RunView, marker: str = "braille") -> None:
        super().__init__()
        for theme in OURS:
            self.register_theme(theme)
        self.preferences = Preferences.model_validate({"marker": marker})
        self.view, self.state = view, ChartState()

    def compose(self) -> ComposeResult:
        yield MetricChart("loss", self.state, title="Loss [b]一[/b]")
        yield MetricChart("lr", self.state, title="LR")

    def on_mount(self) -> None:
        for chart in self.query(MetricChart):
            chart.feed(self.view)
        self.query(MetricChart).first().focus()


def view_of(path: Path, losses: list[float | None], events: list[dict[str, object]] | None = None) -> RunView:
    path.mkdir(exist_ok=True)
    folder = RunFolder(path)
    with folder.metrics.open("w") as file:
        for step, loss in enumerate(losses, 1):
            line = {"kind": "train", "attempt": 1, "step": step, "loss": loss, "lr": 1e-3 / step}
            file.write(json.dumps(line | {"tokens": step * 100, "elapsed": step * 60.0}) + "\n")
    folder.events.write_text("".join(json.dumps({"attempt": 1, **event}) + "\n" for event in events or []))
    view = RunView(folder)
    view.read_all()
    return view


def curve(count: int) -> list[float | None]:
    return [2 + 6 * math.exp(-n / 50) + 0.3 * (n % 3) for n in range(count)]


async def test_title_value_axis_and_marks_are_shown(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [
        {"kind": "checkpoint", "step": 100},
        {"kind": "resumed", "step": 100},
        {"kind": "sample", "step": 150},
    ]
    async with Charts(view_of(tmp_path / "run", curve(200), events)).run_test(size=(80, 30)) as pilot:
        await pilot.pause()
        text = screen_text(pilot.app)  # type: ignore[arg-type]
        assert "Loss [b]一[/b]  2.4" in text and "LR  5.0e-06" in text
        axis = next(line for line in text.split("\n") if "└" in line)
        assert "»" in axis and "▾" in axis and "◆" not in axis  # a resume stands over its checkpoint
        assert "◆ checkpoint  ▾ sample  » resumed ─╯" in text
        assert "100" in text and "┤" in text


async def test_every_key_does_what_it_says_and_the_charts_move_together(tmp_path: Path) -> None:
    async with Charts(view_of(tmp_path / "run", curve(1000))).run_test(size=(80, 30)) as pilot:
        app = pilot.app
        assert isinstance(app, Charts)
        state = app.state
        first, second = app.query(MetricChart)

        async def press(key: str) -> str:
            await pilot.press(key)
            await pilot.pause()
            return screen_text(app)  # type: ignore[arg-type]

        assert "log" in await press("g") and state.log == {"loss"}
        assert "smoother" in await press("o")
        assert "not smoothed" in await press("o")
        assert state.smoothing == "none" and state.window(1000) == 1
        await press("o")
        assert "by tokens" in await press("a") and state.x == "tokens"
        assert "by time" in await press("a") and "12h" in screen_text(app)  # type: ignore[arg-type]
        await press("a")
        assert "500–1000 →" in (await press("plus")).replace("501", "500")
        assert str(first.border_subtitle).split("· ")[-1] in str(second.border_subtitle)
        moved = await press("left_square_bracket")
        assert "→" not in moved and state.end is not None
        await press("right_square_bracket")
        assert state.end is None
        await press("minus")
        assert state.span is None
        await press("plus")
        await press("0")
        assert state.span is None
        await press("m")
        assert app.screen.maximized is first and not screen_text(app).count("LR")  # type: ignore[arg-type]
        await press("m")
        assert app.screen.maximized is None
        await press("enter")
        assert app.screen.maximized is first
        await press("escape")
        assert app.screen.maximized is None and "LR" in screen_text(app)  # type: ignore[arg-type]


async def test_the_wheel_zooms(tmp_path: Path) -> None:
    async with Charts(view_of(tmp_path / "run", curve(100))).run_test(size=(80, 30)) as pilot:
        await pilot._post_mouse_events([MouseScrollUp], MetricChart, (5, 5))
        await pilot.pause()
        assert pilot.app.state.span is not None  # type: ignore[attr-defined]


HOSTILE: dict[str, list[float | None]] = {
    "empty": [],
    "one point": [3.0],
    "no number": [None, None],
    "flat": [2.0] * 50,
    "negative and zero": [-1.0, 0.0, -5.0, 1e-30],
    "huge": [1e308, -1e308, 1e299, 3.0],
    "gaps": [None, 1.0, None, None, 2.0, None],
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24), (200, 60)])
async def test_any_numbers_at_any_size_draw_something(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    async with Charts(view_of(tmp_path / "run", HOSTILE[name])).run_test(size=size) as pilot:
        await pilot.press("g", "o", "plus", "a", "left_square_bracket", "m")
        await pilot.pause()
        assert "Traceback" not in screen_text(pilot.app)  # type: ignore[arg-type]
        assert "minimind-error" not in screen_text(pilot.app)  # type: ignore[arg-type]


async def test_infinities_in_memory_are_left_out(tmp_path: Path) -> None:
    view = view_of(tmp_path / "run", [1.0, 2.0, 3.0])
    view.train.column("loss")[1] = INF
    async with Charts(view).run_test(size=(80, 24)) as pilot:
        await pilot.press("g")
        await pilot.pause()
        assert "┤" in screen_text(pilot.app)  # type: ignore[arg-type]


@pytest.mark.parametrize("marker", ["braille", "hd", "dot", "ascii"])
async def test_the_marker_is_the_persons(tmp_path: Path, marker: str) -> None:
    async with Charts(view_of(tmp_path / "run", curve(100)), marker).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        body = "".join(line[9:-1] for line in screen_text(pilot.app).split("\n")[1:8])  # type: ignore[arg-type]
        braille = any("⠀" <= character <= "⣿" for character in body)
        blocks = any(character in "▀▄▌▐▖▗▘▙▚▛▜▝▞▟█" for character in body)
        assert (braille, blocks) == (marker == "braille", marker == "hd")
        assert body.isascii() == (marker == "ascii")


async def test_every_theme_draws_the_same_shape(tmp_path: Path) -> None:
    async with Charts(view_of(tmp_path / "run", curve(100))).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        before = screen_text(pilot.app)  # type: ignore[arg-type]
        for theme in ("minimind-light", "ansi-dark", "ansi-light", "nord", "textual-light", "minimind-dark"):
            pilot.app.theme = theme
            await pilot.pause()
            assert screen_text(pilot.app) == before, theme  # type: ignore[arg-type]


async def test_nothing_is_drawn_when_nothing_changed(tmp_path: Path) -> None:
    async with Charts(view_of(tmp_path / "run", curve(100))).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        chart = pilot.app.query(MetricChart).first()
        drawn: list[int] = []
        original = chart.draw
        chart.draw = lambda width, height: (drawn.append(1), original(width, height))[1]  # type: ignore[method-assign]
        chart.feed(pilot.app.view)  # type: ignore[attr-defined]
        chart.refresh()
        await pilot.pause()
        assert drawn == []
        chart.action_toggle_log()
        await pilot.pause()
        assert drawn == [1]


async def test_values_are_read_at_a_place_common_to_all_charts(tmp_path: Path) -> None:
    losses = [5.0 - n / 50 for n in range(200)]
    async with Charts(view_of(tmp_path / "run", losses)).run_test(size=(80, 30)) as pilot:
        first, second = pilot.app.query(MetricChart)
        await pilot.press("left")
        await pilot.pause()
        step = int(str(first.border_subtitle).split()[1].rstrip(":"))
        assert 190 < step < 200
        assert f"step {step}: {losses[step - 1]:.3f} · mean " in str(first.border_subtitle)
        assert str(second.border_subtitle) == f"step {step}: {1e-3 / step:.1e}"
        assert sum("│" in line[9:-1] for line in screen_text(pilot.app).split("\n")) > 15  # type: ignore[arg-type]
        await pilot.press("right", "right", "right")
        await pilot.pause()
        assert "step 200:" in str(first.border_subtitle)
        await pilot.press("0")
        await pilot.pause()
        assert "step" not in str(first.border_subtitle)


async def test_the_part_that_is_seen_stays_the_same_on_another_axis(tmp_path: Path) -> None:
    async with Charts(view_of(tmp_path / "run", curve(1000))).run_test(size=(80, 30)) as pilot:
        state = pilot.app.state  # type: ignore[attr-defined]
        await pilot.press("plus", "plus", "left_square_bracket", "a")
        assert state.x == "tokens"
        low, high = state.shown((100, 100_000))
        assert low == pytest.approx(68_800, rel=0.01) and high == pytest.approx(93_800, rel=0.01)
        await pilot.press("a")
        assert state.shown((60, 60_000)) == pytest.approx((41_280, 56_280), rel=0.01)


async def test_without_colours_what_is_faint_has_another_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Charts(view_of(tmp_path / "run", curve(200))).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        before = screen_text(pilot.app)  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    async with Charts(view_of(tmp_path / "run", curve(200))).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        rows = [line[9:-1] for line in screen_text(pilot.app).split("\n")[1:8]]  # type: ignore[arg-type]
    assert sum(row.count(".") for row in rows) > 20
    assert not any("." in line[9:-1] for line in before.split("\n")[1:8])


async def test_a_chart_may_be_larger_than_the_terminal_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    async with Charts(view_of(tmp_path / "run", curve(200))).run_test(size=(200, 60)) as pilot:
        await pilot.press("m")
        await pilot.pause()
        lines = screen_text(pilot.app).split("\n")  # type: ignore[arg-type]
        [axis] = [number for number, line in enumerate(lines) if "└" in line]
        assert axis == 60 - 3 and len(lines[axis].rstrip("│").rstrip()) > 195


def long_view(path: Path, length: int) -> RunView:
    """A run of so many logged steps, in memory."""
    view = view_of(path, [])
    train = view.train
    train.steps.extend(range(1, length + 1))
    train.attempts.extend([1] * length)
    train._columns["loss"] = array("d", [2 + 6 * math.exp(-n / 5000) + (n % 7) / 10 for n in range(length)])
    return view


async def test_a_million_points_are_drawn_at_once(tmp_path: Path) -> None:
    view = long_view(tmp_path / "run", 1_000_000)
    view.train.column("loss")[654_321] = 42.0
    began = time.process_time()
    async with Charts(view).run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        opened = time.process_time() - began
        text = screen_text(pilot.app)  # type: ignore[arg-type]
        assert "40┤" in text and "600k" in text
        began = time.process_time()
        await pilot.press("plus", "plus", "left_square_bracket", "o", "g")
        await pilot.pause()
        assert time.process_time() - began < 3  # some 0.2 s; whole columns anew would be many times that
    assert opened < 6


class Overlay(App[None]):
    def __init__(self, views: list[RunView]) -> None:
        super().__init__()
        self.views = views

    def compose(self) -> ComposeResult:
        yield OverlayChart("loss", ChartState(), title="Loss")

    def on_mount(self) -> None:
        chart = self.query_one(OverlayChart)
        chart.feed([(f"[b]{view.folder.id}[/b] 一", view) for view in self.views])
        chart.focus()


async def test_runs_are_overlaid_each_with_its_symbol_and_label(tmp_path: Path) -> None:
    heights = {"one": 3.0, "two": 2.0, "three": 1.0}
    views = [view_of(tmp_path / name, [heights[name] + n / 400 for n in range(200)]) for name in heights]
    async with Overlay(views).run_test(size=(100, 40)) as pilot:
        await pilot.pause()
        text = screen_text(pilot.app)  # type: ignore[arg-type]
        looks = looks_of(["one", "two", "three"])
        marks = [pilot.app.query_one(OverlayChart).inks.legend_mark(looks[name]) for name in looks]
        assert len(set(marks)) == 3
        for name, mark in zip(looks, marks, strict=True):
            assert f"{mark} [b]{name}[/b] 一" in text
            assert text.count(mark) > 2
        await pilot.press("plus", "g")
        await pilot.pause()
        assert "100–200 →" in screen_text(pilot.app).replace("101", "100")  # type: ignore[arg-type]


async def test_an_overlay_of_runs_without_numbers_says_so(tmp_path: Path) -> None:
    async with Overlay([view_of(tmp_path / "one", []), view_of(tmp_path / "two", [None])]).run_test() as pilot:
        await pilot.pause()
        assert "nothing logged yet" in screen_text(pilot.app)  # type: ignore[arg-type]


def test_a_runs_look_is_its_own_and_no_two_share_one_while_there_are_enough() -> None:
    ids = [f"20261124-0{n}0000-mini" for n in range(LOOKS)]
    assert sorted(looks_of(ids).values()) == list(range(LOOKS))
    assert looks_of(ids) == looks_of(ids[::-1])
    assert looks_of([ids[0]])[ids[0]] == looks_of([ids[0]])[ids[0]]
    assert len(looks_of([*ids, "more", "still more"])) == LOOKS + 2


class Line(App[None]):
    def compose(self) -> ComposeResult:
        yield LinePlot(placeholder="no [b]schedule[/b]")


async def test_a_plain_line(tmp_path: Path) -> None:
    async with Line().run_test(size=(60, 14)) as pilot:
        await pilot.pause()
        assert "no [b]schedule[/b]" in screen_text(pilot.app)  # type: ignore[arg-type]
        plot = pilot.app.query_one(LinePlot)
        plot.show(range(100), [1e-3 * n for n in range(100)])
        await pilot.pause()
        assert "┤" in screen_text(pilot.app)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="2 positions for 1 values"):
            plot.show([1, 2], [1.0])


async def test_a_legend_that_does_not_fit_is_cut_rather_than_left_out(tmp_path: Path) -> None:
    kinds = [("checkpoint", {}), ("sample", {}), ("control", {"accepted": True}), ("resumed", {})]
    events: list[dict[str, object]] = [
        {"kind": kind, "step": 20 + 40 * place, **more} for place, (kind, more) in enumerate(kinds)
    ]
    app = Charts(view_of(tmp_path / "run", curve(200), events))
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query(MetricChart).first()
        whole = "◆ checkpoint  ▾ sample  ● request  » resumed"
        assert str(chart.border_subtitle) == whole
        await pilot.resize_terminal(42, 30)
        await pilot.pause()
        assert str(chart.border_subtitle) == "◆ checkpoint  ▾ sample  ● request …"
        await pilot.resize_terminal(42, 12)
        await pilot.pause()
        assert not chart.border_subtitle, "a chart too low for marks explains none"


async def test_a_small_chart_s_title_is_no_cut_number(tmp_path: Path) -> None:
    app = Charts(view_of(tmp_path / "run", curve(200)))
    async with app.run_test(size=(100, 30)) as pilot:
        small = app.query(MetricChart).last()
        assert Content.from_markup(small.border_title).plain == "LR  5.0e-06"
        await pilot.resize_terminal(14, 30)
        await pilot.pause()
        assert Content.from_markup(small.border_title).plain == "LR"
