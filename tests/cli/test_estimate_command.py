"""`minimind estimate`: a run in words before it starts, ready or not and why, and a calibration with its progress."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Minimind

from engine.estimate import calibration_run
from engine.estimate.device_probe import DeviceFacts
from engine.run.start import module_environment

HERE = Path(__file__).parent
DATA = ["--data_path", "texts.jsonl", "--hidden_size", "64", "--num_hidden_layers", "2", "--batch_size", "2"]
FACTS = DeviceFacts(
    torch_version="2.13.0",
    accelerator_build=None,
    driver=None,
    host="testhost",
    device="cpu",
    name="Test CPU",
    memory=8_000_000_000,
    dtypes=["fp32"],
    dtype="fp32",
    dtype_why="",
    notes=[],
    gpus=[],
    cpu_name="Test CPU",
    cpu_features=[],
    cores=2,
    machine_memory=8_000_000_000,
    threads=2,
    threads_why="",
    matmul_flops={"fp32": 1e11},
)


@pytest.fixture(autouse=True)
def no_torch(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    """The probe's answer is known, and calibrations are made by somebody who needs no torch."""
    monkeypatch.setattr("engine.estimate.device_probe.probe_device", lambda _cache: FACTS)
    start = partial(calibration_run.CalibrationRun.start, module="fake_calibrate")
    monkeypatch.setattr(calibration_run.CalibrationRun, "start", start)
    monkeypatch.delenv("FAKE_CALIBRATION", raising=False)


def lines_of(output: str) -> dict[str, str]:
    """The quantities by name."""
    found = (re.match(r"(\S(?:.*?\S)?)\s{2,}(.*\S)", line) for line in output.splitlines())
    return {match[1]: match[2] for match in found if match}


