"""Screens imported ahead of time: the list of them is true."""

import subprocess
import sys

CODE = """
import sys, threading
from minimind_tui.app import preloading
preloading.preload()
[thread] = [thread for thread in threading.enumerate() if thread.name == "preload"]
thread.join()
missing = set(preloading._MODULES) - set(sys.modules)
sys.exit(f"not imported: {missing}" if missing or "torch" in sys.modules else 0)
"""


def test_every_screen_is_imported_and_torch_is_not() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
