"""Weights in and out, also between our network and transformers' Llama and Qwen3 under MiniMind's keys."""

import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from engine.convert.fitting import infer_shape, load_weights
from engine.convert.reading import read_weights
from engine.convert.writing import checkpoint_tensors, describe, published_tensors, save_pth, save_safetensors
from engine.errors import UserError
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape, shape_of

sys.path.insert(0, str(Path(__file__).parent.parent / "model"))
from reference_models import SMALL, build, reference, relative_error

TINY = shape_of("minimind2", vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=24)


def write_pth(tensors: Any, path: Path) -> Path:
    with path.open("wb") as file:
        save_pth(tensors, file)
    return path


def write_safetensors(tensors: dict[str, Tensor], path: Path, **metadata: str) -> Path:
    with path.open("wb") as file:
        save_safetensors(tensors, file, metadata)
    return path


def refusal(model: LanguageModel, path: Path) -> str:
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(UserError) as refused:
        load_weights(model, read_weights(path))
    assert all(map(torch.equal, before, model.parameters())), "a refused file changed the model"
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", SMALL)
def test_a_pth_of_ours_loads_strictly_into_an_independent_network(name: str, tmp_path: Path) -> None:
    model = build(SMALL[name])
    path = write_pth(published_tensors(model), tmp_path / "pretrain_48.pth")
    state = torch.load(path, weights_only=True)
    assert all(tensor.dtype == torch.float16 and tensor.device.type == "cpu" for tensor in state.values())
    other = reference(SMALL[name])
    other.load_state_dict(state, strict=True)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert relative_error(other(ids).logits, model.logits(model(ids))) < 1e-2  # fp16 rounding of the weights
        load_weights(model, read_weights(path))
        assert relative_error(other(ids).logits, model.logits(model(ids))) < 1e-5


@pytest.mark.parametrize("name", SMALL)
def test_a_pth_of_an_independent_network_loads_here(name: str, tmp_path: Path) -> None:
    other = reference(SMALL[name])
    state = {key: tensor.half() for key, tensor in other.state_dict().items()}
    other.load_state_dict(state)  # so that it computes with the rounded weights too
    weights = read_weights(write_pth(state, tmp_path / "full_sft_48.pth"))
    shape = infer_shape(weights, num_attention_heads=SMALL[name].num_attention_heads)
    assert shape == SMALL[name]
    model = LanguageModel(shape)
    load_weights(model, weights)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert relative_error(model.logits(model(ids)), other(ids).logits) < 1e-5


def test_the_default_pth_is_as_large_as_minimind_s(tmp_path: Path) -> None:
    path = write_pth(published_tensors(LanguageModel(ModelShape())), tmp_path / "pretrain_512.pth")
    assert path.stat().st_size == pytest.approx(58_236_994, abs=4096)
    assert len(torch.load(path, weights_only=True)) == 75


def test_a_checkpoint_keeps_every_bit_and_says_what_it_is(tmp_path: Path) -> None:
    model = build(TINY)
    description = describe(TINY, step=12, tokenizer_hash="abc")
    path = write_safetensors(checkpoint_tensors(model), tmp_path / "model.safetensors", **description)
    theirs = safetensors.torch.load_file(path)
    assert theirs.keys() == dict(model.named_parameters()).keys() and "lm_head.weight" not in theirs
    weights = read_weights(path)
    assert weights.metadata == description
    assert (weights.metadata["step"], weights.metadata["tokenizer_hash"]) == ("12", "abc")
    assert infer_shape(weights) == TINY
    again = LanguageModel(TINY)
    load_weights(again, weights)
    assert all(map(torch.equal, model.parameters(), again.parameters()))


def test_published_safetensors_list_the_head_and_open_elsewhere(tmp_path: Path) -> None:
    """Trap 60: safetensors refuses tensors that share memory, so the head is written out."""
    model = build(TINY)
    path = write_safetensors(published_tensors(model), tmp_path / "pretrain_16.safetensors", format="pt")
    theirs = safetensors.torch.load_file(path)
    assert theirs.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(theirs[name], tensor.half()), name
    load_weights(LanguageModel(TINY), read_weights(path))


def test_safetensors_of_others_load_whatever_their_precision(tmp_path: Path) -> None:
    model = build(TINY)
    path = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file({name: each.bfloat16() for name, each in checkpoint_tensors(model).items()}, path)
    weights = read_weights(path)
    assert all(tensor.dtype == torch.float32 for tensor in weights.tensors.values())
    again = LanguageModel(TINY)
    load_weights(again, weights)
    assert torch.equal(again.lm_head.weight, model.lm_head.weight.bfloat16().float())