def test_the_preview_in_words(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", *DATA, "--epochs", "3")
    assert done.code == 0, done.err
    lines = lines_of(done.out)
    assert lines["an update"].startswith("2 x 1 x 1 = 2 rows, x 256 = 512 positions, about ")
    assert "2 layers, 64 wide" in lines["model"] and "Test CPU (cpu), fp32, threads: 2" in lines["device"]
    assert "an epoch x 3; all epochs" in lines["updates"]
    assert "of 8.0 GB" in lines["memory"] and "very roughly" in lines["time"]
    assert "a checkpoint takes" in lines["disk"] and "1.9e-04 at first" in lines["learning rate"]
    assert "note: The warm-up of 20 updates is not over" in done.out  # there are few texts
    assert "Ready." in done.out and "cost" not in lines
    assert not Path("runs").exists()


def test_the_preview_as_json(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", *DATA, "--json", "--price", "2")
    told = json.loads(done.out)
    assert done.code == 0 and told["ready"] is True and told["problems"] == []
    assert told["updates"] == told["updates_per_epoch"] > 0 and told["ended_by"] == "epochs"
    assert told["rows_per_update"] == 2 and told["device"]["dtype"] == "fp32" and told["calibration"] is None
    assert told["seconds"]["source"] == "rough"
    assert told["cost"] == pytest.approx([told["seconds"][end] / 3600 * 2 for end in ("low", "high")])
    assert told["currency"] == "$"


def test_what_stands_in_the_way_is_told_and_the_exit_code_says_so(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", "--data_path", "absent.jsonl", "--hidden_size", "50")
    assert done.code == 2
    assert "Not ready:" in done.out and "Ready." not in done.out
    assert "absent.jsonl" in done.out and done.out.count("num_attention_heads 4 does not divide") == 1
    told = json.loads(minimind("estimate", "--data_path", "absent.jsonl", "--json").out)
    assert told["ready"] is False and len(told["problems"]) == 1


def test_a_wrong_value_is_refused_like_everywhere(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", "--batch-size", "none")
    assert done.code == 2 and "--batch_size" in done.err and done.out == ""
    assert minimind("estimate", "--bugdet", "2h").code == 2


def test_a_budget_bounds_the_run(minimind: Minimind) -> None:
    arguments = ["estimate", "--preset", "mini", *DATA, "--epochs", "1000", "--calibrate", "--json"]
    done = minimind(*arguments, "--budget", "$1", "--price", "36 $/h")  # 100 s
    told = json.loads(done.out)
    assert told["ended_by"] == "time_budget" and told["updates_low"] < told["updates"] < told["updates_high"]
    assert 160 <= told["updates"] <= 205
    assert told["cost"] == pytest.approx([1.0, 1.0])
    refused = minimind("estimate", "--preset", "mini", *DATA, "--budget", "$1")
    assert refused.code == 2 and "an hour costs" in refused.err


def test_a_config_file_is_previewed(minimind: Minimind) -> None:
    Path("mine.toml").write_text('[model]\nhidden_size = 32\n[data]\ndata_path = "texts.jsonl"\n')
    assert "32 wide" in lines_of(minimind("estimate", "--config", "mine.toml").out)["model"]


def test_a_calibration_makes_the_time_known(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", *DATA, "--epochs", "100", "--calibrate")
    assert done.code == 0
    assert "Other programs keep the processor busy." in done.err
    time_line = lines_of(done.out)["time"]
    assert time_line.startswith("about ") and "(0.5 s an update, measured " in time_line
    again = lines_of(minimind("estimate", "--preset", "mini", *DATA, "--epochs", "100").out)
    assert again["time"].startswith("about ")  # remembered
    other = lines_of(minimind("estimate", "--preset", "mini", *DATA, "--max_seq_len", "64").out)
    assert other["time"].startswith("very roughly")


def test_a_calibration_that_fails_is_told(minimind: Minimind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CALIBRATION", "fails")
    done = minimind("estimate", "--preset", "mini", *DATA, "--calibrate")
    assert done.code == 2 and "There is not enough memory for it." in done.err and done.out == ""


def test_nothing_is_calibrated_that_makes_no_network(minimind: Minimind) -> None:
    done = minimind("estimate", "--preset", "mini", *DATA, "--hidden_size", "50", "--calibrate")
    assert done.code == 2 and "hidden_size" in done.err


def test_progress_is_told_on_a_terminal(minimind: Minimind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("minimind_tui.cli.previewing._POLL_SECONDS", 0.001)
    done = minimind("estimate", "--preset", "mini", *DATA, "--calibrate")
    assert done.code == 0 and "Calibrating: loading ..." in done.err
    assert not re.search(r"Calibrating[^\r\x1b]*$", done.err)  # nothing of it stays


def test_an_interrupt_ends_the_calibration_too(workspace: Path) -> None:
    code = (
        "import sys\nfrom functools import partial\nimport test_estimate_command as here\n"
        "from engine.estimate import calibration_run, device_probe\n"
        "device_probe.probe_device = lambda _cache: here.FACTS\n"
        "run = calibration_run.CalibrationRun\nrun.start = partial(run.start, module='fake_calibrate')\n"
        "from minimind_tui.cli import main\n"
        "sys.exit(main(['estimate', '--preset', 'mini', *here.DATA, '--calibrate']))\n"
    )
    environment: dict[str, Any] = module_environment() | {"FAKE_CALIBRATION": "hangs"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    child = _wait_for_child(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stdout is not None
    process.stdout.close()
    until = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def _wait_for_child(pid: int) -> int:
    """The pid of the calibrating process below `pid`, once it is there."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    if not Path("/proc/self/task").is_dir():
        pytest.skip("finds a process's child in Linux's /proc")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for child in listing.read_text().split():
            with_arguments = Path(f"/proc/{child}/cmdline")
            if with_arguments.exists() and b"fake_calibrate" in with_arguments.read_bytes():
                return int(child)
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("no calibration was started")


def test_the_preview_speaks_chinese(workspace: Path) -> None:
    """In a process of its own: help texts keep the language their module was loaded in."""
    code = (
        "import sys\nimport test_estimate_command as here\nfrom engine.estimate import device_probe\n"
        "device_probe.probe_device = lambda _cache: here.FACTS\nfrom minimind_tui.cli import main\n"
        "sys.exit(main([*sys.argv[1:], '--preset', 'mini', *here.DATA]))\n"
    )
    command = [sys.executable, "-c", code, "--lang", "zh", "estimate"]
    done = subprocess.run(command, env=module_environment(), capture_output=True, text=True, check=True)
    assert "可以开始" in done.stdout and "Ready" not in done.stdout and "一次更新" in done.stdout
    helped = subprocess.run([*command, "--help"], env=module_environment(), capture_output=True, text=True, check=True)
    assert "预览一次运行" in helped.stdout
