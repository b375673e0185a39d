"""Memory that cannot be had is told as such, with the limit, and not tried again where the limit stays."""

import resource
import signal
from pathlib import Path

import pytest

from engine.run import memory_limit, worker_death
from engine.run.memory_limit import is_about_memory, words_of_memory

MB = 1_000_000


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of 200 MB of address space."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (200 * MB, 200 * MB))
    monkeypatch.setattr(memory_limit, "_group_limit", lambda: None)


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY,) * 2)
    monkeypatch.setattr(memory_limit, "_group_limit", lambda: None)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_errors_about_memory_are_known(error: Exception, unlimited: None) -> None:
    assert is_about_memory(error)
    words = words_of_memory(error, "loading")
    assert words.startswith("Memory ran out (loading)") and "batch_size" in words and "may have" not in words


def test_one_behind_another_error_is_found(unlimited: None) -> None:
    try:
        try:
            raise MemoryError
        except MemoryError:
            raise ValueError("no tensor") from None
    except ValueError as error:
        assert is_about_memory(error)


def test_any_other_error_is_none(unlimited: None) -> None:
    assert not is_about_memory(RuntimeError("shapes do not fit"))
    assert words_of_memory(RuntimeError("shapes do not fit"), "loading") == ""


def test_an_odd_error_near_the_limit_is_told_with_the_limit(limited: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_limit, "_peak", lambda _what: 150 * MB)
    words = words_of_memory(SystemError("error return without exception set"), "loading")
    assert "error return without exception set" in words and "probably" in words and "200 MB (ulimit -v)" in words
    monkeypatch.setattr(memory_limit, "_peak", lambda _what: 20 * MB)
    assert words_of_memory(SystemError("error return without exception set"), "loading") == ""


def test_a_crash_in_native_code_names_the_limit(limited: None) -> None:
    assert "200 MB (ulimit -v)" in worker_death.words_of_exit(-signal.SIGABRT, 0)


def test_the_smallest_limit_of_the_groups_above_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "memory" / "c").mkdir(parents=True)
    own.write_text("0::/a/b\n")
    assert memory_limit._group_limit(tmp_path, own) is None
    (tmp_path / "a" / "memory.max").write_text("5000\n")
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    assert memory_limit._group_limit(tmp_path, own) == 5000
    own.write_text("4:memory:/c\n")
    (tmp_path / "memory" / "c" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory_limit._group_limit(tmp_path, own) is None  # v1's way to say that there is none
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("7000\n")
    assert memory_limit._group_limit(tmp_path, own) == 7000
