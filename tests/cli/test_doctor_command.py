"""`minimind doctor`: the examination printed, its exit code, and no torch in its own process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import Minimind

from engine.errors import UserError
from minimind_tui.core.doctor import examination


@pytest.mark.usefixtures("workspace")
def test_the_real_machine_is_examined_without_torch_in_this_process() -> None:
    script = (
        "import sys\n"
        "from minimind_tui.cli import main\n"
        "code = main(['doctor', '--json'])\n"
        "heavy = {'torch', 'numpy', 'textual'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
    told = json.loads(done.stdout)
    assert [section["name"] for section in told["sections"]] == ["program", "device", "disk", "limits", "terminal"]
    assert told["level"] in ("note", "warning")  # the output is no terminal, which is a note
    device = {finding["what"]: finding for finding in told["sections"][1]["findings"]}
    assert device["precision"]["text"] and "FLOP/s" in device["matrix products"]["text"] and device["attention"]["text"]


def test_what_stops_a_run_is_exit_code_1_with_the_way_out(
    minimind: Minimind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise UserError("The device could not be probed: libtorch_cpu.so: no such file.")

    monkeypatch.setattr(examination, "probe_device", broken)
    called = minimind("doctor")
    assert called.code == 1
    lines = called.out.splitlines()
    at = next(number for number, line in enumerate(lines) if "libtorch_cpu.so" in line)
    assert lines[at].strip().startswith("problem") and "→ Install PyTorch anew" in lines[at + 1]
    assert lines[-1].startswith("A run would not start")


def test_it_is_in_the_help(minimind: Minimind) -> None:
    assert "doctor" in minimind("--help").out
    called = minimind("doctor", "--help")
    assert called.code == 0 and "--json" in called.out
