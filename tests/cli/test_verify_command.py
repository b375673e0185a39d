"""`minimind verify`: what it says and how it exits."""

import json
from pathlib import Path

import pytest
from cli_helpers import Minimind
from run_folders import write_run

from engine.errors import UserError
from engine.run.replay import LineDifference, ReplayResult
from minimind_tui.cli import verification


def test_a_run_that_holds_exits_with_0_and_a_damaged_one_with_1(minimind: Minimind, workspace: Path) -> None:
    folder = write_run(workspace)
    called = minimind("verify")
    assert called.code == 0 and called.err == ""
    lines = called.out.splitlines()
    assert "checkpoint step-00000020: ok, 1 files as they were written, exact" in lines
    assert "metrics: ok, steps 1 to 20 without a gap" in lines and lines[-1] == f"{folder.id}: all of it holds."
    path = folder.checkpoints / "step-00000010" / "model.safetensors"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    called = minimind("verify", folder.id)
    assert called.code == 1
    assert "checkpoint step-00000010: DAMAGED, model.safetensors is damaged: its hash differs" in called.out
    assert called.out.splitlines()[-1] == f"{folder.id}: 1 of 7 are damaged."
    assert minimind("verify", "--step", "20").code == 0  # that one holds
    record = json.loads(minimind("verify", "--json").out)
    assert record["holds"] is False and record["replay"] is None
    (bad,) = [one for one in record["findings"] if one["verdict"] == "damaged"]
    assert (bad["what"], bad["facts"]["step"]) == ("checkpoint", 10)


def test_a_mistake_exits_with_2(minimind: Minimind, workspace: Path) -> None:
    assert minimind("verify").code == 2  # there is no run
    folder = write_run(workspace)
    for words in (
        ("--step", "7"),
        ("--replay", "0"),
        ("--replay", "3", "--step", "20"),
        ("--replay", "3", "--step", "7"),
    ):
        called = minimind("verify", folder.id, *words)
        assert called.code == 2 and "Error: " in called.err and "Traceback" not in called.err, words


@pytest.mark.parametrize("identical", [True, False])
def test_a_replay_is_told_in_words_and_as_json(
    minimind: Minimind, workspace: Path, monkeypatch: pytest.MonkeyPatch, identical: bool
) -> None:
    write_run(workspace)
    first = {"name": "model.layers.0.mlp.up_proj.weight", "elements": 3, "of": 64, "largest": 0.25}
    part = {"count": 9, "different": 0 if identical else 2, "first": None if identical else first}
    result = ReplayResult(
        start=10,
        until=20,
        target=20,
        lines=10,
        line=None if identical else LineDifference(13, "loss", 1.5, float("nan")),
        parts={"weights": part, "rng": {"count": 3, "different": 0, "first": None}},
        surroundings=[] if identical else ["the torch version changed from 1 to 2"],
    )
    asked = []
    monkeypatch.setattr(verification, "run_replay", lambda plan, on_progress: asked.append(plan) or result)
    called = minimind("verify", "--replay", "10")
    (plan,) = asked
    assert (plan.step, plan.until, plan.target.step) == (10, 20, 20)
    assert called.code == (0 if identical else 1)
    told = [line for line in called.out.splitlines() if line.startswith("replay: ")]
    if identical:
        assert told[-1] == "replay: bit-identical" and len(told) == 2
    else:
        assert "other conditions" in told[0] and "torch version" in told[0]  # said first
        assert "NOT bit-identical" in told[2]
        assert "step 13" in told[3] and "loss" in told[3]
        assert "weights: 2 of 9" in told[4] and "3 of 64 elements, by 0.25" in told[4]
        assert len(told) == 5
    record = json.loads(minimind("verify", "--replay", "10", "--json").out)
    assert record["replay"]["identical"] is identical and record["holds"] is identical
    assert record["replay"]["parts"]["weights"]["first"] == part["first"]


def test_a_replay_that_cannot_be_made_is_a_mistake_after_all_that_was_found(
    minimind: Minimind, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(workspace)

    def refuse(plan: object, on_progress: object) -> None:
        raise UserError("the text is gone")

    monkeypatch.setattr(verification, "run_replay", refuse)
    called = minimind("verify", "--replay", "10")
    assert called.code == 2 and "checkpoint step-00000020: ok" in called.out and "the text is gone" in called.err
    called = minimind("verify", "--replay", "10", "--json")
    assert called.code == 2
    assert json.loads(called.out)["replay"] == {"identical": None, "problem": "the text is gone"}


def test_runs_show_tells_each_checkpoint_s_badge(minimind: Minimind, workspace: Path) -> None:
    folder = write_run(workspace)
    manifest = folder.manifest.read_text()
    assert minimind("runs", "show").out.count(", exact") >= 2
    folder.manifest.write_text(manifest.replace('"attempt": 1', '"attempt": 9'))
    shown = json.loads(minimind("runs", "show", "--json").out)["checkpoints"]
    assert [one["exact"] for one in shown] == [None, None] and shown[0]["why_inexact"]
