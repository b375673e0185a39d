"""The auxiliary loss of experts: its values by hand, how it joins an update, what the log and a resume make of it."""

import math
from contextlib import nullcontext

import pytest
import torch
from training_runs import final_weights, logged

from engine.convert.reading import read_weights
from engine.data.rows import IGNORE, Batch
from engine.data.synthetic_rows import SyntheticRows
from engine.model.router import Routing
from engine.model.transformer import LanguageModel
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import read_lines
from engine.run.schema import TrainLine
from engine.settings.balancing import Balancing, balancing_of
from engine.settings.resolve import build_settings
from engine.settings.shape import shape_of
from engine.train.balancing import RouterTally, auxiliary_loss
from engine.train.optimizers import LossScaler, build_optimizer
from engine.train.update import Updater

EVEN = Routing(  # 2 layers, 2 rows of 4 tokens, 2 of 4 experts each
    chosen=torch.full((2, 2, 4), 2),
    probability=torch.full((2, 2, 4), 1.0),
    squared_log_sum=torch.zeros(2, 2),
    tokens=torch.full((2, 2), 4),
)
UNEVEN = Routing(  # one layer, one choice a token; the second row is half empty, the third is padding
    chosen=torch.tensor([[[3, 1], [0, 2], [0, 0]]]),
    probability=torch.tensor([[[2.4, 1.6], [0.6, 1.4], [0.0, 0.0]]]),
    squared_log_sum=torch.tensor([[8.0, 10.0, 0.0]]),
    tokens=torch.tensor([[4, 2, 0]]),
)


@pytest.mark.parametrize("kind", ["sequence", "batch"])
def test_an_even_load_costs_the_coefficient_a_layer(kind):
    assert auxiliary_loss(EVEN, Balancing(kind, 0.01)).item() == pytest.approx(2 * 0.01)


def test_minimind_s_sequence_wise_loss_by_hand():
    """alpha * mean over rows of sum_e count_e / (T k / E) * mean p_e, the row of padding left out."""
    first = 3 / (4 / 2) * (2.4 / 4) + 1 / (4 / 2) * (1.6 / 4)
    second = 0 + 2 / (2 / 2) * (1.4 / 2)
    expected = 0.01 * (first + second) / 2
    assert auxiliary_loss(UNEVEN, Balancing("sequence", 0.01)).item() == pytest.approx(expected)


def test_minimind3_s_batch_wise_loss_by_hand():
    """coefficient * E * sum_e load_e * mean p_e over all six tokens."""
    expected = 5e-4 * 2 * (3 / 6 * (3.0 / 6) + 3 / 6 * (3.0 / 6))
    assert auxiliary_loss(UNEVEN, Balancing("batch", 5e-4)).item() == pytest.approx(expected)


def test_it_does_not_grow_with_the_choices_of_a_token():  # trap 39
    twice = UNEVEN._replace(chosen=2 * UNEVEN.chosen)
    for kind in ("sequence", "batch"):
        once, both = (auxiliary_loss(each, Balancing(kind, 1.0)).item() for each in (UNEVEN, twice))
        assert once == pytest.approx(both)


def test_the_z_loss_is_the_mean_square_of_the_log_sum():
    assert auxiliary_loss(UNEVEN, Balancing("batch", 0.0, 0.1)).item() == pytest.approx(0.1 * 18 / 6)


def test_nothing_but_padding_costs_nothing():
    nothing = Routing(*(torch.zeros_like(each) for each in UNEVEN))
    for kind in ("sequence", "batch"):
        assert auxiliary_loss(nothing, Balancing(kind, 1.0, 1.0)).item() == 0.0


