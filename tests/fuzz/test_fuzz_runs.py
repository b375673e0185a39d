"""A run's folder with one file that anybody may have written: all that is told of the run is still told."""

import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import fuzzed, hostile, no_hang

from engine.errors import UserError
from engine.run.attempts import begin_attempt
from engine.run.checkpoints import begin_checkpoint, best, scan, verify
from engine.run.control import ControlInbox, answered_ids
from engine.run.create import create_run
from engine.run.find import find_run, list_runs
from engine.run.folder import RunFolder
from engine.run.fork import plan_fork
from engine.run.jsonl_log import LineWriter
from engine.run.lock import holder_of
from engine.run.observe import observe
from engine.run.resumability import resume_statement
from engine.run.schema import Manifest, Status
from engine.run.status import encode_record
from engine.run.view import RunView
from engine.settings.presets import load_preset
from engine.settings.run_toml import parse_settings, render_settings
from minimind_tui.cli.curves import read_curves
from minimind_tui.cli.listing import list_json, list_table
from minimind_tui.cli.showing import show_json, show_run
from minimind_tui.core.comparison import compare, read_compared
from minimind_tui.core.dashboard.happenings import happening_lines
from minimind_tui.core.dashboard.numbers import numbers_of
from minimind_tui.core.dashboard.progress import local_now, progress_of
from minimind_tui.core.experts import ExpertWatch
from minimind_tui.core.ranks import RankWatch
from minimind_tui.core.run_detail import DetailReader
from minimind_tui.core.run_extras import RunExtras
from minimind_tui.core.run_index import RunIndex, read_entry
from minimind_tui.core.run_table import Order, columns, ordered
from minimind_tui.report import write_report

NOW = "2026-11-24T03:15:00.000Z"
PARENT = "20261124-031500-first"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A run that has everything a run may have."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("fuzz")
    patch.setenv("MINIMIND_RUNS", str(folder / "runs"))
    patch.chdir(folder)
    (folder / "texts.jsonl").write_text('{"text": "a"}\n')
    lineage = {"kind": "fork", "run": PARENT, "step": 3, "settings": {"seed": [1, 2]}}
    known = {
        "preset": "mini",
        "weights_name": "pretrain_160",
        "data_path": str(folder / "texts.jsonl"),
        "lineage": lineage,
    }
    known |= {
        "tokenizer_path": str(folder / "tokenizer.json"),
        "parameters": 1000,
        "deadline_at": NOW,
    }
    made = create_run(
        folder / "runs",
        "fuzzed",
        render_settings(load_preset("mini").settings(), "mini"),
        Manifest.model_validate(known),
    )
    begin_attempt(made, 1, 0, lambda done, total: None)
    made.metrics.write_bytes(b"".join(_line(step) for step in range(1, 13)))
    shared = {"v": 1, "t": NOW, "attempt": 1}
    events = [
        {"kind": "started", "step": 0, "device": "cpu", "dtype": "fp32"},
        {"kind": "sample", "step": 3, "prompt": "Once", "text": " upon"},
        {"kind": "checkpoint", "step": 4, "name": "step-00000004", "bytes": 12, "seconds": 0.1},
        {"kind": "control", "step": 4, "id": "abc", "op": "save", "accepted": True, "reason": "why"},
        {"kind": "guard", "step": 5, "message": "skipped"},
        {"kind": "validation", "step": 5, "loss": 2.0, "best": True},
        {"kind": "lr_scale", "step": 6, "before": 1.0, "after": 0.5},
        {"kind": "failed", "step": 12, "reason": "error", "message": "It burns."},
    ]
    made.events.write_bytes(b"".join(orjson.dumps(shared | event) + b"\n" for event in events))
    made.control.write_bytes(
        orjson.dumps(shared | {"step": 1, "id": "abc", "op": "set", "args": {"lr_scale": 0.5}}) + b"\n"
        + orjson.dumps(shared | {"step": 1, "id": "abd", "op": "stop", "args": {"now": True}}) + b"\n"
    )  # fmt: skip
    with begin_checkpoint(made, 4) as staging:
        staging.open("model.safetensors").write(b"weights")
        staging.commit(
            attempt=1, epoch=0, tokens=400, row=8, row_count=20, rows_fingerprint="f", validation_loss=2.0,
            course={"kind": "cosine", "learning_rate": 1e-3, "horizon": [[0, 0.0], [12, 1.0]]},
            surroundings={"torch": "2.13.0", "device": "cpu", "threads": 1, "world_size": 1}, done=["log"],
        )  # fmt: skip
    process = {"pid": 12345, "start": 5.0, "host": "here", "boot": "x", "pid_space": 1}
    status = shared | {"step": 12, "state": "running", "phase": "training", "supervisor": process, "worker": process}
    status |= {"total_steps": 20, "epoch": 1, "epochs": 2, "tokens": 1200, "elapsed": 6.0, "loss": 2.0, "eta_s": 5.0}
    status |= {
        "heartbeat": NOW,
        "heartbeat_clock": 3.0,
        "progress_clock": 3.0,
        "usual_interval": 1.0,
    }
    status |= {"outcome": {"state": "failed", "reason": "error", "message": "It burns."}, "last_checkpoint": 4}
    made.status.write_bytes(encode_record(Status.model_validate(status)))
    made.annotations.write_bytes(orjson.dumps({"v": 1, "title": "A title", "note": "Two\nlines"}))
    made.lock.write_bytes(orjson.dumps(process))
    made.trainer_log.write_bytes(b"one line\r\x1b[31mtwo\n")
    yield made
    patch.undo()


