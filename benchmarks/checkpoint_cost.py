"""What checkpoints cost a run: the share of training time spent saving, at the default interval.

python benchmarks/checkpoint_cost.py [--steps 300] [flags of `minimind run`]     train mini and measure
python benchmarks/checkpoint_cost.py --run FOLDER                                measure a run that exists
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from engine.run.jsonl_log import read_lines


def report(run: Path) -> None:
    """Print the share of a run's active time that its checkpoints between updates took."""
    lines = [line for line in read_lines(run / "metrics.jsonl") if line["kind"] == "train"]
    saves = [line for line in read_lines(run / "events.jsonl") if line["kind"] == "checkpoint"]
    between = [save for save in saves if save["step"] < lines[-1]["step"]]
    seconds = sum(save["seconds"] for save in between)
    elapsed = lines[-1]["elapsed"]
    print(f"{len(between)} checkpoints of {between[0]['bytes'] / 1e6:.1f} MB in {elapsed:.1f} s of training")
    print(f"{seconds:.2f} s saving, {seconds / len(between):.3f} s each: {seconds / elapsed:.2%} of the time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    asked, flags = parser.parse_known_args()
    if asked.run is not None:
        report(asked.run)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())",
            "run", "--preset", "mini", "--max_steps", str(asked.steps), *flags,
        ]  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (run,) = (Path(folder) / "runs").iterdir()
        report(run)


if __name__ == "__main__":
    main()
