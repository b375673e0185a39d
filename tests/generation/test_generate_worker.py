"""The generation process: JSON in, a stream of JSON out, mistakes in words."""

import json
import subprocess
import sys

import pytest
import torch

from engine.convert.writing import describe, published_tensors, save_pth, save_safetensors
from engine.data.tokenizer import Tokenizer
from engine.model.transformer import LanguageModel
from engine.places import builtin_dir
from engine.settings.shape import shape_of

TOKENIZER = builtin_dir("datasets") / "tokenizer.json"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    shape = shape_of("minimind2", vocab_size=6400, hidden_size=64, num_hidden_layers=1)
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(1))
    metadata = describe(shape, step=1, tokenizer_hash=Tokenizer.load(TOKENIZER).sha256)
    with (folder / "ours.safetensors").open("wb") as file:
        save_safetensors(published_tensors(model), file, metadata)
    with (folder / "other.safetensors").open("wb") as file:
        save_safetensors(published_tensors(model), file, metadata | {"tokenizer_hash": "another"})
    with (folder / "ours.pth").open("wb") as file:
        save_pth(published_tensors(model), file)
    return folder


def ask(weights, **changes):
    request = {"weights": str(weights), "tokenizer": str(TOKENIZER), "prompt": "从前 a", "max_tokens": 12}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "engine.worker.generate"],
        input=json.dumps(request | changes).encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def test_greedy_text_is_streamed_and_the_same_from_either_file_with_and_without_cache(weights):
    answers = [
        ask(weights / "ours.safetensors", temperature=0),
        ask(weights / "ours.pth", temperature=0, use_cache=False),
    ]
    texts = []
    for code, lines, errors in answers:
        assert code == 0, errors
        assert lines[-1]["done"] and lines[-1]["tokens"] == 12 and lines[-1]["tokens_per_s"] > 0
        assert lines[-1]["ended"] == "length" and lines[-1]["log_probability"] < 0
        pieces = [line["text"] for line in lines[:-1]]
        assert len(pieces) > 1
        texts.append("".join(pieces))
    assert texts[0] == texts[1]


def test_a_mistake_is_told_in_words_and_the_exit_code(weights):
    code, lines, errors = ask(weights / "other.safetensors")
    assert code == 2 and "Traceback" not in errors
    assert "another tokenizer" in lines[-1]["error"]


def test_errors_come_in_the_language_asked_for(weights):
    code, lines, errors = ask(weights / "absent.pth", language="zh")
    assert code == 2 and "Traceback" not in errors
    assert "没有" in lines[-1]["error"]