def _line(step: int) -> bytes:
    line = {
        "v": 1, "t": NOW, "attempt": 1, "step": step, "kind": "train", "epoch": 1,
        "tokens": step * 100, "elapsed": step * 0.5, "loss": 3.0 - step / 10, "lr": 1e-3, "grad_norm": 1.0,
        "tokens_per_s": 200.0, "data_wait": 0.1, "memory": 1000, "aux_loss": 0.1,
        "expert_load": [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], "rank_seconds": [0.1, 0.2], "rank_data_wait": [0.0, 0.1],
    }  # fmt: skip
    validation = {"kind": "validation", "loss": 2.5, "perplexity": 12.0, "bits_per_byte": 1.0, "best": True}
    header = {"v": 1, "t": line["t"], "attempt": 1, "step": 0, "kind": "attempt", "start_step": 0}
    more = [line | validation] if step % 5 == 0 else [header] if step == 1 else []
    return b"".join(orjson.dumps(one) + b"\n" for one in [*more, line])


def _told(folder: RunFolder) -> None:
    """All that commands and screens tell of it, each for itself; a UserError is an answer."""
    entry = read_entry(folder)
    now = local_now()
    seen = observe(folder)
    view = RunView(folder)
    view.read_all()
    index = RunIndex(folder.path.parent)
    index.poll()
    extras = RunExtras()
    extras.fill(index.entries, 5.0)
    rows = extras.rows(index.entries, time.time())
    for column in columns():
        ordered(rows, Order(column.key))
        for row in rows:
            column.text(row)
    progress_of(seen, now)
    ExpertWatch().look(view.train), RankWatch().look(view.train)
    numbers_of(view, entry.manifest, now)
    happening_lines(view.events, now)
    DetailReader().read(entry, index.entries)
    compare([read_compared(entry, view), read_compared(entry, view)])
    resume_statement(folder)
    for ask in _QUESTIONS:
        with suppress(UserError), redirect_stdout(io.StringIO()):
            ask(folder)


_QUESTIONS: list[Callable[[RunFolder], object]] = [
    lambda folder: list_table(),
    lambda folder: list_json(),
    show_run,
    show_json,
    lambda folder: [read_curves(folder).summary(name) for name in read_curves(folder).metrics],
    lambda folder: write_report(folder, folder.path.parent.parent / "report.html"),
    lambda folder: write_report(folder, folder.path.parent.parent / "report.md"),
    lambda folder: find_run(folder.path.parent, "A title"),
    lambda folder: list_runs(folder.path.parent),
    lambda folder: plan_fork(folder, values={"seed": 7}),
    lambda folder: parse_settings(folder.run_toml),
    lambda folder: [verify(info) for info in scan(folder)],
    lambda folder: best(scan(folder)),
    lambda folder: holder_of(folder.lock),
    answered_ids,
    lambda folder: ControlInbox(folder, 1, LineWriter(folder.path / ".answers")).poll(1),
    lambda folder: ControlInbox(folder, 1, LineWriter(folder.path / ".answers")).poll(1, only=lambda request: True),
]

FILES = [
    "metrics.jsonl", "events.jsonl", "control.jsonl", "status.json", "manifest.json", "annotations.json", "run.toml",
    "run.lock", "trainer.log", "checkpoints/step-00000004/checkpoint.json",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_whatever_a_file_of_a_run_holds_nothing_breaks(name: str, run: RunFolder, tmp_path: Path) -> None:
    valid = [(run.path / name).read_bytes()]
    copy = RunFolder(tmp_path / "runs" / run.id)
    shutil.copytree(run.path, copy.path)
    patch = pytest.MonkeyPatch()
    patch.setenv("MINIMIND_RUNS", str(copy.path.parent))

    @fuzzed
    @given(st.data())
    def look(data: st.DataObject) -> None:
        (copy.path / name).write_bytes(data.draw(hostile(valid)))
        with no_hang():
            _told(copy)

    try:
        look()
    finally:
        patch.undo()


def test_the_whole_run_is_told_without_a_fault(run: RunFolder) -> None:
    _told(run)
    assert len(read_curves(run).history.train) == 12
    assert observe(run).status is not None
