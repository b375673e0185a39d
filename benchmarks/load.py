"""What large things cost: a run of a million logged steps, thousands of runs, and files of many gigabytes.

    python benchmarks/load.py steps [--steps 1000000]
    python benchmarks/load.py runs [--runs 2000]
    python benchmarks/load.py inspect FILE
    python benchmarks/load.py cache [--sizes 0.25 0.5 1]

Each line is a command in a process of its own: seconds of the wall clock, seconds of the CPU (which say what it costs
where other work is done beside this), and the most memory that it and its children had at once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "app"))
MINIMIND = [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())"]
DASHBOARD = """
import sys
from pathlib import Path
from engine.run.folder import RunFolder
from engine.run.view import RunView
from minimind_tui.core.chart_series import MetricSeries
view = RunView(RunFolder(Path(sys.argv[1])))
charts = [MetricSeries(name) for name in ("loss", "lr", "grad_norm", "tokens_per_s")]
polls = 0
while not polls or not view.caught_up:
    view.poll()
    polls += 1
    for chart in charts:
        chart.update(view)
print(len(view.train), "steps,", polls, "looks", file=sys.stderr)
"""


def measure(what: str, command: list[str], **options: object) -> None:
    """Run a command and tell what it cost."""
    before, started = os.times(), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    peak = [0]
    watch = threading.Thread(target=_watch, args=(process.pid, peak))
    watch.start()
    code = process.wait()
    watch.join()
    after, wall = os.times(), time.perf_counter() - started
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{what:44} {wall:8.2f} s, {cpu:8.2f} s of CPU, {peak[0] / 1e6:8.0f} MB at most (exit {code})", flush=True)


def _watch(pid: int, peak: list[int]) -> None:
    while True:
        try:
            process = psutil.Process(pid)
            family = [process, *process.children(recursive=True)]
            if process.status() == psutil.STATUS_ZOMBIE:
                return
            peak[0] = max(peak[0], sum(one.memory_info().rss for one in family))
        except psutil.Error:
            if not psutil.pid_exists(pid):
                return
        time.sleep(0.02)


def measure_steps(workspace: Path, steps: int) -> None:
    """A run of so many logged steps, as each command and the dashboard read it."""
    from run_material import write_run

    run = write_run(workspace, "long", steps=200, total_steps=steps)
    template = (run.metrics.read_bytes().splitlines())[-2]
    line = json.loads(template)
    with run.metrics.open("wb") as file:
        for step in range(1, steps + 1):
            line |= {"step": step, "tokens": step * 1000, "elapsed": step * 0.5, "loss": 2.0 + 6.0 / (1 + step / 1e4)}
            file.write(json.dumps(line).encode() + b"\n")
    print(f"{steps:,} steps, metrics.jsonl of {run.metrics.stat().st_size / 1e6:.0f} MB")
    measure("the dashboard's view and charts", [sys.executable, "-c", DASHBOARD, str(run.path)])
    for words in (["plot", "last"], ["runs", "show"], ["attach", "last"], ["runs", "report"], ["runs"]):
        measure("minimind " + " ".join(words), [*MINIMIND, *words])


def measure_runs(workspace: Path, runs: int) -> None:
    """So many runs, listed."""
    from many_runs import write_many

    measure("python -c pass", [sys.executable, "-c", "pass"])
    measure("minimind runs, none", [*MINIMIND, "runs"])
    write_many(workspace, runs)
    for _round in range(3):
        measure(f"minimind runs, {runs}", [*MINIMIND, "runs"])
    measure(f"minimind runs --json, {runs}", [*MINIMIND, "runs", "--json"])


def write_texts(path: Path, size: int) -> Path:
    """A JSONL file of about `size` bytes: a block of documents, again and again."""
    rng = random.Random(1)
    words = ["the", "river", "stone", "light", *(chr(0x4E00 + rng.randrange(3000)) for _ in range(4000))]
    texts = (" ".join(rng.choices(words, k=rng.randint(20, 400))) for _ in range(10_000))
    block = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    with path.open("wb") as file:
        written = 0
        while written < size:
            written += file.write(block)
    return path


def measure_cache(workspace: Path, sizes: list[float]) -> None:
    """Token caches of files of so many gigabytes: the memory must not grow with them."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom engine.data.token_cache import open_token_cache\n"
        "from engine.data.tokenizer import Tokenizer\nfrom engine.places import builtin_dir\n"
        "tokenizer = Tokenizer.load(builtin_dir('datasets') / 'tokenizer.json')\n"
        "open_token_cache(Path(sys.argv[1]), tokenizer, cache_dir=Path(sys.argv[2]), threads=2)\n"
    )
    for size in sizes:
        path = write_texts(workspace / "texts.jsonl", int(size * 1e9))
        cache = workspace / f"cache-{size}"
        measure(f"the token cache of {size} GB", [sys.executable, "-c", code, str(path), str(cache)])
        path.unlink()


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "runs", "inspect", "cache"))
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        file = None if asked.file is None else str(asked.file.absolute())
        for name, place in (("MINIMIND_RUNS", "runs"), ("MINIMIND_CACHE", "cache"), ("MINIMIND_CONFIG", "config")):
            os.environ[name] = str(workspace / place)
        os.chdir(workspace)
        if asked.what == "steps":
            measure_steps(workspace, asked.steps)
        elif asked.what == "runs":
            measure_runs(workspace, asked.runs)
        elif asked.what == "cache":
            measure_cache(workspace, asked.sizes)
        elif file is not None:
            measure(f"minimind data inspect {asked.file.name}", [*MINIMIND, "data", "inspect", file])


if __name__ == "__main__":
    main()
