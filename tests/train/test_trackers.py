import json
import socket
import struct
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.train.trackers import RunInfo, Trackers, build_trackers
from engine.train.trackers.base import identity


class Recorder:
    """A tracker that writes down what it is told."""

    def __init__(self, name: str = "recorder") -> None:
        self.name = name
        self.heard: list[Any] = []
        self.abandoned = False

    def start(self, info: RunInfo) -> None:
        self.heard.append(("start", info.run_id))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self.heard.append(("log", dict(metrics), step))

    def sample(self, text: str, step: int) -> None:
        self.heard.append(("sample", text, step))

    def finish(self, state: str) -> None:
        self.heard.append(("finish", state))

    def abandon(self) -> None:
        self.abandoned = True


class Failing(Recorder):
    """Raises in the one call named, SystemExit included: some trackers call exit."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__("failing")
        self._where, self._error = where, error

    def __getattribute__(self, name: str) -> Any:
        if name in ("start", "log", "sample", "finish") and name == object.__getattribute__(self, "_where"):
            raise object.__getattribute__(self, "_error")
        return object.__getattribute__(self, name)


class Blocking(Recorder):
    """Never comes back from the one call named, until released."""

    def __init__(self, where: str) -> None:
        super().__init__("blocking")
        self.release = threading.Event()
        setattr(self, where, lambda *_args: self.release.wait(60))


@pytest.fixture
def info(tmp_path: Path) -> RunInfo:
    return RunInfo("20261124-mini", tmp_path, {"learning_rate": 5e-4, "preset": "mini"}, start_step=0)


@pytest.fixture
def problems() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def on_problem(problems: list[tuple[str, str, str]]) -> Any:
    return lambda name, sentence: problems.append((name, sentence, threading.current_thread().name))


def test_everything_arrives_in_order_and_unshared(info: RunInfo, on_problem: Any, problems: list[Any]) -> None:
    one, two = Recorder("one"), Recorder("two")
    trackers = Trackers([one, two], info, on_problem)
    metrics = {"loss": 2.0}
    trackers.log(metrics, 1)
    metrics["loss"] = 1.0  # the loop may reuse its dict
    trackers.sample("once upon", 1)
    trackers.log(metrics, 2)
    trackers.finish("finished")
    expected = [
        ("start", "20261124-mini"),
        ("log", {"loss": 2.0}, 1),
        ("sample", "once upon", 1),
        ("log", {"loss": 1.0}, 2),
        ("finish", "finished"),
    ]
    assert one.heard == two.heard == expected
    assert problems == [] and not one.abandoned


@pytest.mark.parametrize("where", ["start", "log", "sample", "finish"])
@pytest.mark.parametrize("error", [RuntimeError("no route to host\nmore"), SystemExit(1), KeyError("x")])
def test_one_that_raises_is_reported_once_and_the_others_go_on(
    where: str, error: BaseException, info: RunInfo, on_problem: Any, problems: list[Any]
) -> None:  # trap 46
    healthy = Recorder()
    trackers = Trackers([Failing(where, error), healthy], info, on_problem)
    for step in range(1, 4):
        trackers.log({"loss": 1.0}, step)
        trackers.sample("text", step)
        time.sleep(0.01)
    trackers.finish("finished")
    assert len(healthy.heard) == 8
    ((name, sentence, thread),) = problems
    assert name == "failing" and type(error).__name__ in sentence and "training goes on" in sentence
    assert "\n" not in sentence
    assert thread == threading.current_thread().name  # the run's event log is not shared with other threads


def test_one_whose_queue_fills_up_is_switched_off_without_waiting(
    info: RunInfo, on_problem: Any, problems: list[Any]
) -> None:
    blocking, healthy = Blocking("log"), Recorder()
    trackers = Trackers([blocking, healthy], info, on_problem, queue_size=50)
    begin = time.monotonic()
    for step in range(1, 200):
        trackers.log({"loss": 1.0}, step)
        time.sleep(0.001)
    assert time.monotonic() - begin < 30.0  # the one that blocks does so for 60
    assert trackers.active == ("recorder",)
    trackers.finish("finished")
    assert len(healthy.heard) == 201
    ((name, sentence, _),) = problems
    assert name == "blocking" and "too slow: 50 reports" in sentence and blocking.abandoned
    blocking.release.set()


@pytest.mark.parametrize("where", ["start", "log"])
def test_one_that_does_not_answer_is_noticed_at_the_next_log(
    where: str, info: RunInfo, on_problem: Any, problems: list[Any]
) -> None:
    blocking = Blocking(where)
    trackers = Trackers([blocking], info, on_problem, stall_seconds=0.05)
    trackers.log({"loss": 1.0}, 1)
    time.sleep(0.15)
    trackers.log({"loss": 1.0}, 2)
    assert trackers.active == () and "did not answer" in problems[0][1]
    trackers.log({"loss": 1.0}, 3)
    begin = time.monotonic()
    trackers.finish("finished")
    assert time.monotonic() - begin < 10.0 and len(problems) == 1  # 20 are given to one that may still answer
    blocking.release.set()


def test_finishing_takes_a_bounded_time_however_many_block(info: RunInfo, on_problem: Any, problems: list[Any]) -> None:
    blocking = [Blocking("finish") for _ in range(40)]
    trackers = Trackers([*blocking, Recorder()], info, on_problem, finish_seconds=0.3)
    begin = time.monotonic()
    trackers.finish("stopped")
    assert time.monotonic() - begin < 10  # one after the other they would take 12
    assert len(problems) == 40 and all("did not finish in time" in sentence for _, sentence, _ in problems)
    assert all(tracker.abandoned for tracker in blocking)
    for tracker in blocking:
        tracker.release.set()


def test_a_blocked_tracker_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    script = """
import sys, time
from pathlib import Path
from engine.train.trackers import RunInfo, Trackers
class Stuck:
    name = "stuck"
    def start(self, info): time.sleep(600)
    def abandon(self): pass
