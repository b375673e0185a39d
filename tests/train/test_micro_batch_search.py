"""`batch_size = auto`: real passes on a device whose memory is made up, then a run with what was found."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_runs import final_weights, logged

from engine.data.synthetic_rows import SyntheticRows
from engine.errors import UserError
from engine.estimate.micro_batch import divisors, load_rows
from engine.places import cache_dir
from engine.run.jsonl_log import read_lines
from engine.settings.network import shape_from_settings
from engine.settings.resolve import build_settings
from engine.train import build, micro_batch_search
from engine.train.computing import choose_computing
from engine.train.micro_batch_search import Passes, longest_rows, most_rows
from engine.train.out_of_memory import MemoryTooSmallError
from engine.train.parts import make_model

MB = 10**6


class FakeDevice:
    """A memory of `size` bytes where a pass over n rows holds base + n * row; an allocator that fails beyond it."""

    device = torch.device("cpu")

    def __init__(self, size: float, base: float, row: float, spared: float = 0.1, refuses: bool = True) -> None:
        self.size, self.base, self.row, self.refuses = size, base, row, refuses
        self.limit = (1 - spared) * size
        self.tried: list[int] = []
        self.restarts = 0
        self.cleared = False
        self._peak = 0.0

    def make(self, count: int) -> None:
        self.tried.append(count)
        self._peak = max(self._peak, self.base + count * self.row)
        if self.refuses and self._peak > self.size:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    def clear(self) -> None:
        self.cleared = True

    def restart(self) -> None:
        self.restarts += 1
        self._peak = 0.0

    def peak(self) -> int:
        return int(self._peak)


def search(fake: FakeDevice, rows: int) -> int | None:
    with mock.patch("engine.train.out_of_memory.gc.collect"):  # of all that a whole suite's process holds
        return most_rows(divisors(rows), fake, fake)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 2048),
    room=st.integers(1, 3000),
    base=st.integers(0, 100),
    refuses=st.booleans(),
)
def test_the_largest_divisor_that_leaves_a_tenth_free(rows: int, room: int, base: int, refuses: bool) -> None:
    fake = FakeDevice((base + room) * MB / 0.9 + 10, base * MB, MB, refuses=refuses)
    found = search(fake, rows)
    assert found == max(size for size in divisors(rows) if size <= room)
    assert fake.cleared


def test_a_device_that_holds_no_row_is_told() -> None:
    assert search(FakeDevice(MB, 2 * MB, MB), 256) is None


def test_where_memory_is_not_refused_nothing_is_tried_that_two_sizes_show_to_be_too_large() -> None:
    """An Apple machine swaps, and grows unusable, long before its allocator says no."""
    fake = FakeDevice(100 * MB, 10 * MB, MB, refuses=False)
    assert search(fake, 4096) == 64
    assert max(fake.tried) <= 128


def test_the_longest_rows_are_tried() -> None:
    class Rows:
        row_count = 6
        row_targets = np.array([5, 9, 1, 9, 7, 2], dtype=np.uint32)

    assert sorted(longest_rows(Rows(), 3).tolist()) == [1, 3, 4]  # type: ignore[arg-type]
    assert len(longest_rows(Rows(), 20)) == 20  # type: ignore[arg-type]
    assert sorted(set(longest_rows(Rows(), 20).tolist())) == list(range(6))  # type: ignore[arg-type]


def test_the_passes_are_real_and_leave_nothing_behind(workshop: Any) -> None:
    asked = build_settings({"hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "max_seq_len": 32})
    computing = choose_computing(asked, lambda note: None)
    model = make_model(asked, shape_from_settings(asked, 300), computing)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sizes: list[int] = []
    model.register_forward_hook(lambda _model, args, _out: sizes.append(args[0].shape[0]))
    passes = Passes(model, computing, SyntheticRows(300, 32, piece_length=10))
    fake = FakeDevice(1e12, 0, 1)
    assert most_rows([1, 2, 4], passes, fake, reserve=1000) == 4
    assert sizes == [1, 1, 2, 2, 4, 4]  # twice: the second beside the gradients of the first
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_error_that_is_not_about_memory_is_not_swallowed() -> None:
    class Broken(FakeDevice):
        def make(self, count: int) -> None:
            raise RuntimeError("shapes cannot be multiplied")

    fake = Broken(MB, 0, 1)
    with pytest.raises(RuntimeError, match="shapes"):
        search(fake, 8)
    assert fake.cleared


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[int]]:
    """Make the runs' memory hold so many rows; gives the sizes that searches tried."""

    def of(rows: float) -> list[int]:
        tried: list[int] = []

        def searched(settings, shape, table, model, optimizer, computing, tell):  # type: ignore[no-untyped-def]
            fake = FakeDevice(rows / 0.9 + 1e-6, 0, 1)

            class Both(Passes):
                def make(self, count: int) -> None:
                    tried.append(count)
                    torch.rand(1)  # a pass may draw random numbers
                    fake.make(count)
                    super().make(count)

            with micro_batch_search.isolated_rng(1):
                found = most_rows(divisors(settings.rows_per_process), Both(model, computing, table), fake)
            if found is None:
                raise MemoryTooSmallError("not a single row")
            return found

        monkeypatch.setattr(build, "search_rows", searched)
        return tried

    return of


