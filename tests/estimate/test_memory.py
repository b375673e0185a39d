"""The estimate against the resident memory that a real micro-batch needs, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.estimate.memory import MemoryEstimate, memory_estimate
from engine.settings.shape import ModelShape, shape_of

MEASURE = """
import json, resource, sys, torch
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape
from engine.train.loss import linear_cross_entropy
from engine.train.optimizers import build_optimizer

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

asked = json.loads(sys.argv[1])
torch.set_num_threads(1)
def step(model, optimizer, rows):
    ids = torch.randint(0, model.shape.vocab_size, (rows, asked["seq_len"]))
    documents = torch.ones_like(ids)
    linear_cross_entropy(model(ids, None, documents), model.lm_head.weight, ids).backward()
    optimizer.step()

tiny = LanguageModel(ModelShape(vocab_size=64, hidden_size=64, head_dim=8, num_hidden_layers=1))
step(tiny, build_optimizer(tiny, lr=1e-3), 1)  # torch's own one-time memory
before = resident()
model = LanguageModel(ModelShape.from_dict(asked["shape"]), recompute=asked["recompute"])
step(model, build_optimizer(model, lr=1e-3), 1)  # gradients and the optimiser's state in place
step(model, build_optimizer(model, lr=1e-3), asked["batch_size"])
# not ru_maxrss: that remembers what the process that started this one held
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak * 1024 - before)
"""
SHAPES = {
    "minimind2": shape_of("minimind2", hidden_size=512, num_hidden_layers=2),
    "minimind3": shape_of("minimind3", hidden_size=384, num_hidden_layers=2, head_dim=64),
    "experts": shape_of("minimind2", hidden_size=256, num_hidden_layers=3, num_experts=4),
}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from Linux's /proc")
@pytest.mark.parametrize(("name", "recompute"), [("minimind2", True), ("minimind3", False), ("experts", False)])
def test_estimate_is_within_a_quarter_of_what_is_measured(name: str, recompute: bool) -> None:
    asked = {"batch_size": 12, "seq_len": 256, "recompute": recompute}
    command = [sys.executable, "-c", MEASURE, json.dumps(asked | {"shape": SHAPES[name].to_dict()})]
    measured = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    estimate = memory_estimate(SHAPES[name], batch_size=12, seq_len=256, recompute=recompute)
    assert estimate.total == pytest.approx(measured, rel=0.25)


def test_what_changes_the_estimate() -> None:
    def estimate(**change: object) -> MemoryEstimate:
        asked = {"batch_size": 8, "seq_len": 512} | change
        return memory_estimate(ModelShape(), **asked)  # type: ignore[arg-type]

    usual = estimate()
    assert estimate(recompute=True).total < usual.total
    assert estimate(dtype="bf16").total < usual.total
    assert estimate(optimizer="muon").total < usual.total < estimate(device="accelerator").total
    assert estimate(batch_size=16).activations == 2 * usual.activations
    assert usual.total == usual.weights + usual.gradients + usual.optimizer + usual.activations + usual.passing


def test_few_positions_need_no_whole_slice_of_logits() -> None:
    few, many = (memory_estimate(ModelShape(), batch_size=1, seq_len=length).passing for length in (16, 512))
    assert few < 2 * 2**20 + many / 2
