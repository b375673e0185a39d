"""Two machines that share a folder: network namespaces joined by a virtual cable, which is then pulled."""

import os
import shutil
import subprocess
import sys
import time
import uuid

import pytest
from rank_runs import train_lines, wait_until
from training_runs import logged

from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.schema import ENDED_STATES, State

PORT = 29571
TIMEOUT = 10.0


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True)


@pytest.fixture
def machines():
    """Two namespaces; yields their names. The cable's end in the first is `cable0`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    tag = uuid.uuid4().hex[:6]
    names = [f"mm{tag}a", f"mm{tag}b"]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "name", "cable1", "netns", names[1])
        for number, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.77.31.{number + 1}/24", "dev", f"cable{number}")
            ip("-n", name, "link", "set", f"cable{number}", "up")
            ip("-n", name, "link", "set", "lo", "up")
    except subprocess.CalledProcessError as error:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
    yield names
    for name in names:
        pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout.split()
        for pid in pids:
            subprocess.run(["kill", "-9", pid], capture_output=True, check=False)
        ip("netns", "del", name)


def minimind(machine, *words):
    """The command on a machine, its words kept in a file."""
    code = "import sys; from minimind_tui.cli import main; sys.exit(main())"
    return subprocess.Popen(
        ["ip", "netns", "exec", machine, sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_both(workshop, machines, monkeypatch, **values):
    monkeypatch.setenv("MINIMIND_RUNS", str(workshop.folder / "runs"))
    options = {
        "data_path": str(workshop.texts), "tokenizer": str(workshop.tokenizer), "nnodes": 2, "rank_timeout": TIMEOUT,
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "max_seq_len": 32, "batch_size": 1, "accumulation_steps": 3, "epochs": 2, "learning_rate": 1e-2,
        "num_threads": 1, "num_workers": 1, "save_interval": 4, "eval_interval": 5, "sample_prompts": "",
        **values,
    }  # fmt: skip
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    meet = ["--rdzv", f"10.77.31.1:{PORT}"]
    second = minimind(machines[1], "run", "--node-rank", "1", *meet)
    first = minimind(machines[0], "run", "--preset", "full", *flags, *meet, "--detach")
    said, _nothing = first.communicate(timeout=60)
    assert first.returncode == 0, said
    (path,) = (workshop.folder / "runs").iterdir()
    return RunFolder(path), second


def test_two_machines_train_one_run(workshop, machines, monkeypatch):
    alone = workshop.make()
    workshop.train(alone)
    shutil.move(alone.path, workshop.folder / "alone")
    run, second = start_both(workshop, machines, monkeypatch)
    said, _nothing = second.communicate(timeout=120)
    assert second.returncode == 0, said
    seen = observe(run)
    assert seen.state is State.FINISHED, seen.message
    assert seen.status.world_size == 2
    ours, theirs = dict(logged(run)), dict(logged(RunFolder(workshop.folder / "alone")))
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[step] - theirs[step]) for step in ours) < 1e-5
    assert not (run.path / "meeting.json").exists() and not (run.path / "ranks").exists()


def test_a_machine_that_is_cut_off_hangs_nobody_beyond_the_timeout(workshop, machines, monkeypatch):
    run, second = start_both(workshop, machines, monkeypatch, epochs=100000)
    wait_until(lambda: len(train_lines(run)) >= 5 or observe(run).state in ENDED_STATES, "five updates")
    assert observe(run).state is State.RUNNING, observe(run).message
    ip("-n", machines[0], "link", "set", "cable0", "down")
    cut = time.monotonic()
    wait_until(lambda: observe(run).state in ENDED_STATES, "the end on machine 0", patience=TIMEOUT + 45)
    assert observe(run).state is State.FAILED
    assert "Rank" in observe(run).message
    said, _nothing = second.communicate(timeout=max(1.0, cut + TIMEOUT + 60 - time.monotonic()))
    assert second.returncode == 1, said
    for machine in machines:
        left = subprocess.run(["ip", "netns", "pids", machine], capture_output=True, text=True, check=True).stdout
        assert not left.split(), machine
