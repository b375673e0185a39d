"""How long `minimind run --preset mini` takes from the command to its first update, with the token cache in place.

    python benchmarks/start_up.py [--rounds 5]

Alternates with a bare `import torch` in a new process, the part nobody can avoid, and prints medians and their ratio.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.run.clock import parse_utc
from engine.run.jsonl_log import read_lines


def first_update(folder: Path) -> float:
    """Seconds from the command to the end of the first update of a new run."""
    command = [
        sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())",
        "run", "--preset", "mini", "--max_steps", "1", "--eval_interval", "0", "--json",
    ]  # fmt: skip
    runs = folder / "runs"
    before = set(runs.glob("*"))
    started = time.time()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (run,) = set(runs.glob("*")) - before
    lines = [line for line in read_lines(run / "metrics.jsonl") if line["kind"] == "train"]
    return parse_utc(lines[0]["t"]) - started


def bare_import() -> float:
    """Seconds that a new Python process takes to import torch."""
    started = time.time()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINIMIND_CACHE"] = str(Path(folder) / "cache")
        cold = first_update(Path(folder))
        pairs = [(first_update(Path(folder)), bare_import()) for _round in range(rounds)]
    cached, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = f"{min(pair[0] for pair in pairs):.2f} to {max(pair[0] for pair in pairs):.2f}"
    print(f"first update, cache to be built   {cold:6.2f} s")
    print(f"first update, cached (median)     {cached:6.2f} s   ({spread} over {rounds})")
    print(f"import torch alone (median)       {bare:6.2f} s   cached start / import = {cached / bare:.2f}")


if __name__ == "__main__":
    main()