def test_what_a_network_did_gives_minimind_s_loss():
    """From the router's own logits on a batch of two rows, as the facts write the formula."""
    shape = shape_of("minimind2", vocab_size=31, hidden_size=16, num_hidden_layers=2, num_experts=4)
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(0))
    seen = []
    for block in model.model.layers:
        block.mlp.gate.rate = lambda x, rate=block.mlp.gate.rate: seen.append(rate(x)) or seen[-1]
    model(torch.randint(0, 31, (2, 10)))
    expected = 0.0
    for _logits, probabilities in seen:
        for row in probabilities:
            chosen = row.topk(2, dim=-1).indices.flatten()
            load = torch.bincount(chosen, minlength=4) / (10 * 2 / 4)
            expected += 0.01 * float((load * row.mean(0)).sum().detach()) / 2
    found = auxiliary_loss(model.take_routing(), Balancing("sequence", 0.01))
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()
    assert all(block.mlp.gate.weight.grad.abs().sum() > 0 for block in model.model.layers)


def test_a_tally_weighs_each_micro_batch_by_its_tokens():
    tally = RouterTally(Balancing("batch", 1.0), 1, 2, torch.device("cpu"))
    parts = [tally.add(UNEVEN, 0.75), tally.add(UNEVEN._replace(chosen=torch.tensor([[[4, 0], [2, 0], [0, 0]]])), 0.25)]
    assert tally.auxiliary.item() == pytest.approx(sum(part.item() for part in parts))
    assert tally.auxiliary.item() == pytest.approx(0.75 * 1.0 + 0.25 * 2 * 0.5)
    assert tally.slots.tolist() == [[9, 3]]


def part_of(batch, part):
    arrays = {name: getattr(batch, name)[part] for name in ("ids", "labels", "positions", "document_ids", "rows")}
    return Batch(**arrays, target_tokens=int((arrays["labels"] != IGNORE).sum()))


def updated(coefficient, micro_batches, rows=4):
    """The gradient's effect of one update of the same rows in so many micro-batches, and its result."""
    shape = shape_of(
        "minimind2", vocab_size=61, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        num_experts=4,
    )  # fmt: skip
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(0)).double()
    whole = SyntheticRows(61, 24, piece_length=9, pack=True, row_count=rows).batch(list(range(rows)))
    size = rows // micro_batches
    batches = [part_of(whole, slice(start, start + size)) for start in range(0, rows, size)]
    optimizer = build_optimizer(model, lr=1e-2, eps=1e-3)
    updater = Updater(model, model, optimizer, LossScaler(False), nullcontext, 0.0, Balancing("sequence", coefficient))
    tokens = sum(batch.target_tokens for batch in batches)
    result = updater.update(batches, tokens, 1e-2, lambda: False, lambda *_: None)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]), result


def test_without_the_loss_an_update_does_not_depend_on_its_split():
    whole, one = updated(0.0, 1)
    split, four = updated(0.0, 4)
    torch.testing.assert_close(split, whole)
    assert four.loss_sum == pytest.approx(one.loss_sum)
    assert four.expert_slots == one.expert_slots and four.aux_loss == one.aux_loss == 0.0


def test_the_loss_reaches_the_weights_and_not_the_cross_entropy():
    without, plain = updated(0.0, 2)
    with_it, balanced = updated(0.5, 2)
    assert balanced.loss_sum == plain.loss_sum
    assert balanced.aux_loss > 0.9  # 0.5 and more for each of the two layers
    assert (with_it - without).abs().max() > 1e-4


def test_no_graph_outlives_an_update():  # trap 27
    _, result = updated(0.5, 2)
    assert isinstance(result.aux_loss, float) and isinstance(result.expert_slots[0][0], int)


def test_settings_give_each_generation_its_own():
    assert balancing_of(build_settings({})) is None
    second = balancing_of(build_settings({"use_moe": 1}))
    third = balancing_of(build_settings({"use_moe": 1, "architecture": "minimind3"}))
    assert (second, third) == (Balancing("sequence", 0.01), Balancing("batch", 5e-4))
    asked = {"use_moe": 1, "aux_loss": "batch", "aux_loss_coef": 0.2, "router_z_loss_coef": 0.001}
    assert balancing_of(build_settings(asked)) == Balancing("batch", 0.2, 0.001)


