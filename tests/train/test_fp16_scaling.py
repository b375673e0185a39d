"""fp16 in a whole run: fp32 masters, a scale that finds its place, skipped updates counted, saved, told (trap 24)."""

from typing import Any

import pytest
import torch
from training_runs import final_weights, logged

from engine.run.jsonl_log import read_lines
from engine.train import build, computing
from engine.train.optimizers import LossScaler

FP16 = {"dtype": "fp16", "max_steps": 12, "save_interval": 3, "epochs": 9, "eval_interval": 0}


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large product in emulated fp16 takes many seconds."""
    monkeypatch.setattr(computing, "measure_matmul", lambda *_args, **_options: 1e9)


@pytest.fixture
def high_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scale that overflows fp16 for some updates, as 2**16 does for a large model."""
    monkeypatch.setattr(build, "LossScaler", lambda enabled: LossScaler(enabled, initial=2.0**25, growth_interval=4))


def lines_of(run: Any) -> list[dict[str, Any]]:
    return [line for line in read_lines(run.metrics) if line["kind"] == "train"]


def test_skipped_updates_are_counted_shown_and_told(workshop: Any, high_scale: None) -> None:
    run = workshop.make(**FP16)
    trainer = workshop.train(run)
    lines = lines_of(run)
    skipped = lines[-1]["skipped"]
    assert 3 < skipped < 12, "the test wants updates of both kinds"
    assert [line["skipped"] for line in lines[: skipped + 1]] == [*range(1, skipped + 1), skipped]
    assert [line["loss_scale"] for line in lines[:skipped]] == [2.0 ** (24 - n) for n in range(skipped)]
    status = trainer.link.status
    assert status.skipped == trainer.state.skipped == skipped
    assert status.loss_scale == trainer.updater.scaler.scale == lines[-1]["loss_scale"]
    guards = [event["message"] for event in read_lines(run.events) if event["kind"] == "guard"]
    assert len(guards) == skipped and all("overflowed in fp16" in message for message in guards)
    assert trainer.state.skipped_in_a_row == 0, "a scale that still searches is no divergence"


def test_masters_state_and_gradients_are_fp32_and_the_products_fp16(workshop: Any) -> None:
    run = workshop.make(**{**FP16, "max_steps": 2})
    trainer = workshop.trainer(run)
    seen = set()
    for layer in trainer.updater.model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(lambda _layer, _args, out: seen.add(out.dtype))
    dtypes = []
    step = trainer.updater.optimizer.step

    def caught() -> None:
        dtypes.extend(parameter.grad.dtype for parameter in trainer.updater.optimizer.parameters)
        step()

    trainer.updater.optimizer.step = caught
    with trainer.stream:
        trainer.run()
    trainer.link._status.stop()
    assert seen == {torch.float16} and set(dtypes) == {torch.float32}
    assert {parameter.dtype for parameter in trainer.updater.model.parameters()} == {torch.float32}
    state = trainer.updater.optimizer.state_dict()["state"]
    assert {value.dtype for values in state.values() for value in values.values()} == {torch.float32}


def test_scale_and_count_go_on_exactly_after_a_resume(workshop: Any, high_scale: None) -> None:
    straight, broken = workshop.make(**FP16), workshop.make(**FP16)
    workshop.train(straight)
    for stop_at in ((2, 1), (7, 0)):
        workshop.train(broken, stop_at)
    workshop.train(broken)
    wanted = [(line["skipped"], line["loss_scale"]) for line in lines_of(straight)]
    found = {line["step"]: (line["skipped"], line["loss_scale"]) for line in lines_of(broken)}
    assert [found[step] for step in sorted(found)] == wanted
    assert repr(logged(broken)) == repr(logged(straight))  # a loss that is not finite is NaN
    ours, theirs = final_weights(broken), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert broken.read_manifest().attempts[-1].exact


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_other_precisions_have_no_scale(workshop: Any, dtype: str) -> None:
    run = workshop.make(dtype=dtype, max_steps=2)
    trainer = workshop.train(run)
    assert all("loss_scale" not in line for line in lines_of(run))
    assert trainer.link.status.loss_scale is None and trainer.link.status.skipped == 0
