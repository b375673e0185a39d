"""What a follower shows: the right numbers, at a bounded rate, harmless to a terminal, readable without colour."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.observe import Observation
from engine.run.schema import State, Status
from minimind_tui.cli.follow import displays
from minimind_tui.cli.follow.displays import JsonDisplay, LineDisplay, LiveDisplay, line_of, plain
from minimind_tui.cli.follow.feed import News
from minimind_tui.cli.follow.progress import ProgressTracker
from minimind_tui.cli.follow.summary import summarise
from minimind_tui.cli.terminal import make_console
from minimind_tui.happenings import in_words
from minimind_tui.safe_text import printable

HOSTILE = "he \x1b[31mran\x1b]0;title\x07 [red]home[/red].\r\x9bK\u202e\n第二行"


def news(
    step: int = 0,
    *,
    metrics: list[dict[str, object]] | None = None,
    events: list[dict[str, object]] | None = None,
    **fields: object,
) -> News:
    values: dict[str, object] = {
        "attempt": 1,
        "state": State.RUNNING,
        "phase": "training",
        "total_steps": 200,
        "epoch": 1,
        "epochs": 2,
    }
    status = Status.model_validate({**values, "step": step, **fields})
    return News(Observation(status.state, "", "", status), metrics or [], events or [])


def train_line(step: int, loss: float | None) -> dict[str, object]:
    return {"kind": "train", "step": step, "loss": loss}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path / "runs", "test", "")


def test_progress_is_over_the_whole_run_with_all_that_is_asked_for() -> None:  # trap 40
    progress = ProgressTracker().update(
        news(50, metrics=[train_line(50, 3.2)], eta_s=65.0, tokens_per_s=12_345.0, lr=5e-4, best_validation=3.4)
    )
    assert progress.share == 0.25
    assert line_of(progress) == (
        "training 25%, step 50/200, loss 3.200, left 1m05s, 12.3k tokens/s, lr 5.0e-04, epoch 1/2, "
        "best validation 3.400"
    )


def test_a_phase_before_training_shows_its_own_progress() -> None:
    progress = ProgressTracker().update(news(phase="tokenising", phase_done=30.0, phase_total=120.0, total_steps=None))
    assert (progress.activity, progress.share) == ("tokenising", 0.25)


def test_a_long_update_shows_its_micro_batches() -> None:
    facts = ProgressTracker().update(news(1, micro_batch=3, micro_batches=8)).facts
    assert "micro-batch 3/8" in facts


def test_skipped_updates_are_told_once_there_are_any() -> None:
    assert "3 updates skipped" in ProgressTracker().update(news(9, skipped=3)).facts
    assert not any("skipped" in fact for fact in ProgressTracker().update(news(9, skipped=0)).facts)


def test_the_loss_is_smoothed_and_a_missing_one_is_no_zero() -> None:
    tracker = ProgressTracker()
    tracker.update(news(1, metrics=[train_line(1, 4.0)]))
    assert tracker.loss == pytest.approx(4.0)
    tracker.update(news(2, metrics=[train_line(2, None)]))
    assert tracker.loss == pytest.approx(4.0)
    tracker.update(news(3, metrics=[train_line(n, 2.0) for n in range(3, 60)]))
    assert 2.0 < tracker.loss < 2.01


@pytest.mark.parametrize("text", [HOSTILE])
def test_hostile_text_cannot_move_the_cursor(text: str) -> None:
    harmless = printable(text)
    assert not [character for character in harmless if ord(character) < 32 and character not in "\n\t"]
    assert not set("\x1b\x9b\x07\r\u202e") & set(harmless)
    assert "[red]home[/red]" in harmless and "第二行" in harmless


def test_a_sample_is_shown_as_text_with_its_prompt_marked() -> None:
    happening = in_words({"kind": "sample", "step": 7, "prompt": "从前", "text": HOSTILE})
    assert happening is not None
    assert plain(happening) == "step 7  sample: [从前] he [31mran]0;title [red]home[/red].K 第二行"
    assert "\x1b" not in displays.styled(happening).plain


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"kind": "validation", "loss": 3.21, "perplexity": 24.78, "bits_per_byte": 1.12, "best": True},
         "step 9  validation loss 3.210, perplexity 24.78, 1.120 bits/byte (best so far)"),
        ({"kind": "checkpoint", "seconds": 0.25, "bytes": 25_300_000}, "step 9  checkpoint saved, 25.3 MB, 0.2 s"),
        ({"kind": "resumed", "exact": True}, "step 9  resumed exactly: it goes on as if it had not been interrupted"),
        ({"kind": "resumed", "exact": False, "why_inexact": ["num_threads changed from 2 to 4"]},
         "step 9  resumed, not bit for bit: num_threads changed from 2 to 4"),
        ({"kind": "warning", "message": "the loss\nrises"}, "step 9  warning: the loss rises"),
        ({"kind": "control", "op": "set", "accepted": False, "reason": "no\x1b[2J"},
         "step 9  the request set was refused: no[2J"),
        ({"kind": "something_new", "message": "of a later version"}, "step 9  of a later version"),
    ],
)  # fmt: skip
def test_events_in_words(event: dict[str, object], words: str) -> None:
    happening = in_words({"step": 9, **event})
    assert happening is not None
    assert plain(happening) == words


@pytest.mark.parametrize(
    "event",
    [{"kind": "attempt"}, {"kind": "finished"}, {"kind": "unheard_of"}, {}, {"kind": "control", "accepted": True}],
)
def test_bookkeeping_is_not_shown(event: dict[str, object]) -> None:
    assert in_words(event) is None


def test_a_pipe_gets_few_lines(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(displays.time, "monotonic", lambda: now[0])
    display = LineDisplay(folder)
    for step in range(201):  # 20 s of it, seen ten times a second
        display.show(news(step))
        now[0] += 0.1
    lines = capsys.readouterr().out.splitlines()[1:]
    assert 15 <= len(lines) <= 21
    for step in [200] * 1000:  # nothing moves for 100 s
        display.show(news(step))
        now[0] += 0.1
    assert len(capsys.readouterr().out.splitlines()) <= 1


def test_a_pipe_sees_every_stage(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(displays.time, "monotonic", lambda: now[0])
    display = LineDisplay(folder)
    for stage in (news(phase="tokenising", phase_done=9.0, phase_total=10.0, total_steps=None), news(1), news(2)):
        display.show(stage)
        now[0] += 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("tokenising 90%") and lines[2].startswith("training 0%")


def test_json_is_one_object_a_line_with_everything_in_it(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    display = JsonDisplay(folder)
    display.show(news(1, metrics=[train_line(1, 2.5)], events=[{"kind": "sample", "step": 1, "text": HOSTILE}]))
    display.notice("stopping")
    display.end(summarise(folder))
    caught = capsys.readouterr()
    records = [json.loads(line) for line in caught.out.splitlines()]
    assert [record["stream"] for record in records] == ["run", "metrics", "events", "end"]
    assert records[2]["text"] == HOSTILE
    assert "\x1b" not in caught.out  # JSON escapes it
    assert caught.err == "stopping\n"


def live(
    folder: RunFolder, width: int, monkeypatch: pytest.MonkeyPatch, *, colour: bool
) -> tuple[LiveDisplay, io.StringIO]:
    monkeypatch.delenv("NO_COLOR", raising=False) if colour else monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = io.StringIO()
    return LiveDisplay(folder, make_console(width=width, file=out, force_terminal=True)), out


@pytest.mark.parametrize("width", [10, 30, 60, 80, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_live_block_fits_every_width(
    folder: RunFolder, width: int, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.language import set_language

    set_language(language)
    try:
        display, _out = live(folder, width, monkeypatch, colour=True)
        progress = ProgressTracker().update(
            news(126, metrics=[train_line(1, 3.0)], eta_s=65.0, tokens_per_s=1e5, lr=1e-3)
        )
        block = display._block(progress).plain.split("\n")
        display.close()
    finally:
        set_language("en")
    assert len(block) == 2
    assert all(cell_len(line) < width for line in block)


def test_at_80_columns_everything_asked_for_is_visible(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    display, _out = live(folder, 80, monkeypatch, colour=True)
    progress = ProgressTracker().update(
        news(126, metrics=[train_line(1, 3.0)], eta_s=65.0, tokens_per_s=123_456.0, lr=1e-3)
    )
    text = display._block(progress).plain
    display.close()
    assert all(
        fact in text
        for fact in ("63%", "step 126/200", "loss 3.000", "left 1m05s", "123k tokens/s", "lr 1.0e-03", "epoch 1/2")
    )


def test_without_colour_the_bar_is_still_readable(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    display, out = live(folder, 80, monkeypatch, colour=False)
    display.show(news(100, events=[{"kind": "warning", "step": 1, "message": HOSTILE}]))
    display.close()
    written = out.getvalue()
    assert "━" * 20 + "─" * 20 in re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert not [code for code in ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[38") if code in written]
    assert "warning: he [31mran" in written


def test_an_unchanged_block_is_not_drawn_again(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:  # trap 45
    display, out = live(folder, 80, monkeypatch, colour=True)
    display.show(news(100))
    size = len(out.getvalue())
    for _n in range(50):
        display.show(news(100))
    assert len(out.getvalue()) == size
    display.show(news(101))
    assert len(out.getvalue()) > size
    display.close()