def train_lines(run):
    return [line for line in read_lines(run.metrics) if line["kind"] == "train"]


MOE = {"use_moe": True, "num_experts": 4}


def test_the_log_tells_load_and_loss(workshop):
    run = workshop.make(**MOE, max_steps=4, log_interval=2, router_z_loss_coef=0.001)
    workshop.train(run)
    lines = train_lines(run)
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        TrainLine.model_validate(line)
        assert 0.02 < line["aux_loss"] < 0.09  # two layers, even 0.02, plus the z-loss
        assert line["loss"] < math.log(300) + 1  # the cross-entropy alone
        assert len(line["expert_load"]) == 2
        assert all(len(layer) == 4 and sum(layer) == pytest.approx(1, abs=1e-4) for layer in line["expert_load"])
    assert {path.name for path in run.weights.iterdir()} >= {"pretrain_16_moe.pth", "pretrain_16_moe.safetensors"}
    published = torch.load(run.weights / "pretrain_16_moe.pth", weights_only=True)
    assert published["model.layers.1.mlp.experts.3.down_proj.weight"].dtype == torch.float16


def test_a_run_whose_experts_starve_says_so_once(workshop):
    """A router of zeros finds all experts alike, and always takes the first of them."""
    run = workshop.make(**MOE, max_steps=12, log_interval=1, aux_loss_coef=0.0, learning_rate=1e-9, batch_size=2)
    trainer = workshop.trainer(run)
    with torch.no_grad():
        for layer in trainer.updater.model.model.layers:
            layer.mlp.gate.weight.zero_()
    trainer.run()
    warnings = [event["message"] for event in read_lines(run.events) if event["kind"] == "warning"]
    assert [message for message in warnings if "starve" in message] == [warnings[-1]]
    assert "aux_loss_coef" in warnings[-1]


def test_a_dense_run_logs_neither(workshop):
    run = workshop.make(max_steps=2)
    workshop.train(run)
    assert not {"aux_loss", "expert_load"} & set(train_lines(run)[0])


@pytest.mark.parametrize("options", [{"optimizer": "muon"}, {"architecture": "minimind3"}])
def test_a_run_with_experts_resumes_bit_for_bit(workshop, options):
    """Also amid a log interval: its sums of loads and auxiliary losses are in the checkpoint."""
    options = {**MOE, **options, "log_interval": 3}
    straight, broken = workshop.make(**options), workshop.make(**options)
    end = workshop.train(straight).horizon.end
    for stop_at in ((2, 0), (4, 1), (5, 1), (end - 1, 1)):
        assert workshop.train(broken, stop_at).state.step == stop_at[0]
    workshop.train(broken)
    ours, theirs = final_weights(straight), final_weights(broken)
    assert ours.keys() == theirs.keys() and any("experts.3" in name for name in ours)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert logged(straight) == logged(broken)
    told = []
    for run in (straight, broken):
        by_step = {line["step"]: (line["aux_loss"], line["expert_load"]) for line in train_lines(run)}
        history = MetricsHistory()
        history.feed(read_lines(run.metrics))
        told.append(by_step)
        assert list(history.train.column("aux_loss")) == [by_step[step][0] for step in history.train.steps]
    assert told[0] == told[1]
    last = broken.read_manifest().attempts[-1]
    assert last.exact is True and last.why_inexact == []


def test_a_run_begins_with_another_s_experts(workshop):
    first = workshop.make(**MOE, max_steps=2)
    workshop.train(first)
    second = workshop.trainer(workshop.make(**MOE, from_weight=first.id))
    second.stream.close()
    expected = read_weights(first.weights / "pretrain_16_moe.safetensors").tensors
    ours = second.updater.model.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in expected.items())