def auto(workshop: Any, **values: Any) -> Any:
    return workshop.make(**{"batch_size": "auto", "accumulation_steps": 1, "save_interval": 1, **values})


def test_a_run_finds_says_and_remembers_it_and_trains_as_if_it_had_been_asked_for(workshop: Any, memory: Any) -> None:
    tried = memory(11)
    run = auto(workshop)
    trainer = workshop.train(run)
    assert trainer.micro_batch.rows == 8 and trainer.stream.rows_per_update == 32
    assert tried == [1, 1, 2, 2, 4, 4, 8, 8]  # 16 is foreseen not to fit
    (told,) = [event for event in read_lines(run.events) if event["kind"] == "micro_batch"]
    assert told["rows"] == 8 and "8 rows at a time, 4 micro-batches" in told["message"]
    record = run.read_manifest().attempts[-1]
    assert record.micro_batch == 8 and trainer.link.status.micro_batch_rows == 8

    explicit = workshop.make(batch_size=8, accumulation_steps=4, save_interval=1)
    workshop.train(explicit)
    ours, theirs = final_weights(run), final_weights(explicit)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours), "the search touched weights or random numbers"
    assert logged(run) == logged(explicit)

    tried.clear()
    again = auto(workshop)
    assert workshop.train(again).micro_batch.rows == 8
    assert tried == []
    (told,) = [event for event in read_lines(again.events) if event["kind"] == "micro_batch"]
    assert "found on this machine earlier" in told["message"]


def test_a_resume_repeats_it_exactly_though_nothing_is_remembered_any_more(workshop: Any, memory: Any) -> None:
    memory(8)
    straight = auto(workshop)
    workshop.train(straight)
    broken = auto(workshop)
    trainer = workshop.train(broken, (1, 1))
    key = trainer.micro_batch._key
    key.path(cache_dir()).unlink()
    tried = memory(32)
    resumed = workshop.train(broken)
    assert resumed.micro_batch.rows == 8 and tried == []
    assert broken.read_manifest().attempts[-1].exact
    ours, theirs = final_weights(broken), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_turns_out_too_large_is_remembered_as_less(workshop: Any, memory: Any, monkeypatch: Any) -> None:
    memory(16)
    run = auto(workshop, max_steps=1)
    trainer = workshop.trainer(run)
    backward, calls = torch.Tensor.backward, []

    def once(self: torch.Tensor, *args: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        backward(self, *args, **options)

    monkeypatch.setattr(torch.Tensor, "backward", once)
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert trainer.micro_batch.rows == 8
    assert load_rows(cache_dir(), trainer.micro_batch._key) == 8


def test_no_room_for_a_row_is_the_user_s_to_mend(workshop: Any, memory: Any) -> None:
    memory(0.5)
    with pytest.raises(UserError, match="not a single row"):
        workshop.trainer(auto(workshop))


def test_on_a_cpu_it_is_reckoned_from_its_memory(workshop: Any) -> None:
    trainer = workshop.trainer(auto(workshop, accumulation_steps=4))
    trainer.stream.close()
    trainer.link._status.stop()
    assert trainer.micro_batch.rows == 32 and trainer.stream.micro_batches == 4
