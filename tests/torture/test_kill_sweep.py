"""A real attempt killed at its every point, sampled: the whole sweep is benchmarks/torture.py's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SWEEP = Path(__file__).with_name("fork_sweep.py")


@pytest.mark.parametrize(("kind", "stride", "offset"), [("dense-adamw", 61, 7), ("moe-muon", 181, 120)])
def test_killed_at_any_point_a_run_goes_on_to_the_same_end(kind: str, stride: int, offset: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SWEEP), "--kind", kind, "--stride", str(stride), "--offset", str(offset)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["points"] > 500, "an attempt has fewer points than it had: what no longer passes through os?"
    assert found["struck"] == len(range(offset, found["points"], stride))
    assert max(found["repeated"]) > 0, "no kill cost a step: none can have come between two saves"
