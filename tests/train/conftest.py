import functools
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from training_runs import Workshop

from engine.train import computing


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def known_speed(monkeypatch):
    """Hundreds of trainers are built in these processes: the machine's speed is measured for the first of each kind."""
    monkeypatch.setattr(computing, "measure_matmul", _measured_once)


_measured_once = functools.cache(computing.measure_matmul)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIMIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path)