class Trickle(io.RawIOBase):
    """A file that only has `write`, as one that hashes what passes through."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += bytes(data)
        return len(bytes(data))


def test_both_formats_go_to_any_object_with_write() -> None:
    tensors = published_tensors(build(TINY))
    pth, plain = Trickle(), Trickle()
    save_pth(tensors, pth)  # type: ignore[arg-type]
    save_safetensors(tensors, plain, {})  # type: ignore[arg-type]
    for read in (torch.load(io.BytesIO(pth.content), weights_only=True), safetensors.torch.load(plain.content)):
        assert read.keys() == tensors.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_compiled_and_distributed_modules_are_taken_off(prefix: str, tmp_path: Path) -> None:
    """Trap 8."""
    model = build(TINY)
    path = write_pth({prefix + name: each for name, each in model.state_dict().items()}, tmp_path / "w.pth")
    again = LanguageModel(TINY)
    load_weights(again, read_weights(path))
    assert all(map(torch.equal, model.parameters(), again.parameters()))


def test_a_resume_file_gives_its_weights(tmp_path: Path) -> None:
    model = build(TINY)
    content = {"model": published_tensors(model), "optimizer": {"state": {}}, "epoch": 1, "step": 100}
    again = LanguageModel(TINY)
    load_weights(again, read_weights(write_pth(content, tmp_path / "pretrain_16_resume.pth")))
    taken = published_tensors(again)
    assert all(torch.equal(taken[name], tensor) for name, tensor in published_tensors(model).items())


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"num_hidden_layers": 3}, "num_hidden_layers is 3 here and 2 in the file"),
        ({"num_hidden_layers": 1}, "num_hidden_layers is 1 here and 2 in the file"),
        ({"hidden_size": 32, "head_dim": 2}, "hidden_size is 32 here and 16 in the file"),
        ({"vocab_size": 30}, "vocab_size is 30 here and 31 in the file"),
        ({"intermediate_size": 20}, "intermediate_size is 20 here and 24 in the file"),
        ({"num_key_value_heads": 4}, "num_key_value_heads * head_dim is 8 here and 4 in the file"),
        ({"head_dim": 4}, "num_attention_heads * head_dim is 32 here and 16 in the file"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, int], setting: str, tmp_path: Path) -> None:
    """Trap 11: MiniMind's strict=False hid a wrong layer count."""
    path = write_pth(published_tensors(build(TINY)), tmp_path / "w.pth")
    sizes = {"vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24} | change
    assert setting in refusal(LanguageModel(shape_of("minimind2", **sizes)), path)  # type: ignore[arg-type]


def test_the_wrong_generation_is_named(tmp_path: Path) -> None:
    other = shape_of(
        "minimind3", vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=24, num_key_value_heads=2
    )
    path = write_pth(published_tensors(build(other)), tmp_path / "w.pth")
    assert "qk_norm is False here and True in the file" in refusal(LanguageModel(TINY), path)


def test_a_missing_and_a_foreign_tensor_are_both_named(tmp_path: Path) -> None:
    tensors = published_tensors(build(TINY))
    del tensors["model.layers.1.mlp.up_proj.weight"]
    tensors["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(16)
    message = refusal(LanguageModel(TINY), write_pth(tensors, tmp_path / "w.pth"))
    assert "missing: model.layers.1.mlp.up_proj.weight" in message
    assert "not of this model: model.layers.0.self_attn.q_proj.bias" in message


def test_a_tensor_of_another_size_deep_inside_is_named(tmp_path: Path) -> None:
    tensors = published_tensors(build(TINY)) | {"model.layers.1.mlp.up_proj.weight": torch.zeros(23, 16)}
    message = refusal(LanguageModel(TINY), write_pth(tensors, tmp_path / "w.pth"))
    assert "of another size: model.layers.1.mlp.up_proj.weight" in message


def test_an_untied_head_is_refused(tmp_path: Path) -> None:
    tensors = published_tensors(build(TINY))
    tensors["lm_head.weight"][0, 0] += 1
    assert "lm_head.weight differs from" in refusal(LanguageModel(TINY), write_pth(tensors, tmp_path / "w.pth"))


EXPERTS = shape_of("minimind2", vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=24, num_experts=4)
THIRD = shape_of("minimind3", vocab_size=31, hidden_size=16, num_hidden_layers=2, num_key_value_heads=2, num_experts=3)


@pytest.mark.parametrize("shape", [EXPERTS, THIRD])
def test_experts_go_out_under_minimind_s_names_and_come_back(shape: ModelShape, tmp_path: Path) -> None:
    model = build(shape)
    path = write_safetensors(
        checkpoint_tensors(model), tmp_path / "m.safetensors", **describe(shape, step=1, tokenizer_hash="h")
    )
    assert safetensors.torch.load_file(path)["model.layers.1.mlp.experts.2.down_proj.weight"].shape[0] == 16
    weights = read_weights(path)
    assert infer_shape(weights) == shape
    again = LanguageModel(shape)
    load_weights(again, weights)
    assert all(map(torch.equal, model.parameters(), again.parameters()))
    published = write_pth(published_tensors(model), tmp_path / "pretrain_16_moe.pth")
    assert torch.load(published, weights_only=True).keys() == model.state_dict().keys()
    load_weights(again, read_weights(published))
    halves = zip(model.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(ours.half().float(), theirs) for ours, theirs in halves)


def test_a_published_expert_holds_its_own_bytes_alone(tmp_path: Path) -> None:
    """Each is a slice of a stack; torch would write the whole stack with a view of it."""
    model = build(EXPERTS)
    path = write_pth(published_tensors(model), tmp_path / "w.pth")
    assert path.stat().st_size < 1.3 * sum(tensor.nbytes for tensor in published_tensors(model).values()) + 200 * 300


def test_the_shape_of_foreign_experts_is_minimind_s(tmp_path: Path) -> None:
    """What no tensor tells is as MiniMind has it, the weight of a single choice scaled to 1 included."""
    found = infer_shape(read_weights(write_pth(published_tensors(build(EXPERTS)), tmp_path / "a.pth")))
    assert found == EXPERTS
    third = infer_shape(read_weights(write_pth(published_tensors(build(THIRD)), tmp_path / "b.pth")))
    assert (third.num_experts, third.num_experts_per_tok, third.num_shared_experts) == (3, 1, 0)
    assert third.norm_topk_prob and third.expert_size == THIRD.expert_size


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"num_experts": 5}, "num_experts is 5 here and 4 in the file"),
        ({"num_experts": 0}, "use_moe is False here and True in the file"),
        ({"num_shared_experts": 2}, "num_shared_experts is 2 here and 1 in the file"),
        ({"expert_size": 20}, "moe_intermediate_size is 20 here and 24 in the file"),
    ],
)
def test_a_wrong_setting_of_experts_is_named(change: dict[str, int], setting: str, tmp_path: Path) -> None:
    path = write_pth(published_tensors(build(EXPERTS)), tmp_path / "w.pth")
    sizes = {"vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24, "num_experts": 4}
    assert setting in refusal(LanguageModel(shape_of("minimind2", **sizes | change)), path)  # type: ignore[arg-type]


def test_a_dense_file_is_refused_by_a_mixture(tmp_path: Path) -> None:
    path = write_pth(published_tensors(build(TINY)), tmp_path / "w.pth")
    assert "use_moe is True here and False in the file" in refusal(LanguageModel(EXPERTS), path)


def test_a_head_count_that_explains_nothing_is_refused(tmp_path: Path) -> None:
    path = write_pth(published_tensors(build(TINY)), tmp_path / "w.pth")
    with pytest.raises(UserError, match="num_attention_heads"):
        infer_shape(read_weights(path), num_attention_heads=3)


class Harmful:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harmed"),))


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model.embed_tokens.weight": Harmful()}, "w.pth")
    Path("old.pth").write_bytes(pickle.dumps(Harmful()))
    for name in ("w.pth", "old.pth"):
        with pytest.raises(UserError, match="could run code"):
            read_weights(Path(name))
    assert not Path("harmed").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_cut_file_is_refused_by_name(suffix: str, tmp_path: Path) -> None:
    tensors = published_tensors(build(TINY))
    path = tmp_path / f"w{suffix}"
    (write_pth if suffix == ".pth" else write_safetensors)(tensors, path)
    content = path.read_bytes()
    for length in (len(content) - 100, 9, 0):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=f"w{suffix}.*again"):
            read_weights(path)


def test_files_that_hold_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no weights file"):
        read_weights(tmp_path / "absent.pth")
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(UserError, match=r"neither \.pth nor \.safetensors"):
        read_weights(text)
    with pytest.raises(UserError, match="other than a dictionary of tensors"):
        read_weights(write_pth({"a": 1}, tmp_path / "a.pth"))
    with pytest.raises(UserError, match="not a model of the MiniMind kind"):
        read_weights(write_pth({"a": torch.zeros(1)}, tmp_path / "b.pth"))


def test_the_description_is_plain_json(tmp_path: Path) -> None:
    assert ModelShape.from_dict(json.loads(describe(TINY, step=1, tokenizer_hash="h")["shape"])) == TINY
