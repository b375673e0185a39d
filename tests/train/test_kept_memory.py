"""Freed memory is kept for the next step: no page is asked of the system twice."""

import platform
import subprocess
import sys

import pytest

from engine.worker import kept_memory

ALLOCATE = """
import resource, sys
from engine.worker.kept_memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytearray(64 * 2**20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_block_that_is_freed_is_used_again():
    faults = [
        int(subprocess.run([sys.executable, "-c", ALLOCATE, how], check=True, capture_output=True, text=True).stdout)
        for how in ("keep", "leave")
    ]
    assert faults[0] < 100 < faults[1]


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(kept_memory.ctypes, "CDLL", lambda _name: object())
    assert kept_memory.keep_freed_memory() is False
