"""Weights made to do harm: nothing of them runs, none takes more memory than its file has bytes."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.convert.fitting import infer_shape, load_weights
from engine.convert.names import EMBEDDING
from engine.convert.plain_pickle import load_plain
from engine.convert.reading import read_description, read_weights
from engine.convert.writing import describe, published_tensors, save_safetensors
from engine.errors import UserError
from engine.model.transformer import LanguageModel
from engine.settings.shape import shape_of

TINY = shape_of("minimind2", vocab_size=31, hidden_size=16, num_hidden_layers=2, intermediate_size=24)


class Call:
    """Pickled, it asks for a call when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def harmful() -> list[Any]:
    """Ways in which a pickle has been made to run code: each would leave the file `harmed`."""
    return [
        Call(os.system, "touch harmed"),
        Call(eval, "open('harmed', 'w')"),
        Call(exec, "open('harmed', 'w')"),
        Call(open, "harmed", "w"),
        Call(__import__, "os"),
        Call(getattr, str, "format"),
        Call(torch.load, "inner.pth"),
        Call(pickle.loads, pickle.dumps(Call(open, "harmed", "w"))),
    ]


def places(bad: Any) -> dict[str, Any]:
    """Where a pickle may hide it."""
    weight = torch.zeros(2, 2)
    return {
        "top": bad,
        "value": {EMBEDDING: bad},
        "key": {EMBEDDING: weight, "note": bad},
        "nested": {"model": {EMBEDDING: weight}, "optimizer": {"state": [{"deep": [(bad,)]}]}},
    }


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("where", list(places(0)))
@pytest.mark.parametrize("number", range(8))
def test_no_way_of_calling_something_is_followed(
    number: int, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner.pth").write_bytes(pickle.dumps(Call(open, "harmed", "w")))
    content = places(harmful()[number])[where]
    torch.save(content, "archive.pth")
    torch.save(content, "legacy.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(content))
    for name in ("archive.pth", "legacy.pth", "bare.pth"):
        for read in (read_weights, load_plain):
            with pytest.raises(UserError, match=name):
                read(Path(name))
        assert not Path("harmed").exists()


def with_tensor(tensor: Tensor) -> dict[str, Tensor]:
    return {**published_tensors(LanguageModel(TINY)), "model.extra": tensor}


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(1 << 40),
        torch.zeros(1, dtype=torch.float16).as_strided((1 << 20, 1 << 20), (0, 0)),
        torch.empty(1 << 20, 1 << 20, device="meta"),
        torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (1 << 40,), check_invariants=True),
        torch.zeros(4, dtype=torch.int64),
        torch.zeros(4, dtype=torch.complex64),
    ],
    ids=["expanded", "overlapping", "without storage", "sparse", "whole numbers", "complex"],
)
def test_a_tensor_that_is_larger_than_what_is_stored_is_refused(tensor: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(with_tensor(tensor), path)
    with pytest.raises(UserError, match=r"w\.pth.*nothing was loaded"):
        read_weights(path)


def test_an_archive_that_unpacks_to_more_than_it_weighs_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, bomb = tmp_path / "plain.pth", tmp_path / "bomb.pth"
    torch.save(with_tensor(torch.zeros(1 << 20)), plain)
    with zipfile.ZipFile(plain) as whole, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for member in whole.infolist():
            packed.writestr(member.filename, whole.read(member))
    assert bomb.stat().st_size < 100_000
    monkeypatch.setattr(torch, "load", lambda *_args, **_options: pytest.fail("it was unpacked"))
    with pytest.raises(UserError, match="compressed"):
        read_weights(bomb)


def test_an_archive_whose_members_share_their_bytes_is_not_unpacked(tmp_path: Path) -> None:
    """Members that overlap: each is stored, together they are more than the file."""
    path = tmp_path / "w.pth"
    torch.save(with_tensor(torch.zeros(1 << 16)), path)
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 20 : place + 28] = struct.pack("<II", 0x7FFFFFFF, 0x7FFFFFFF)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"w\.pth"):
        read_weights(path)


def raw_safetensors(path: Path, header: Any, body: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


HUGE = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}


@pytest.mark.parametrize(
    ("header", "body", "length"),
    [
        ({EMBEDDING: HUGE}, b"", None),
        ({EMBEDDING: {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, b"1234", None),
        ({EMBEDDING: {"dtype": "F32", "shape": [1], "data_offsets": [0, -4]}}, b"1234", None),
        ({EMBEDDING: {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"12345678", None),
        ({EMBEDDING: {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234", None),
        ({EMBEDDING: {"dtype": "F32", "shape": [1 << 63, 2], "data_offsets": [0, 4]}}, b"1234", None),
        ({EMBEDDING: {"dtype": "F77", "shape": [1], "data_offsets": [0, 4]}}, b"1234", None),
        ({EMBEDDING: {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}, b"12345678", None),
        ({"__metadata__": {"a": 1}}, b"", None),
        (b"{" * 100_000, b"", None),
        (b"\xff\xfe", b"", None),
        (b"{}", b"", 1 << 62),
        (b"{}", b"", 0),
        (b"[]", b"", None),
    ],
)
def test_a_safetensors_header_that_lies_is_refused(
    header: Any, body: bytes, length: int | None, tmp_path: Path
) -> None:
    path = raw_safetensors(tmp_path / "w.safetensors", header, body, length)
    assert isinstance(read_description(path), dict)
    with pytest.raises(UserError, match=r"w\.safetensors"):
        read_weights(path)


def described(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "w.safetensors"
    with path.open("wb") as file:
        save_safetensors(published_tensors(LanguageModel(TINY)), file, {"shape": text})
    return path


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "null",
        "[" * 100_000,
        '{"hidden_size": "16"}',
        '{"unheard_of": 1}',
        '{"rms_norm_eps": "small"}',
        '{"rope_theta": null}',
        '{"num_experts": "four"}',
        json.dumps(TINY.to_dict() | {"num_hidden_layers": 1 << 40}),
        json.dumps(TINY.to_dict() | {"vocab_size": 1 << 50}),
        json.dumps(TINY.to_dict() | {"num_hidden_layers": 3}),
    ],
    ids=lambda text: text[:40],
)
def test_a_description_of_another_network_builds_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        infer_shape(read_weights(described(tmp_path, text)))


def test_what_a_file_truly_says_of_itself_is_believed(tmp_path: Path) -> None:
    text = describe(TINY, step=1, tokenizer_hash="h")["shape"]
    assert infer_shape(read_weights(described(tmp_path, text))) == TINY


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors | {"model.layers.999999999.input_layernorm.weight": torch.zeros(16)},
        lambda tensors: tensors | {f"model.layers.{'9' * 5000}.input_layernorm.weight": torch.zeros(16)},
        lambda tensors: tensors | {EMBEDDING: torch.zeros(31)},
        lambda tensors: tensors | {EMBEDDING: torch.zeros(())},
        lambda tensors: tensors | {"model.layers.0.self_attn.q_proj.weight": torch.zeros(())},
        lambda tensors: tensors | {"model.layers.0.mlp.gate_proj.weight": torch.zeros(())},
    ],
)
def test_tensors_of_no_network_are_refused(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], tmp_path: Path
) -> None:
    tensors = published_tensors(LanguageModel(TINY))
    tensors.pop("lm_head.weight")
    path = tmp_path / "w.pth"
    torch.save(change(tensors), path)
    with pytest.raises(UserError):
        load_weights(LanguageModel(infer_shape(read_weights(path))), read_weights(path))