trackers = Trackers([Stuck()], RunInfo("r", Path(sys.argv[1]), {}), lambda *_: print("told"), finish_seconds=0.2)
trackers.finish("finished")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "told\n"


def test_only_rank_0_reports(info: RunInfo, on_problem: Any, problems: list[Any]) -> None:  # trap 36
    trackers = build_trackers(["tensorboard", "wandb", "swanlab"], info, on_problem, rank=1)
    assert trackers.active == () and problems == []
    trackers.log({"loss": 1.0}, 1)
    trackers.finish("finished")
    assert not (info.folder / "trackers").exists()


def test_a_missing_package_names_the_extra_to_install(
    info: RunInfo, on_problem: Any, problems: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "swanlab", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    trackers = build_trackers(["swanlab"], info, on_problem)
    trackers.log({"loss": 1.0}, 1)
    trackers.finish("finished")
    ((name, sentence, _),) = problems
    assert name == "swanlab" and "pip install 'minimind-tui[swanlab]'" in sentence and "training goes on" in sentence


def test_the_identity_is_made_once_per_run_and_service(info: RunInfo, tmp_path: Path) -> None:
    first = identity(info, "wandb")
    assert identity(info, "wandb") == first and len(first) == 16
    assert identity(info, "swanlab") != first
    other = RunInfo("other", tmp_path / "other", {})
    assert identity(other, "wandb") != first


class TestTensorBoard:
    def read(self, folder: Path) -> Any:
        accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        events = accumulator.EventAccumulator(str(folder / "trackers" / "tensorboard"))
        events.Reload()
        return events

    def test_scalars_and_samples_can_be_read_back(self, info: RunInfo, on_problem: Any, problems: list[Any]) -> None:
        trackers = build_trackers(["tensorboard"], info, on_problem)
        for step in (1, 2, 3):
            trackers.log({"loss": 3.0 / step, "lr": 0.5}, step)
        trackers.sample("从前 *有* 一只猫\nthe end", 3)
        trackers.finish("finished")
        assert problems == []
        events = self.read(info.folder)
        assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 3.0), (2, 1.5), (3, 1.0)]
        text = {
            tag: [e.tensor_proto.string_val[0].decode() for e in events.Tensors(tag)]
            for tag in events.Tags()["tensors"]
        }
        assert "    从前 *有* 一只猫\n    the end" in text["sample/text_summary"]
        assert "learning_rate" in text["settings/text_summary"][0]

    def test_a_resumed_attempt_replaces_what_the_old_one_logged_beyond_it(self, info: RunInfo, on_problem: Any) -> None:
        for start_step, steps, loss in ((0, range(1, 7), 5.0), (3, range(4, 6), 4.0)):
            attempt = RunInfo(info.run_id, info.folder, info.config, start_step=start_step)
            trackers = build_trackers(["tensorboard"], attempt, on_problem)
            for step in steps:
                trackers.log({"loss": loss}, step)
            trackers.finish("stopped")
            time.sleep(1.1)  # event files are read in the order of the second in their names
        found = [(e.step, e.value) for e in self.read(info.folder).Scalars("loss")]
        assert found == [(1, 5.0), (2, 5.0), (3, 5.0), (4, 4.0), (5, 4.0)]


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of an offline run: a log of 32 KiB blocks, each record framed by checksum, length and type."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    data, at, body = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _checksum, length, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0:
            return
        body += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = proto.Record()
            record.ParseFromString(body)
            yield record
            body = b""


