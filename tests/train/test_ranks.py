"""What several processes agree on, without starting any."""

import pytest
import torch

from engine.run.rank_errors import FOLDER_VARIABLE, leave_error, read_errors
from engine.run.schema import Reason
from engine.train.ranks import ALONE, Place, Ranks, is_about_others, join_ranks
from engine.train.work_clock import WorkClock


def test_a_place_is_read_from_the_variables_of_torchrun():
    assert Place.of({}) == ALONE == Place(0, 1, 0, 1)
    names = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert Place.of(names) == Place(5, 8, 1, 4)


def test_one_process_alone_sums_and_tells_nothing():
    ranks = join_ranks(ALONE, 1.0)
    assert type(ranks) is Ranks
    values = torch.tensor([1.0, 2.0])
    assert ranks.sum(values) is values and values.tolist() == [1.0, 2.0]
    assert ranks.main_first(lambda: 7) == 7
    assert ranks.gather(1.0, 2.0) == [(1.0, 2.0)]
    model = torch.nn.Linear(1, 1)
    assert ranks.wrap(model) is model
    with ranks.apart(model):
        pass
    with pytest.raises(RuntimeError):
        ranks.hear()


def test_a_rank_that_only_noticed_is_not_taken_for_the_cause(tmp_path, monkeypatch):
    leave_error(0, Reason.ERROR, "nobody looks", about_others=False)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    leave_error(0, Reason.ERROR, "connection closed", about_others=True)
    leave_error(1, Reason.USER_ERROR, "no such file", about_others=False)
    leave_error(2, Reason.ERROR, "later", about_others=False)
    (tmp_path / "rank-9.json").write_text("{torn")
    assert [(error.rank, error.message) for error in read_errors(tmp_path)] == [
        (1, "no such file"),
        (2, "later"),
        (0, "connection closed"),
    ]


@pytest.mark.parametrize(
    ("error", "others"),
    [
        (RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:537] Connection closed by peer"), True),
        (RuntimeError("NCCL error in: ProcessGroupNCCL.cpp, remote process exited"), True),
        (torch.distributed.DistNetworkError("timed out"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("gloo"), False),
    ],
)
def test_errors_about_others_are_told_from_ones_own(error, others):
    assert is_about_others(error) is others


def test_work_ends_with_the_last_gradient(monkeypatch):
    now = [10.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = WorkClock()
    for worked, waited in ((2.0, 5.0), (1.0, 0.5)):
        clock.begin()
        now[0] += worked
        clock.work_is_done()
        now[0] += waited
    assert clock.take() == pytest.approx(3.0)
    assert clock.take() == 0.0
