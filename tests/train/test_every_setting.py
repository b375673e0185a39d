"""Every setting reaches the engine: each one, changed, changes what it claims to (rule 5.1, traps 43 and 50)."""

import json
from pathlib import Path

import pytest
import torch
from training_runs import write_texts, write_tokenizer

from engine.errors import UserError
from engine.run.schema import Reason, State
from engine.settings.settings import SETTING_NAMES
from engine.train import build, computing
from engine.train.update import to_device


def shape(name):
    return lambda trainer: getattr(trainer.updater.model.shape, name)


def group(name, part="adamw"):
    return lambda trainer: trainer.updater.optimizer.parts[part].param_groups[0][name]


def rate(step):
    return lambda trainer: trainer.schedule.lr_at(step, trainer.horizon)


def sampled(name):
    return lambda trainer: getattr(trainer.watcher._samples, name)


def first_weights(trainer):
    return trainer.updater.model.lm_head.weight.sum().item()


def gives_up_after(trainer):
    trainer.state.skipped_in_a_row = 7
    return trainer.guard.hopeless() is not None


def saves_at(step):
    return lambda trainer: trainer.saver.is_due(step)


def saves_after_an_hour(trainer):
    trainer.saver._saved_at -= 3600
    return trainer.saver.is_due(1)


def validates_at_three(trainer):
    return due_at_three(trainer)[0]


def samples_at_three(trainer):
    return due_at_three(trainer)[1]


def due_at_three(trainer):
    """What update 3 owes, and whether it is logged."""
    logged = []
    trainer.reporter.log = lambda *args: logged.append(args)
    for _update in range(3):
        update = next(trainer.stream)
        result = trainer.updater.update(update.micro_batches, update.target_tokens, 0.0, lambda: False, lambda *_: None)
        trainer._advance(update, result, 0.0, 1.0, 0.0)
    return "validate" in trainer.state.pending, "sample" in trainer.state.pending, len(logged)


def expert_weights(name):
    return lambda trainer: getattr(trainer.updater.model.model.layers[0].mlp.experts.up_proj, name)


def first_update(trainer):
    update = next(trainer.stream)
    return trainer.updater.update(update.micro_batches, update.target_tokens, 0.0, lambda: False, lambda *_: None)


def auxiliary_loss_of(trainer):
    return first_update(trainer).aux_loss


def routed_slots(trainer):
    return sum(first_update(trainer).expert_slots[0])


def first_logit(trainer):
    model = trainer.updater.model
    return model.logits(model(torch.ones(1, 3, dtype=torch.long)))[0, 2, 0].item()


def keeps_for_the_backward_pass(trainer):
    """Bytes that a forward pass keeps."""
    kept = []
    batch = to_device(trainer.stream.rows.batch([0, 1]), trainer.updater.device)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.nbytes) or tensor, lambda x: x):
        trainer.updater.loss_of(batch)
    return sum(kept)


