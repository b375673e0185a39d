"""Ranks that torchrun or Slurm started: `minimind run` is then one of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.places import runs_dir
from engine.run.by_hand import Started, from_slurm, started_by_hand
from engine.run.find import list_runs
from engine.run.lock import is_held
from engine.run.observe import observe
from engine.run.schema import State

SLURM = {
    "SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_PROCID": "3", "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]", "SLURM_JOB_ID": "123456",
}  # fmt: skip
CLI = "import sys; from minimind_tui.cli import main; sys.exit(main())"


def test_alone_is_alone():
    assert started_by_hand({}) is None
    assert started_by_hand({"RANK": "0", "WORLD_SIZE": "1"}) is None
    assert started_by_hand({"SLURM_NTASKS": "4"}) is None  # an allocation, not a task of srun


def test_torchruns_variables_say_how_many_on_how_many_machines():
    names = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert started_by_hand(names) == Started(5, 4, 2)


def test_slurms_variables_become_torchruns():
    environ = dict(SLURM)
    assert started_by_hand(environ) == Started(3, 2, 2)
    assert (environ["MASTER_ADDR"], environ["LOCAL_RANK"]) == ("gpu07", "1")
    assert 1024 < int(environ["MASTER_PORT"]) < 65536
    assert from_slurm({**SLURM, "SLURM_STEP_NODELIST": "one,two"})["MASTER_ADDR"] == "one"
    with pytest.raises(UserError, match="srun"):
        from_slurm({name: value for name, value in SLURM.items() if name != "SLURM_PROCID"})


def flags(workshop):
    options = {
        "data_path": workshop.texts, "tokenizer": workshop.tokenizer, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_seq_len": 32, "batch_size": 1,
        "accumulation_steps": 3, "epochs": 1, "num_threads": 1, "num_workers": 1, "sample_prompts": "",
        "rank_timeout": 60,
    }  # fmt: skip
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def test_torchrun_trains_and_resumes_a_run(workshop, monkeypatch):
    monkeypatch.setenv("MINIMIND_RUNS", str(workshop.folder / "runs"))
    torchrun = shutil.which("torchrun", path=str(Path(sys.executable).parent))
    if torchrun is None:
        pytest.skip("torch came without torchrun")

    def by_torchrun(*words):
        command = [torchrun, "--standalone", "--nproc-per-node", "2", "--no-python", sys.executable, "-c", CLI, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    done = by_torchrun("run", "--preset", "full", *flags(workshop), "--max_steps", "4", "--schedule", "constant")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = list_runs(runs_dir())
    seen = observe(run)
    assert (seen.state, seen.status.step, seen.status.world_size) == (State.FINISHED, 4, 2)
    assert not is_held(run.lock)
    done = by_torchrun("resume", run.id, "--max_steps", "6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert observe(run).status.step == 6
    assert run.read_manifest().attempts[-1].exact is True


def test_a_mistake_is_told_once_and_ends_all_tasks_of_slurm(workshop, monkeypatch):
    monkeypatch.setenv("MINIMIND_RUNS", str(workshop.folder / "runs"))
    names = {**SLURM, "SLURM_NTASKS": "2", "SLURM_NNODES": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29573"}
    tasks = []
    for number in ("0", "1"):
        environ = {**os.environ, **names, "SLURM_PROCID": number, "SLURM_LOCALID": number}
        command = [sys.executable, "-c", CLI, "run", *flags(workshop), "--hidden_size", "30"]
        tasks.append(
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    said = [task.communicate(timeout=60)[0] for task in tasks]
    assert [task.returncode for task in tasks] == [2, 2], said
    assert "head_dim is 15" in said[0] and not said[1].strip()
    assert list_runs(runs_dir()) == []
