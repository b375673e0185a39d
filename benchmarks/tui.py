"""What the terminal application costs: first paint, idling, a long run opened, a run watched, ten viewers beside a run.

    python benchmarks/tui.py [paint idle long live viewers]     all of them without words

Each runs `minimind-tui` in a real pseudo-terminal of 120x40 and reads its CPU time from /proc (Linux). Needs pexpect.
"""

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pexpect

from engine.places import cache_dir
from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.jsonl_log import read_lines
from engine.run.process import this_process
from engine.run.schema import AttemptHeader, AttemptRecord, Manifest, State, Status, TrainLine
from engine.run.status import encode_record
from engine.settings.presets import load_preset
from engine.settings.run_toml import render_settings

APPLICATION = [sys.executable, "-c", "import sys; from minimind_tui.app import main; sys.exit(main())"]
HEADLESS = [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())"]
TICK = os.sysconf("SC_CLK_TCK")
LONG = 100_000


class Session:
    """The application in a terminal; what it writes is counted and thrown away."""

    def __init__(self, *arguments: str, core: int | None = None) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "MINIMIND_LANG": "en"}
        pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
        self.began = time.monotonic()
        self.child = pexpect.spawn(
            APPLICATION[0], [*APPLICATION[1:], *arguments], dimensions=(40, 120), env=environment, preexec_fn=pin
        )
        self.written = 0

    def cpu(self) -> float:
        """Seconds of CPU it has used so far, its children's left out."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def read(self, seconds: float, until: Callable[[bytes], bool] = lambda _seen: False) -> bytes:
        """Read for so long, or until what was read is enough."""
        end, seen = time.monotonic() + seconds, b""
        while time.monotonic() < end and not until(seen):
            with suppress(pexpect.TIMEOUT):
                seen += self.child.read_nonblocking(65536, timeout=0.02)
        self.written += len(seen)
        return seen

    def settle(self, quiet: float = 0.4, most: float = 30.0) -> float:
        """Read until nothing came for `quiet` seconds; returns when the last bytes came, monotonic seconds."""
        last = time.monotonic()
        end = last + most
        while time.monotonic() < min(end, last + quiet):
            if self.read(0.05):
                last = time.monotonic()
        return last

    def ready(self) -> None:
        """Read until its first screen stands."""
        assert b"Quit" in self.read(60, until=lambda seen: b"Quit" in seen)
        self.settle(quiet=1.0)

    def close(self) -> None:
        """End it."""
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self.child.close()


def write_run(runs: Path, steps: int, *, state: State = State.FINISHED, total: int | None = None) -> RunFolder:
    """A run with `steps` logged updates; a live one names this process as its own."""
    attempt = AttemptRecord(attempt=1, started="2026-11-24T03:15:00.000Z", host="here", exact=True)
    settings = render_settings(load_preset("mini").settings(), "mini")
    folder = create_run(runs, "bench", settings, Manifest(preset="mini", parameters=2_190_720, attempts=[attempt]))
    with folder.metrics.open("wb") as file:
        file.write(encode_record(AttemptHeader(attempt=1, step=0, start_step=0)) + b"\n")
        file.writelines(encode_record(train_line(step)) + b"\n" for step in range(1, steps + 1))
    write_status(folder, steps, total or steps, state)
    return folder


def train_line(step: int) -> TrainLine:
    """A log line as the engine writes it."""
    loss = 2.0 + 6.0 * math.exp(-step / 3000) + 0.2 * math.sin(step * 12.9898)
    return TrainLine(
        attempt=1, step=step, epoch=1, tokens=step * 750, elapsed=step * 0.5, loss=round(loss, 5), lr=1e-3,
        grad_norm=1 + 0.1 * math.cos(step), tokens_per_s=1500 + step % 97, data_wait=0.01, memory=465_000_000,
    )  # fmt: skip


def write_status(folder: RunFolder, step: int, total: int, state: State) -> None:
    """status.json at a step."""
    live = state is State.RUNNING
    status = Status(
        attempt=1, step=step, state=state, total_steps=total, epoch=1, epochs=1, tokens=step * 750, loss=2.0,
        tokens_per_s=1500.0, eta_s=(total - step) * 0.5, elapsed=step * 0.5, usual_interval=1.0,
        supervisor=this_process() if live else None, worker=this_process() if live else None,
    )  # fmt: skip
    folder.status.write_bytes(encode_record(status))


def first_paint(rounds: int) -> None:
    """From the process's start to its first whole frame, over a workspace of twenty runs."""
    for _run in range(20):
        write_run(Path("runs"), 50)
        time.sleep(0.01)
    costs = []
    for _round in range(rounds):
        session = Session()
        session.read(30, until=lambda seen: b"Quit" in seen)  # the footer comes last
        costs.append((session.cpu(), time.monotonic() - session.began))
        session.close()
    cpu, wall = (statistics.median(column) for column in zip(*costs, strict=True))
    print(f"first paint              {cpu:6.2f} s CPU   {wall:6.2f} s   (median of {rounds}; at most 1 s CPU)")


