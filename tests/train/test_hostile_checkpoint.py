"""A checkpoint whose hashes agree may have been made by anybody: its trainer.pth runs nothing, whoever loads it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from engine.errors import UserError
from engine.places import builtin_dir
from engine.run.atomic import hash_file
from engine.run.checkpoints import newest
from engine.run.folder import RunFolder
from engine.run.fork import make_fork, plan_fork


class Harm:
    """Loaded, it would leave a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.mark}",))


def rewrite(run: RunFolder, change: Any) -> None:
    """Change what the newest checkpoint's trainer.pth holds, and its record so that the hashes agree."""
    info = newest(run)
    assert info is not None
    path = info.path / "trainer.pth"
    saved = torch.load(path, weights_only=True)
    path.unlink()  # it is the parent's file as well
    torch.save(change(saved), path)
    record = orjson.loads((info.path / "checkpoint.json").read_bytes())
    record["files"]["trainer.pth"] = hash_file(path).model_dump()
    (info.path / "checkpoint.json").write_bytes(orjson.dumps(record))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from training_runs import Workshop

    workshop = Workshop(tmp_path_factory.mktemp("hostile"))
    run = workshop.make(max_steps=8)
    workshop.train(run, (4, 0))
    return workshop, run


def copy_of(trained: Any) -> tuple[Any, RunFolder]:
    workshop, run = trained
    return workshop, make_fork(plan_fork(run, values={"max_steps": 9}), run.path.parent)


def test_neither_a_resume_nor_a_fork_runs_what_a_checkpoint_hides(trained: Any, tmp_path: Path) -> None:
    workshop, run = copy_of(trained)
    mark = tmp_path / "harmed"
    rewrite(run, lambda saved: saved | {"surroundings": {"deep": [(Harm(mark),)]}})
    with pytest.raises(UserError, match="could run code"):
        workshop.trainer(run)
    child = make_fork(plan_fork(run, values={"max_steps": 10}), run.path.parent)
    with pytest.raises(UserError, match="could run code"):
        workshop.trainer(child)
    assert not mark.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: [saved],
        lambda saved: {"format": saved["format"]},
        lambda saved: saved | {"state": {"step": 3, "unheard_of": 1}},
        lambda saved: saved | {"state": None},
        lambda saved: saved | {"optimizer": {"adamw": [1, 2]}},
        lambda saved: saved | {"surroundings": 3},
        lambda saved: {name: value for name, value in saved.items() if name != "rng"},
    ],
)
def test_a_state_that_is_none_is_told_in_a_sentence(trained: Any, change: Any) -> None:
    workshop, run = copy_of(trained)
    rewrite(run, change)
    with pytest.raises(UserError, match=r"trainer\.pth is not the state"):
        workshop.trainer(run)


@pytest.mark.parametrize("how", ["generate", "from_weight"])
def test_hostile_weights_end_a_command_with_one_message(how: str, tmp_path: Path) -> None:
    """As processes of their own, as a person would start them."""
    mark = tmp_path / "harmed"
    torch.save({"model": {"a": torch.zeros(1)}, "more": [Harm(mark)]}, tmp_path / "evil.pth")
    command = {
        "generate": ["generate", "evil.pth", "--prompt", "x"],
        "from_weight": [
            *("run", "--preset", "mini", "--from_weight", "evil.pth", "--max_steps", "1"),
            *("--data_path", str(trained_texts(tmp_path)), "--tokenizer", str(builtin_dir("datasets"))),
        ],
    }[how]
    environment = os.environ | {"MINIMIND_RUNS": str(tmp_path / "runs"), "MINIMIND_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())", *command],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr + done.stdout
    assert "could run code" in done.stderr + done.stdout and "Traceback" not in done.stderr + done.stdout
    assert not mark.exists()


def trained_texts(folder: Path) -> Path:
    from training_runs import write_texts

    return write_texts(folder / "texts.jsonl")
