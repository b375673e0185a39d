"""What is said of a resume before it is made: possible or not, from where, what is lost, exact or not."""

import platform
import time
from pathlib import Path
from typing import Any

import pytest

from engine.language import set_language
from engine.run import resumability
from engine.run.checkpoints import begin_checkpoint
from engine.run.clock import utc_iso
from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.process import this_process
from engine.run.resumability import resume_statement
from engine.run.schema import Manifest, State, Status
from engine.run.status import encode_record
from engine.settings.run_toml import render_settings
from engine.settings.settings import Settings

AROUND = {
    "torch": "2.13.0+cpu",
    "device": "cpu",
    "device_name": platform.machine(),
    "cpu_capability": "AVX2",
    "threads": 4,
    "dtype": "fp32",
    "compiled": False,
    "deterministic": True,
    "recompute": False,
    "batch_size": 32,
    "accumulation_steps": 8,
    "world_size": 1,
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run that crashed at step 17, saved at 10 on this machine."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(resumability, "installed_torch", lambda: "2.13.0+cpu")
    set_language("en")
    for name in ("text.jsonl", "tokenizer.json"):
        (tmp_path / name).write_text("{}\n")
    settings = Settings(data_path=str(tmp_path / "text.jsonl"))
    manifest = Manifest(data_path=str(tmp_path / "text.jsonl"), tokenizer_path=str(tmp_path / "tokenizer.json"))
    run = create_run(tmp_path / "runs", "mini", render_settings(settings), manifest)
    be(run, State.FAILED, 17)
    save(run, 10)
    return run


def be(run: RunFolder, state: State, step: int, **fields: Any) -> None:
    run.status.write_bytes(encode_record(Status(attempt=1, step=step, state=state, **fields)))


def save(run: RunFolder, step: int, **fields: Any) -> None:
    around = AROUND | fields.pop("around", {})
    with begin_checkpoint(run, step) as staging:
        staging.open("model.safetensors").write(b"w")
        staging.commit(**{"attempt": 1, "surroundings": around, "host": this_process().host, **fields})


def test_exact_on_the_same_machine(run: RunFolder) -> None:
    statement = resume_statement(run)
    assert (statement.possible, statement.exact, statement.step, statement.lost) == (True, True, 10, 7)
    assert statement.reasons == [] and statement.open == []
    assert statement.lines() == [
        "It goes on from step 10.",
        "7 updates beyond that were not saved: they are made again.",
        "It goes on bit for bit, as if it had not been interrupted.",
    ]


def test_a_run_that_saved_when_it_stopped_loses_nothing(run: RunFolder) -> None:
    be(run, State.STOPPED, 10)
    assert resume_statement(run).lost == 0
    assert resume_statement(run).lines()[0] == "It goes on from step 10." and len(resume_statement(run).lines()) == 2


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        ({"torch": "2.12.0+cpu"}, "the torch version changed from 2.12.0+cpu to 2.13.0+cpu"),
        ({"batch_size": 16, "accumulation_steps": 16}, "batch_size changed from 16 to 32"),
        ({"recompute": True}, "recompute changed from true to false"),
        ({"compiled": True}, "compiled code is not promised to repeat itself bit for bit"),
        ({"deterministic": False}, "deterministic kernels are off"),
    ],
)
def test_what_can_be_seen_is_said(run: RunFolder, around: dict[str, Any], reason: str) -> None:
    save(run, 12, around=around)
    statement = resume_statement(run)
    assert statement.exact is False and reason in statement.reasons
    assert statement.lines()[-1].startswith("It goes on, but not bit for bit: ")


def test_a_build_counts_only_where_both_name_it(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumability, "installed_torch", lambda: "2.13.0")
    assert resume_statement(run).exact is True
    monkeypatch.setattr(resumability, "installed_torch", lambda: "2.13.0+cu130")
    assert resume_statement(run).exact is False
    monkeypatch.setattr(resumability, "installed_torch", lambda: None)
    statement = resume_statement(run)
    assert statement.exact is None and statement.open == ["no torch is installed here"]


def test_threads_from_the_environment_count(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert resume_statement(run).exact is True
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert resume_statement(run).reasons == ["the number of threads changed from 4 to 2"]
    save(run, 11, around={"device": "cuda", "device_name": "GPU", "threads": 0})
    assert resume_statement(run).exact is True


def test_on_another_machine_only_the_run_can_tell(run: RunFolder) -> None:
    save(run, 11, host="elsewhere")
    statement = resume_statement(run)
    assert statement.exact is None and len(statement.open) == 1 and "elsewhere" in statement.open[0]
    assert statement.lines()[-1].startswith("Whether it goes on bit for bit shows when it starts: ")
    save(run, 12, host="elsewhere", around={"device_name": "riscv64"})
    assert resume_statement(run).exact is False


def test_a_checkpoint_of_an_older_version_leaves_it_open(run: RunFolder) -> None:
    save(run, 13, surroundings={})
    assert resume_statement(run).exact is None


def test_changed_settings(run: RunFolder) -> None:
    statement = resume_statement(run, {"num_threads": 3, "save_interval": 5})
    assert statement.exact is False and statement.reasons == ["num_threads changed from auto to 3"]
    refused = resume_statement(run, {"learning_rate": 1e-3})
    assert not refused.possible and "learning_rate" in refused.lines()[0] and "minimind fork" in refused.lines()[0]


@pytest.mark.parametrize("which", ["text.jsonl", "tokenizer.json"])
def test_missing_files_stand_in_the_way(run: RunFolder, which: str) -> None:
    (run.path.parent.parent / which).unlink()
    statement = resume_statement(run)
    assert not statement.possible and which in statement.lines()[0]


def test_what_cannot_be_resumed_says_why(run: RunFolder) -> None:
    be(run, State.FINISHED, 20)
    assert "finished" in resume_statement(run).lines()[0]
    be(run, State.RUNNING, 20, supervisor=this_process(), worker=this_process())
    assert "running already" in resume_statement(run).lines()[0]
    be(run, State.STOPPED, 20)
    run.change_manifest(lambda manifest: setattr(manifest, "deadline_at", utc_iso(time.time() - 5)))
    assert "is over" in resume_statement(run).lines()[0]
    run.manifest.write_text("{")
    assert not resume_statement(run).possible
    run.run_toml.unlink()
    assert not resume_statement(run).possible


def test_without_a_checkpoint_it_begins_again(tmp_path: Path, run: RunFolder) -> None:
    for path in run.checkpoints.iterdir():
        path.rename(tmp_path / path.name)
    statement = resume_statement(run)
    assert (statement.possible, statement.exact, statement.step, statement.lost) == (True, None, 0, 17)
    assert statement.lines() == [
        "It has no checkpoint yet and begins again.",
        "The 17 updates it made were not saved: they are made again.",
    ]