def idle(seconds: float) -> None:
    """Home and a finished run's dashboard, left alone."""
    write_run(Path("runs"), 2000)
    for name, arguments in (("home", ()), ("dashboard", ("last",))):
        session = Session(*arguments)
        session.ready()
        session.settle(quiet=2.0)
        cpu, written = session.cpu(), session.written
        session.read(seconds)
        share = (session.cpu() - cpu) / seconds
        print(f"idle, {name:<10}         {share:7.2%} of a core   {session.written - written} bytes in {seconds:.0f} s")
        session.close()


def long_run(rounds: int) -> None:
    """A run of a hundred thousand updates: opened, zoomed, moved."""
    folder = write_run(Path("runs"), LONG)
    opened, keys = [], []
    for _round in range(rounds):
        session = Session()
        session.ready()
        session.child.send("\x1b[A")  # up from the presets into the recent runs
        session.settle()
        session.child.send("\r")
        began, cpu = time.monotonic(), session.cpu()
        session.read(10, until=lambda seen: b"100000" in seen or b"100k" in seen)
        shown = time.monotonic() - began
        whole = session.settle() - began
        opened.append((shown, whole, session.cpu() - cpu))
        session.child.send("1")  # the charts take the keys
        session.settle()
        for key in "++[[]]-0g0":
            cpu, began = session.cpu(), time.monotonic()
            session.child.send(key)
            last = session.settle(quiet=0.25)
            keys.append((session.cpu() - cpu, last - began))
        session.close()
    shown, whole, cpu = (statistics.median(column) for column in zip(*opened, strict=True))
    each, wait = (statistics.median(column) for column in zip(*keys, strict=True))
    print(
        f"{LONG:,} updates opened   {whole:6.2f} s until the curves stand, numbers after {shown:.2f} s; {cpu:.2f} s CPU"
    )
    print(
        f"   zooming and moving    {each * 1000:6.0f} ms CPU a key, drawn after {wait * 1000:.0f} ms "
        f"(median of {len(keys)})"
    )
    shutil.rmtree(folder.path)


def live(seconds: int) -> None:
    """The dashboard of a run that logs once a second."""
    folder = write_run(Path("runs"), 2000, state=State.RUNNING, total=4000)
    session = Session(folder.id)
    session.ready()
    cpu, written, began = session.cpu(), session.written, time.monotonic()
    with folder.metrics.open("ab") as file:
        for step in range(2001, 2001 + seconds):
            file.write(encode_record(train_line(step)) + b"\n")
            file.flush()
            write_status(folder, step, 4000, State.RUNNING)
            session.read(max(0.0, began + (step - 2000) - time.monotonic()))
    share = (session.cpu() - cpu) / (time.monotonic() - began)
    rate = (session.written - written) / seconds
    print(f"live at 1 Hz             {share:7.2%} of a core   {rate:.0f} bytes/s   (at most 12 %)")
    session.close()
    shutil.rmtree(folder.path)


