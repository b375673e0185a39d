"""Waiting for descriptors of any number, and none left behind by attempts that ended."""

import os
import resource
from collections.abc import Iterator

import pytest

from engine.run.readable import wait_readable

BEYOND_SELECT = 1100


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose reading end has a number that select(2) refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= BEYOND_SELECT:
        pytest.skip("this system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, BEYOND_SELECT + 100), hard))
    low, write_end = os.pipe()
    read_end = os.dup2(low, BEYOND_SELECT + 50)
    os.close(low)
    yield read_end, write_end
    os.close(read_end)
    os.close(write_end)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_descriptor_beyond_what_select_takes_is_waited_for(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    assert not wait_readable(read_end, 0.01)
    os.write(write_end, b"x")
    assert wait_readable(read_end, 5.0) and wait_readable(read_end)


def test_a_closed_pipe_is_readable() -> None:
    read_end, write_end = os.pipe()
    os.close(write_end)
    assert wait_readable(read_end, 5.0)
    os.close(read_end)
