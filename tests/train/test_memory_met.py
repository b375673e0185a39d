"""A limit of memory met while the worker loads: one clear message, no traceback in it, no attempt after attempt."""

import shlex
import subprocess
import sys

import pytest

from engine.run.observe import observe
from engine.run.schema import Reason, State
from engine.run.start import module_environment


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds processes to `ulimit -v`")
def test_too_little_address_space_for_torch_is_told_with_the_limit(workshop):
    run = workshop.make()
    command = f"ulimit -v 300000; exec {shlex.quote(sys.executable)} -P -m engine.run.supervisor {run.path}"
    ended = subprocess.run(
        ["bash", "-c", f"{command} --max-restarts 3"], env=module_environment(), capture_output=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    seen = observe(run)
    assert seen.state is State.FAILED and seen.status.reason == Reason.USER_ERROR
    assert seen.message.startswith("Memory ran out") and "307 MB (ulimit -v)" in seen.message
    assert "Traceback" not in seen.message and "\n" not in seen.message
    assert len(run.read_manifest().attempts) == 1