def viewers(seconds: float, count: int = 10) -> None:
    """Tokens/s of a real run on one core beside viewers on another: frozen and awake in turn, in short windows.

    A shared machine's speed drifts by far more than is looked for, so each window is held against its neighbour.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("ten viewers: needs two cores")
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = subprocess.run(
        [*HEADLESS, "run", "--preset", "mini", "--epochs", "20", "--name", "watched", "--detach"],
        env=environment, check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}),
    )  # fmt: skip
    [path] = Path("runs").glob("*-watched")
    folder = RunFolder(path.resolve())
    assert folder.id in started.stdout + started.stderr
    sessions: list[Session] = []
    try:
        while len(_train_lines(folder)) < 20:
            time.sleep(1)
        sessions = [Session(folder.id, core=cores[1]) for _viewer in range(count)]
        for session in sessions:  # not until they rest: the run they show trains on
            session.read(60, until=lambda seen: b"Quit" in seen)
        _watch(sessions, 5)
        ratios, shares = [], []
        for _pair in range(max(2, round(seconds))):
            for session in sessions:
                os.kill(session.child.pid, signal.SIGSTOP)
            alone = _speed(folder, [])
            for session in sessions:
                os.kill(session.child.pid, signal.SIGCONT)
            cpu, began = sum(session.cpu() for session in sessions), time.monotonic()
            ratios.append(_speed(folder, sessions) / alone - 1)
            shares.append((sum(session.cpu() for session in sessions) - cpu) / (time.monotonic() - began))
        middle = statistics.median(ratios)
        low, _middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{count} viewers               {middle:+7.2%} tokens/s   (median of {len(ratios)} pairs of windows, half "
            f"of the pairs between {low:+.1%} and {high:+.1%};\n"
            f"   the viewers take {statistics.median(shares):.0%} of their core; at most -2 %)"
        )
    finally:
        for session in sessions:
            session.close()
        subprocess.run([*HEADLESS, "runs", "stop", folder.id, "--now"], check=False, capture_output=True)


def _speed(folder: RunFolder, sessions: list[Session], seconds: float = 6.0) -> float:
    """Tokens/s that a run comes to in a window, while sessions are looked at."""
    first = len(_train_lines(folder))
    _watch(sessions, seconds)
    steps = _train_lines(folder)[first:]
    return (steps[-1]["tokens"] - steps[0]["tokens"]) / (steps[-1]["elapsed"] - steps[0]["elapsed"])


def _watch(sessions: list[Session], seconds: float) -> None:
    """Read what all of them write."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for session in sessions:
            session.read(0.01)
        time.sleep(0.2)


def _train_lines(folder: RunFolder) -> list[dict[str, float]]:
    with suppress(FileNotFoundError):
        return [line for line in read_lines(folder.metrics) if line.get("kind") == "train"]
    return []


def main() -> None:
    """Measure what is asked for, in a workspace that is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=["paint", "idle", "long", "live", "viewers", []])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20)
    asked = parser.parse_args()
    wanted = asked.what or ["paint", "idle", "long", "live", "viewers"]
    facts = list(cache_dir().glob("device-*.json"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ |= {"MINIMIND_CONFIG": f"{folder}/config", "MINIMIND_CACHE": f"{folder}/cache"}
        os.environ.pop("MINIMIND_RUNS", None)
        Path("cache").mkdir()
        for path in facts:  # the machine is known: its probe is measured nowhere
            shutil.copy(path, "cache")
        subprocess.run([*HEADLESS, "--version"], check=True, capture_output=True)
        steps: dict[str, Callable[[], None]] = {
            "paint": lambda: first_paint(asked.rounds),
            "idle": lambda: idle(asked.seconds),
            "long": lambda: long_run(max(1, asked.rounds // 2)),
            "live": lambda: live(asked.seconds),
            "viewers": lambda: viewers(asked.seconds),
        }
        print(json.dumps({"python": sys.version.split()[0], "cores": len(os.sched_getaffinity(0))}))
        for name in wanted:
            shutil.rmtree("runs", ignore_errors=True)
            steps[name]()
        os.chdir("/")


if __name__ == "__main__":
    main()
