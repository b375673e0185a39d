"""A calibration without torch: it says how far it is, waits for a file, and measures nothing."""

import json
import os
import sys
import time
from pathlib import Path


def say(**message: object) -> None:
    print(json.dumps(message), flush=True)


request = json.loads(sys.stdin.readline())
Path("calibration-request.json").write_text(json.dumps(request))
say(phase="measuring", done=3.0, total=20.0)
while not Path("measure-now").exists():
    time.sleep(0.02)
if os.environ.get("FAKE_CALIBRATION_FAILS"):
    say(error="Too little memory for this.")
    sys.exit(2)
say(warning="Other processes use this machine.")
say(
    calibration={
        "seconds": 0.25,
        "seconds_low": 0.2,
        "seconds_high": 0.3,
        "tokens_per_s": 3000.0,
        "updates": 40,
        "when": "2026-11-24T03:15:00Z",
        "source": "calibration",
        "accumulation_steps": 1,
    }
)
Path("measured").touch()
