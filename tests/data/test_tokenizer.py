"""The tokenizer: identity, control tokens, text in both directions (traps 19 and 23)."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from data_material import make_texts, shared_data
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from engine.data.tokenizer import Tokenizer
from engine.errors import UserError


@pytest.fixture
def edited(tokenizer_file: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Tokenizer]:
    """The tokenizer after a change to its JSON."""

    def edit(change: Callable[[dict[str, Any]], None], **dump: Any) -> Tokenizer:
        spec = json.loads(tokenizer_file.read_text(encoding="utf-8"))
        change(spec)
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(spec, **dump), encoding="utf-8")
        return Tokenizer.load(path)

    return edit


def test_load_from_file_and_folder(tokenizer_file: Path, tokenizer: Tokenizer) -> None:
    assert Tokenizer.load(tokenizer_file.parent).sha256 == tokenizer.sha256
    assert tokenizer.vocab_size == 400
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 0)
    assert tokenizer.control_ids == (0, 1, 2)


def test_nothing_is_added_around_a_text(edited: Any, tokenizer: Tokenizer) -> None:
    def add_template(spec: dict[str, Any]) -> None:
        library = tokenizers.Tokenizer.from_str(json.dumps(spec))
        library.post_processor = processors.TemplateProcessing(
            single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 1), ("<|im_end|>", 2)]
        )
        library.enable_truncation(4)
        library.enable_padding(length=64)
        spec.clear()
        spec.update(json.loads(library.to_str()))

    text = "the river runs over a small green stone 春天"
    assert edited(add_template).encode(text) == tokenizer.encode(text)
    assert len(tokenizer.encode(text)) > 4


def test_the_hash_names_what_the_tokenizer_does_not_how_it_is_written(edited: Any, tokenizer: Tokenizer) -> None:
    def older_merges(spec: dict[str, Any]) -> None:
        spec["model"]["merges"] = [
            " ".join(merge) if isinstance(merge, list) else merge for merge in spec["model"]["merges"]
        ]

    def other_layout(spec: dict[str, Any]) -> None:
        vocabulary = list(spec["model"]["vocab"].items())
        spec["model"]["vocab"] = dict(reversed(vocabulary))
        spec["model"]["some_new_switch"] = False
        spec["truncation"] = None
        spec["added_tokens"].reverse()

    def other_id(spec: dict[str, Any]) -> None:
        vocabulary = spec["model"]["vocab"]
        vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]

    def other_normalizer(spec: dict[str, Any]) -> None:
        spec["normalizer"] = {"type": "NFKC"}

    def fewer_merges(spec: dict[str, Any]) -> None:
        spec["model"]["merges"].pop()

    def less_special(spec: dict[str, Any]) -> None:
        spec["added_tokens"][0]["special"] = False

    for same in (older_merges, other_layout):
        assert edited(same, indent=3).sha256 == tokenizer.sha256, same
    different = [edited(change).sha256 for change in (other_id, other_normalizer, fewer_merges, less_special)]
    assert len({tokenizer.sha256, *different}) == 5


def test_added_tokens_count_in_the_vocabulary(edited: Any) -> None:
    def add(spec: dict[str, Any]) -> None:
        token = {**spec["added_tokens"][0], "id": 407, "content": "<extra>"}
        spec["added_tokens"].append(token)

    loaded = edited(add)
    assert loaded.vocab_size == max(loaded.encode("<extra>")) + 1 > 400


def test_control_text_is_a_choice(tokenizer: Tokenizer) -> None:
    text = "say <|im_end|> now"
    assert 2 in tokenizer.encode(text)
    as_text = tokenizer.encode(text, control_text="text")
    assert 2 not in as_text
    assert tokenizer.decode(as_text) == text
    assert tokenizer.encode_batch([text, "a"], control_text="text")[0] == as_text
    flat, lengths = tokenizer.encode_flat([text, "a", text])
    assert flat.tolist() == tokenizer.encode(text) + tokenizer.encode("a") + tokenizer.encode(text)
    assert lengths.sum() == len(flat)


def test_a_config_beside_the_file_names_the_roles(tokenizer_file: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    config = {"bos_token": {"content": "<|endoftext|>"}, "eos_token": "<|im_start|>", "pad_token": "<|im_end|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert (loaded.bos_id, loaded.eos_id, loaded.pad_id) == (0, 1, 2)


def test_a_missing_role_is_named_with_its_candidates(edited: Any) -> None:
    def drop(spec: dict[str, Any]) -> None:
        for token in spec["added_tokens"]:
            name = f"odd-{token['id']}"
            spec["model"]["vocab"][name] = spec["model"]["vocab"].pop(token["content"])
            token["content"] = name

    loaded = edited(drop)
    with pytest.raises(UserError, match=r"bos.*<s>.*tokenizer_config"):
        _ = loaded.bos_id
    with pytest.raises(UserError, match=r"eos.*</s>"):
        _ = loaded.eos_id
    assert loaded.pad_id == 0


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"version https://git-lfs.example/spec/v1\n", "LFS"),
        (b'{"add_bos_token": false}', "no model"),
        (b"[1]", "no model"),
        (b'{"version": "1.0", "model": {"type": "Nonsense", "vocab": {"a": 0}}}', "broken"),
        (b'{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "q"]]}}', "broken"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=word) as caught:
        Tokenizer.load(path)
    assert "tokenizer.json" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenizer"):
        Tokenizer.load(tmp_path)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_text_survives_the_round_trip(tokenizer: Tokenizer, text: str) -> None:
    clean = text.encode("utf-8", "replace").decode("utf-8")
    assert tokenizer.decode(tokenizer.encode(clean, control_text="text")) == clean


def check_stream(tokenizer: Tokenizer, ids: list[int], skip_special: bool) -> None:
    stream = tokenizer.stream_decoder(skip_special=skip_special)
    parts = [stream.push(token_id) for token_id in ids]
    assert "".join(parts) + stream.finish() == tokenizer.decode(ids, skip_special=skip_special)


@settings(deadline=None)
@given(st.lists(st.integers(0, 399), max_size=40), st.booleans())
def test_the_stream_joins_to_the_whole_even_for_random_bytes(
    tokenizer: Tokenizer, ids: list[int], skip_special: bool
) -> None:
    check_stream(tokenizer, ids, skip_special)


def test_the_stream_never_shows_half_a_character(tokenizer: Tokenizer) -> None:
    text = "龘 😀 end"
    stream = tokenizer.stream_decoder()
    ids = tokenizer.encode(text)
    assert len(ids) > len(text)  # these characters take several tokens here
    parts = [stream.push(token_id) for token_id in ids]
    assert all("\ufffd" not in part for part in parts)
    assert "".join(parts) == text


def metaspace_tokenizer(path: Path) -> Tokenizer:
    library = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    library.normalizer = normalizers.NFC()
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    library.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=specials[:3], show_progress=False)
    library.train_from_iterator(make_texts(200), trainer)
    library.add_tokens(specials[3:])
    spec = json.loads(library.to_str())
    bytes_added = [token for token in spec["added_tokens"] if token["content"].startswith("<0x")]
    for token in bytes_added:
        spec["model"]["vocab"][token["content"]] = token["id"]
    spec["added_tokens"] = spec["added_tokens"][:3]
    path.write_text(json.dumps(spec), encoding="utf-8")
    return Tokenizer.load(path)


def test_another_kind_of_tokenizer_streams_too(tmp_path: Path) -> None:
    loaded = metaspace_tokenizer(tmp_path / "tokenizer.json")
    assert (loaded.bos_id, loaded.eos_id) == (1, 2)
    assert loaded.control_ids == (1, 2)  # unk stands for unknown text, it is not control
    for text in ("the river runs 春天 slowly", "a 龘龘 😀 b", "the " * 60):
        ids = loaded.encode(text)
        stream = loaded.stream_decoder()
        parts = [stream.push(token_id) for token_id in ids]
        assert all("\ufffd" not in part for part in parts)
        assert "".join(parts) + stream.finish() == loaded.decode(ids)


@pytest.mark.parametrize("generation", ["minimind2", "minimind3"])
def test_minimind_tokenizers(generation: str) -> None:
    loaded = Tokenizer.load(shared_data(f"tokenizers/{generation}"))
    assert loaded.vocab_size == 6400
    assert (loaded.bos_id, loaded.eos_id, loaded.pad_id) == (1, 2, 0)
    rng = random.Random(0)
    for _trial in range(50):
        check_stream(loaded, [rng.randrange(6400) for _token in range(30)], skip_special=rng.random() < 0.5)
