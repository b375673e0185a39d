"""What there is to choose, where weights lie, and which run keeps generation off the accelerator."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from run_material import write_run

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts
from engine.run.checkpoints import begin_checkpoint
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.core.playground_models import (
    ModelChoice,
    accelerator_holder,
    find_again,
    first_choice,
    has_weights,
    looks_like_a_path,
    matching,
    offers,
    path_offers,
)
from minimind_tui.core.run_index import RunEntry, read_entry


def facts(device: str, host: str) -> DeviceFacts:
    values: dict[str, Any] = dict.fromkeys(
        ("torch_version", "name", "dtype", "dtype_why", "cpu_name", "threads_why"), "x"
    )
    values |= dict.fromkeys(("memory", "cores", "machine_memory", "threads"), 1)
    values |= {"accelerator_build": None, "driver": None, "dtypes": [], "notes": [], "gpus": [], "cpu_features": []}
    return DeviceFacts.model_validate(values | {"device": device, "host": host, "matmul_flops": {}})


def validated(folder: RunFolder, step: int, loss: float) -> None:
    with begin_checkpoint(folder, step) as staging:
        staging.open("model.safetensors").write(b"weights of step %d" % step)
        staging.commit(attempt=1, validation_loss=loss)


def entries(*folders: RunFolder) -> list[RunEntry]:
    return [read_entry(folder) for folder in folders]


def test_a_runs_offers_are_newest_best_and_every_checkpoint(workspace: Path) -> None:
    folder = write_run(workspace, steps=200)
    validated(folder, 100, 2.5)
    found = offers(entries(folder))
    assert [(offer.which, offer.step, offer.validation_loss) for offer in found] == [
        ("newest", 200, None),
        ("best", 100, 2.5),
        ("step 200", 200, None),
        ("step 150", 150, None),
        ("step 100", 100, 2.5),
    ]
    assert [offer.choice for offer in found[:3]] == [
        ModelChoice(folder),
        ModelChoice(folder, "best"),
        ModelChoice(folder, "200"),
    ]


def test_a_run_without_weights_is_listed_but_cannot_be_chosen(workspace: Path) -> None:
    early = write_run(workspace, "early", state=State.CREATED)
    older = write_run(workspace, "older", steps=50)
    found = offers(entries(early, older))
    assert found[0].choice is None and found[0].which == "no weights yet"
    assert not has_weights(early)
    assert first_choice(entries(early, older)) == ModelChoice(older)
    assert first_choice(entries(early)) is None


def test_offers_are_filtered_by_all_words(workspace: Path) -> None:
    found = offers(entries(write_run(workspace, "alpha", steps=200), write_run(workspace, "beta", steps=200)))
    assert {offer.group for offer in matching(found, "ALPHA")} == {"20261124-031500-alpha"}
    assert [offer.which for offer in matching(found, "beta 200")] == ["newest", "step 200"]
    assert matching(found, "step 150")[0].which == "step 150", "though every id has a 150 in it"
    assert matching(found, "gamma") == [] and matching(found, "") == found


def test_files_of_the_workspace_are_offered_and_paths_completed(workspace: Path) -> None:
    (workspace / "out").mkdir()
    for name in ("own.pth", "out/pretrain_512.safetensors", "out/notes.txt", "other.txt"):
        (workspace / name).write_bytes(b"")
    assert [offer.group for offer in offers([])] == ["own.pth", "out/pretrain_512.safetensors"]
    assert [offer.group for offer in path_offers("./o")] == ["out/", "own.pth"]
    [file] = path_offers("out/pre")
    assert file.choice == ModelChoice(file=Path("out/pretrain_512.safetensors"))
    assert path_offers("nowhere/x") == [] and path_offers("out/zzz") == []
    assert [looks_like_a_path(text) for text in ("~/a", "./a", "a/b", "a.pth", "mini", "step 5")] == [True] * 4 + [
        False
    ] * 2


def test_a_checkpoints_hash_is_looked_at_once_and_again_when_it_changed(workspace: Path) -> None:
    folder = write_run(workspace, steps=200)
    weights = folder.checkpoints / "step-00000150/model.safetensors"
    choice = ModelChoice(folder, "150")
    known = find_again(choice, None, in_memory=False)
    assert known.source.weights == weights
    before = weights.stat()
    weights.write_bytes(b"weights of step 999")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(UserError, match="hash differs"):
        find_again(choice, known, in_memory=True)


def test_deleted_weights_serve_while_they_are_in_memory(workspace: Path) -> None:
    folder = write_run(workspace, steps=200)
    choice = ModelChoice(folder, "150")
    known = find_again(choice, None, in_memory=False)
    shutil.rmtree(folder.checkpoints / "step-00000150")
    assert find_again(choice, known, in_memory=True) is known
    with pytest.raises(UserError, match="no checkpoint 150"):
        find_again(choice, known, in_memory=False)
    with pytest.raises(UserError, match="no checkpoint 140"):
        find_again(ModelChoice(folder, "140"), known, in_memory=True)


def test_a_checkpoint_whose_optimiser_is_damaged_can_still_write(workspace: Path) -> None:
    folder = write_run(workspace, steps=200)
    with begin_checkpoint(folder, 170) as staging:
        staging.open("model.safetensors").write(b"weights")
        staging.open("trainer.pth").write(b"moments")
        staging.commit(attempt=1)
    (folder.checkpoints / "step-00000170/trainer.pth").write_bytes(b"damaged")
    assert ModelChoice(folder, "170").source().weights.read_bytes() == b"weights"


def test_a_run_without_special_tokens_is_asked_without(workspace: Path) -> None:
    usual = write_run(workspace, "usual")
    bare = write_run(workspace, "bare", settings={"special_tokens": "none"})
    assert ModelChoice(usual).source().surrounded is True
    assert ModelChoice(bare).source().surrounded is False
    bare.run_toml.write_text("no toml = = =")
    assert ModelChoice(bare).source().surrounded is True


def test_no_model_and_files_that_are_none_are_refused(workspace: Path) -> None:
    (workspace / "a.txt").write_text("x")
    for choice in (ModelChoice(), ModelChoice(file=Path("a.txt")), ModelChoice(file=Path("lost.pth"))):
        with pytest.raises(UserError):
            choice.source()
    with pytest.raises(UserError, match="no weights yet"):
        ModelChoice(write_run(workspace, state=State.CREATED)).source()


@pytest.mark.parametrize(
    ("state", "device", "machine", "holds"),
    [
        (State.RUNNING, "auto", "cuda", True),
        (State.RUNNING, "cuda:0", "cuda", True),
        (State.RUNNING, "auto", None, True),
        (State.RUNNING, "cpu", "cuda", False),
        (State.RUNNING, "auto", "cpu", False),
        (State.PAUSED, "auto", "cuda", False),
        (State.STOPPING, "auto", "mps", True),
        (State.FINISHED, "auto", "cuda", False),
    ],
)
def test_a_training_run_holds_the_accelerator(
    state: State, device: str, machine: str | None, holds: bool, workspace: Path
) -> None:
    entry = read_entry(write_run(workspace, state=state, settings={"device": device}))
    status = entry.seen.status
    assert status is not None and status.host
    there = None if machine is None else facts(machine, status.host)
    assert (accelerator_holder([entry], there) is entry) is holds


def test_a_run_of_another_machine_holds_nothing_here(workspace: Path) -> None:
    entry = read_entry(write_run(workspace, state=State.RUNNING))
    assert accelerator_holder([entry], facts("cuda", "some-other-host")) is None