# setting -> (another value, what of the built trainer must differ, settings that both sides need)
EFFECTS = {
    "architecture": ("minimind3", shape("intermediate_size"), {"hidden_size": 64}),
    "hidden_size": (32, shape("hidden_size"), {}),
    "num_hidden_layers": (3, shape("num_hidden_layers"), {}),
    "num_attention_heads": (4, shape("num_attention_heads"), {}),
    "num_key_value_heads": (2, shape("num_key_value_heads"), {}),
    "head_dim": (4, shape("head_dim"), {}),
    "intermediate_size": (40, shape("intermediate_size"), {}),
    "qk_norm": (True, shape("qk_norm"), {}),
    "norm_cast": ("after_weight", shape("norm_cast"), {}),
    "rms_norm_eps": (0.5, shape("rms_norm_eps"), {}),
    "rope_theta": (100.0, shape("rope_theta"), {}),
    "initializer": ("normal", first_weights, {}),
    "use_moe": (True, lambda trainer: len(trainer.updater.model.state_dict()), {}),
    "num_experts": (8, shape("num_experts"), {"use_moe": True}),
    "num_experts_per_tok": (3, routed_slots, {"use_moe": True}),
    "num_shared_experts": (2, lambda trainer: len(trainer.updater.model.state_dict()), {"use_moe": True}),
    "moe_intermediate_size": (24, expert_weights("shape"), {"use_moe": True}),
    "norm_topk_prob": (False, first_logit, {"use_moe": True}),
    "aux_loss": ("batch", auxiliary_loss_of, {"use_moe": True}),
    "aux_loss_coef": (0.5, auxiliary_loss_of, {"use_moe": True}),
    "router_z_loss_coef": (0.5, auxiliary_loss_of, {"use_moe": True}),
    "data_path": ("other.jsonl", lambda trainer: trainer.stream.rows.fingerprint, {}),
    "tokenizer": ("other.json", shape("vocab_size"), {}),
    "text_field": ("story", lambda trainer: trainer.stream.rows.fingerprint, {"data_path": "two_fields.jsonl"}),
    "max_seq_len": (48, lambda trainer: trainer.stream.rows.max_seq_len, {}),
    "pack": (False, lambda trainer: trainer.stream.rows.row_count, {}),
    "special_tokens": ("none", lambda trainer: trainer.stream.rows.target_tokens, {}),
    "overlong": ("truncate", lambda trainer: trainer.stream.rows.truncated_tokens, {"max_seq_len": 8}),
    "validation": (False, lambda trainer: trainer.watcher.can["validate"], {}),
    "validation_tokens": (
        256,
        lambda trainer: trainer.watcher._rows.target_tokens,
        {"data_path": "many.jsonl"},
    ),
    "epochs": (5, lambda trainer: trainer.horizon.end, {}),
    "batch_size": (3, lambda trainer: trainer.stream.micro_batch, {}),
    "accumulation_steps": (2, lambda trainer: trainer.stream.accumulation_steps, {}),
    "learning_rate": (0.5, rate(0), {}),
    "optimizer": ("muon", lambda trainer: set(trainer.updater.optimizer.parts), {}),
    "weight_decay": (0.5, group("weight_decay"), {}),
    "adam_beta1": (0.5, group("betas"), {}),
    "adam_beta2": (0.5, group("betas"), {}),
    "adam_eps": (0.5, group("eps"), {}),
    "muon_momentum": (0.5, group("momentum", "muon"), {"optimizer": "muon"}),
    "grad_clip": (0.5, lambda trainer: trainer.updater.grad_clip, {}),
    "seed": (7, lambda trainer: (first_weights(trainer), trainer.stream.seed), {}),
    "nonfinite_limit": (5, gives_up_after, {}),
    "spike_threshold": (5.0, lambda trainer: trainer.guard._detector.threshold, {}),
    "schedule": ("constant", rate(9), {}),
    "warmup_steps": (5, rate(0), {}),
    "min_lr_ratio": (0.9, rate(9), {}),
    "decay_ratio": (0.9, rate(9), {"schedule": "wsd"}),
    "max_steps": (3, lambda trainer: trainer.horizon.end, {}),
    "time_budget": (60, lambda trainer: trainer.planner.bounds, {}),
    "deadline": ("2999-01-01T00:00", lambda trainer: trainer.planner.bounds, {}),
    "dtype": ("bf16", lambda trainer: trainer.updater.autocast().__class__, {}),
    "recompute": (True, keeps_for_the_backward_pass, {}),
    "deterministic": (False, lambda trainer: torch.get_deterministic_debug_mode(), {}),
    "num_threads": (2, lambda trainer: torch.get_num_threads(), {}),
    "save_interval": (3, saves_at(3), {}),
    "save_minutes": (0, saves_after_an_hour, {}),
    "log_interval": (2, lambda trainer: due_at_three(trainer)[2], {}),
    "eval_interval": (3, validates_at_three, {}),
    "sample_interval": (3, samples_at_three, {"sample_prompts": ["1:"]}),
    "sample_prompts": (["a"], sampled("prompts"), {}),
    "sample_tokens": (3, sampled("tokens"), {}),
    "sample_temperature": (0.1, sampled("temperature"), {}),
    "sample_top_p": (0.1, sampled("top_p"), {}),
    "sample_top_k": (3, sampled("top_k"), {}),
}
BY_BEHAVIOUR = {  # proved by a test of its own below
    "bad_lines": "", "bad_lines_limit": "", "num_workers": "", "device": "", "compile": "", "from_weight": "",
    "nproc": "train/test_several_processes.py", "nnodes": "", "rank_timeout": "",
    "nonfinite": "train/test_guard.py", "spikes": "train/test_guard.py", "rollback_lr_scale": "train/test_guard.py",
    "rollback_limit": "train/test_guard.py", "keep_checkpoints": "", "save_dir": "", "save_weight": "",
    "use_wandb": "", "use_swanlab": "", "use_tensorboard": "", "wandb_project": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def other_files(workshop):
    other = write_texts(workshop.folder / "other.jsonl", seed=1)
    write_texts(workshop.folder / "many.jsonl", count=800)
    write_tokenizer(workshop.folder / "other.json", other, size=290)
    with (workshop.folder / "two_fields.jsonl").open("w") as file:
        for line in other.open():
            text = json.loads(line)["text"]
            file.write(json.dumps({"text": text, "story": text[::-1]}) + "\n")
    before = torch.get_deterministic_debug_mode()
    yield
    torch.set_deterministic_debug_mode(before)


def built(workshop, **values):
    return workshop.trainer(workshop.make(**values))


def closed(trainer):
    trainer.stream.close()
    trainer.link.finish(State.STOPPED, Reason.REQUEST, "")


def test_no_setting_is_left_out():
    assert set(EFFECTS) | set(BY_BEHAVIOUR) == set(SETTING_NAMES)
    assert not set(EFFECTS) & set(BY_BEHAVIOUR)


@pytest.mark.parametrize("name", EFFECTS)
def test_a_changed_setting_changes_what_it_claims_to(workshop, name):
    value, observe, needs = EFFECTS[name]
    seen = []
    for values in (needs, {**needs, name: value}):
        trainer = built(workshop, **values)
        seen.append(observe(trainer))
        closed(trainer)
    assert seen[0] != seen[1]


def test_bad_lines_are_skipped_up_to_their_limit_or_not_at_all(workshop):
    path = workshop.folder / "bad.jsonl"
    path.write_text(workshop.texts.read_text() + "{broken\n")
    closed(built(workshop, data_path=str(path)))
    with pytest.raises(UserError, match="151"):
        built(workshop, data_path=str(path), bad_lines="stop")
    with pytest.raises(UserError, match="151"):
        built(workshop, data_path=str(path), bad_lines_limit=0.001)


def test_the_number_of_workers_reaches_the_tokeniser(workshop, monkeypatch):
    from engine.train import material

    asked = []
    real = material.open_token_cache

    def spy(*args, threads, **rest):
        asked.append(threads)
        return real(*args, threads=threads, **rest)

    monkeypatch.setattr(material, "open_token_cache", spy)
    for value in ("auto", 2):
        closed(built(workshop, num_workers=value))
    assert asked == [None, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_device_that_is_not_there_is_refused(workshop):
    with pytest.raises(UserError, match="cuda"):
        built(workshop, device="cuda:0")


def test_compile_is_used_when_asked_for_and_falls_back_with_a_reason(workshop, monkeypatch):
    from engine.run.jsonl_log import read_lines
    from engine.train.precision import CompileChoice

    monkeypatch.setattr(computing, "choose_compile", lambda asked, *_a, **_k: CompileChoice(asked is True, "asked"))
    monkeypatch.setattr(torch, "compile", lambda model: lambda *args: model(*args))
    plain, compiled = built(workshop, compile=False), built(workshop, compile=True)
    assert plain.updater.network is plain.updater.model
    assert compiled.updater.network is not compiled.updater.model and compiled.stream.fixed_shape
    assert all(parameter.grad is None for parameter in compiled.updater.model.parameters())
    closed(plain)
    closed(compiled)

    def broken(_model):
        def fail(*_args):
            raise RuntimeError("g++: error: no space left")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    trainer = built(workshop, compile=True)
    closed(trainer)
    assert trainer.updater.network is trainer.updater.model
    warnings = [line["message"] for line in read_lines(trainer.link.folder.events) if line["kind"] == "warning"]
    assert any("no space left" in message for message in warnings)


def test_weights_to_begin_from_are_used(workshop):
    first = workshop.make(max_steps=2)
    workshop.train(first)
    fresh, begun = built(workshop), built(workshop, from_weight=first.id)
    assert first_weights(fresh) != first_weights(begun)
    closed(fresh)
    closed(begun)


def test_checkpoints_kept_and_weights_published_as_asked(workshop):
    run = workshop.make(
        max_steps=8, save_interval=1, eval_interval=0, keep_checkpoints=4, save_dir="out", save_weight="mine"
    )
    workshop.train(run)
    assert len(list(run.checkpoints.glob("step-*"))) in (4, 5)
    assert (Path("out") / "mine_16.pth").is_file() and (run.weights / "mine_16.safetensors").is_file()


def test_trackers_are_those_asked_for(workshop, monkeypatch):
    asked = []

    class Silent:
        def log(self, *_args): ...
        def sample(self, *_args): ...
        def finish(self, *_args): ...

    def spy(names, info, _on_problem, *, rank):
        assert rank == 0
        asked.append((list(names), info.project))
        return Silent()

    monkeypatch.setattr(build, "build_trackers", spy)
    for values in (
        {},
        {"use_wandb": True, "wandb_project": "mine"},
        {"use_swanlab": True},
        {"use_tensorboard": True},
    ):
        closed(built(workshop, **values))
    assert asked == [
        ([], "MiniMind-Pretrain"),
        (["wandb"], "mine"),
        (["swanlab"], "MiniMind-Pretrain"),
        (["tensorboard"], "MiniMind-Pretrain"),
    ]