class TestWandb:
    def history(self, file: Path) -> list[dict[str, Any]]:
        rows = [record.history for record in wandb_records(file) if record.WhichOneof("record_type") == "history"]
        return [{"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in row.item} for row in rows]

    def test_offline_every_attempt_continues_the_same_run(
        self, info: RunInfo, on_problem: Any, problems: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("wandb")
        monkeypatch.setenv("WANDB_MODE", "offline")
        for start_step in (0, 2):
            attempt = RunInfo(info.run_id, info.folder, info.config, "our project", start_step)
            trackers = build_trackers(["wandb"], attempt, on_problem)
            for step in range(start_step + 1, start_step + 4):
                trackers.log({"loss": 1.0 / step}, step)
            trackers.sample("a <b> & c", start_step + 3)
            trackers.finish("finished")
            time.sleep(1.1)  # wandb names the folder by the second
        assert problems == []
        files = sorted((info.folder / "trackers").rglob("*.wandb"))
        assert len(files) == 2
        runs = [next(r.run for r in wandb_records(file) if r.WhichOneof("record_type") == "run") for file in files]
        assert {run.run_id for run in runs} == {identity(info, "wandb")}
        assert {(run.project, run.display_name) for run in runs} == {("our project", info.run_id)}
        rows = [row for file in files for row in self.history(file)]
        logged = [(row["step"], row["loss"]) for row in rows if "loss" in row]
        assert logged == [(1, 1.0), (2, 0.5), (3, 1 / 3), (3, 1 / 3), (4, 0.25), (5, 0.2)]
        pages = [path.read_text(encoding="utf-8") for path in (info.folder / "trackers").rglob("*.html")]
        assert pages and all("a &lt;b&gt; &amp; c" in page for page in pages)

    def test_a_dead_endpoint_delays_neither_the_loop_nor_the_exit(self, tmp_path: Path) -> None:  # trap 46
        pytest.importorskip("wandb")
        script = """
import sys, time
from pathlib import Path
from engine.train.trackers import RunInfo, Trackers
from engine.train.trackers.wandb import WandbTracker
import wandb
trackers = Trackers([WandbTracker()], RunInfo("r", Path(sys.argv[1]), {}), lambda *p: print(p), finish_seconds=1.0)
begin = time.monotonic()
for step in range(100):
    trackers.log({"loss": 1.0}, step)
print("loop", time.monotonic() - begin)
time.sleep(3)
trackers.finish("finished")
print("end", time.monotonic() - begin)
"""
        with socket.socket() as listener:  # takes connections and never answers
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            environment = {
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                "WANDB_BASE_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
                "WANDB_API_KEY": "0" * 40,
                "WANDB_MODE": "online",
            }
            begin = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", script, str(tmp_path)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=80,
            )
            took = time.monotonic() - begin
        assert done.returncode == 0, done.stderr
        assert "did not finish in time" in done.stdout
        lines = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("loop", "end")))
        assert float(lines["loop"]) < 1.0
        assert took < float(lines["end"]) + 20.0  # wandb's own exit hook alone would have taken over a minute
        assert "Traceback" not in done.stderr


class TestSwanLab:
    @pytest.fixture
    def swanlab(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        module: Any = types.ModuleType("swanlab")
        module.calls = []
        module.init = lambda **settings: module.calls.append(("init", settings))
        module.log = lambda data, step: module.calls.append(("log", data, step))
        module.Text = lambda text: ("Text", text)
        module.finish = lambda state: module.calls.append(("finish", state))
        monkeypatch.setitem(sys.modules, "swanlab", module)
        return module

    def test_reports_through_swanlab_s_functions(
        self, swanlab: Any, info: RunInfo, on_problem: Any, problems: list[Any]
    ) -> None:
        trackers = build_trackers(["swanlab"], info, on_problem)
        trackers.log({"loss": 1.0}, 1)
        trackers.sample("text", 1)
        trackers.finish("stopped")
        assert problems == []
        (_, settings), *rest = swanlab.calls
        assert settings["project"] == "MiniMind-Pretrain" and settings["experiment_name"] == info.run_id
        assert settings["config"] == dict(info.config) and settings["id"] == identity(info, "swanlab")
        assert Path(settings["logdir"]).is_relative_to(info.folder)
        assert rest == [("log", {"loss": 1.0}, 1), ("log", {"sample": ("Text", "text")}, 1), ("finish", "aborted")]

    def test_a_login_that_is_missing_is_said_and_the_run_goes_on(
        self, swanlab: Any, info: RunInfo, on_problem: Any, problems: list[Any]
    ) -> None:
        def refuse(**_settings: Any) -> None:
            raise RuntimeError("no TTY is available for interactive login")

        swanlab.init = refuse
        trackers = build_trackers(["swanlab"], info, on_problem)
        trackers.finish("finished")
        assert len(problems) == 1 and "interactive login" in problems[0][1]
