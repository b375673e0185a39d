"""Every way a checkpoint can be bad, met by the real supervisor with the real worker: it goes on from one before."""

import shutil

import torch
from rank_runs import train_to_the_end
from training_runs import final_weights, logged

from engine.run.checkpoints import scan
from engine.run.jsonl_log import read_lines
from engine.run.schema import State


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 16
    path.write_bytes(data)


def test_all_bad_ones_are_named_and_set_aside_and_the_last_good_one_is_used(workshop):
    straight = workshop.make(save_interval=2, keep_checkpoints=20)
    workshop.train(straight)
    run = workshop.make(save_interval=2, keep_checkpoints=20)
    workshop.train(run, (17, 0))
    steps = sorted(info.step for info in scan(run))
    assert steps == [2, 4, 6, 8, 10, 12, 14, 16, 17]
    at = {step: run.checkpoints / f"step-{step:08d}" for step in steps}
    flip(at[17] / "model.safetensors")
    (at[16] / "trainer.pth").write_bytes((at[16] / "trainer.pth").read_bytes()[:-100])
    (at[14] / "model.safetensors").unlink()
    for path in at[12].iterdir():
        path.unlink()
    (at[10] / "checkpoint.json").write_text('{"v": 1, "attempt": 1, "st')
    shutil.copy(straight.checkpoints / "step-00000006" / "checkpoint.json", at[8] / "checkpoint.json")
    shutil.copy(straight.checkpoints / "step-00000006" / "checkpoint.json", at[6] / "checkpoint.json")

    other = workshop.make(save_interval=18, learning_rate=5e-3)  # of the same data and shape: its hashes hold
    workshop.train(other, (19, 0))
    shutil.copytree(other.checkpoints / "step-00000018", run.checkpoints / "step-00000018")

    end = train_to_the_end(run)
    assert end.state is State.FINISHED
    record = run.read_manifest().attempts[-1]
    assert (record.from_checkpoint, record.exact) == ("step-00000004", True)
    bad = {line["bad_step"]: line for line in read_lines(run.events) if line["kind"] == "checkpoint_bad"}
    assert sorted(bad) == [6, 8, 10, 12, 14, 16, 17, 18] and other.id in bad[18]["problem"]
    for step, words in {17: "model.safetensors", 16: "bytes", 14: "model.safetensors", 12: "checkpoint.json"}.items():
        assert words in bad[step]["problem"]
    assert all((run.checkpoints / line["set_aside"]).is_dir() for line in bad.values())
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert logged(run) == logged(straight)
