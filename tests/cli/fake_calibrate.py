"""A calibration without torch: as many words as the real one, and a result of known speed in the store."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from engine.data.tokenizer import Tokenizer
from engine.estimate.calibration import Calibration, save_calibration, speed_key
from engine.places import cache_dir
from engine.settings.resolve import build_settings

request = json.loads(sys.stdin.readline())


def say(**message: object) -> None:
    print(json.dumps(message), flush=True)


say(phase="loading", done=0, total=0)
plan = os.environ.get("FAKE_CALIBRATION", "")
if plan == "fails":
    say(error="There is not enough memory for it.")
    sys.exit(2)
if plan == "hangs":
    say(phase="measuring", done=1.0, total=8.0)
    time.sleep(60)
say(phase="measuring", done=4.0, total=8.0)
say(warning="Other programs keep the processor busy.")
settings = build_settings(request["settings"])
calibration = Calibration(
    seconds=0.5,
    seconds_low=0.4,
    seconds_high=0.6,
    tokens_per_s=1000.0,
    updates=12,
    when=datetime.now(UTC),
    source="calibration",
    accumulation_steps=settings.accumulation_steps,
    validation_tokens_per_s=1e9,
    sampled_tokens_per_s=1e9,
    saved_bytes_per_s=1e15,
)
key = speed_key(
    settings,
    Tokenizer.load(Path(request["tokenizer"])).vocab_size,
    device_kind="cpu",
    device_name="Test CPU",
    dtype="fp32",
    threads=2,
    torch_version="2.13.0",
)
save_calibration(cache_dir(), key, calibration)
say(calibration=calibration.model_dump(mode="json"))
