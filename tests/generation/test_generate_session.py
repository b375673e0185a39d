"""The generating process that stays: tagged answers, a model kept in memory, cancelling, and its end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from engine.convert.writing import describe, published_tensors, save_pth, save_safetensors
from engine.data.tokenizer import Tokenizer
from engine.model.generation import generate, generate_scored
from engine.model.transformer import LanguageModel
from engine.places import builtin_dir
from engine.settings.shape import shape_of

TOKENIZER = builtin_dir("datasets") / "tokenizer.json"
FOUR_HEADS = shape_of("minimind2", vocab_size=6400, hidden_size=64, num_hidden_layers=1, num_attention_heads=4)
STRANGE = shape_of(
    "minimind2", vocab_size=6400, hidden_size=64, num_hidden_layers=1, num_attention_heads=4, rope_theta=5
)


def write(path, shape, *, seed=1, step=7):
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(seed)).eval()
    metadata = describe(shape, step=step, tokenizer_hash=Tokenizer.load(TOKENIZER).sha256)
    with path.open("wb") as file:
        if path.suffix == ".pth":
            save_pth(published_tensors(model), file)
        else:
            save_safetensors(published_tensors(model), file, metadata)
    return path


class Session:
    """A process that is asked line by line."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.worker.generate"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.number = 0

    def send(self, **message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, path, **changes):
        self.number += 1
        asked = {"id": self.number, "weights": str(path), "tokenizer": str(TOKENIZER), "prompt": "从前", "seed": 3}
        self.send(**asked | {"max_tokens": 8} | changes)
        return self.number

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def answer(self, number):
        heard = [self.hear()]
        while not heard[-1].keys() & {"done", "error"}:
            heard.append(self.hear())
        assert {message["id"] for message in heard} == {number}
        return heard

    def gone(self, seconds=5.0):
        return self.process.wait(seconds)


@pytest.fixture(scope="module")
def session():
    session = Session()
    yield session
    session.process.stdin.close()
    assert session.gone() == 0


def text_of(heard):
    return "".join(message.get("text", "") for message in heard)


def test_the_seed_decides_and_every_answer_tells_of_its_beginning_and_end(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    texts = []
    for seed in (3, 3, 4):
        heard = session.answer(session.ask(weights, seed=seed))
        texts.append(text_of(heard))
        assert heard[0]["begun"] and heard[0]["step"] == 7 and heard[0]["device"] == "cpu"
        assert heard[0]["heads_assumed"] is None and heard[0]["file_is_gone"] is False
        counts = [message["tokens"] for message in heard if "text" in message]
        assert counts == sorted(counts) and heard[-1]["tokens"] == 8 and heard[-1]["ended"] == "length"
    assert texts[0] == texts[1] != texts[2]


def test_changed_weights_are_taken_and_deleted_ones_stay_in_memory(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    before = session.answer(session.ask(weights))
    write(tmp_path / "new.safetensors", FOUR_HEADS, seed=2, step=9).replace(weights)
    after = session.answer(session.ask(weights))
    assert (before[0]["step"], after[0]["step"]) == (7, 9) and text_of(before) != text_of(after)
    weights.unlink()
    gone = session.answer(session.ask(weights))
    assert gone[0]["file_is_gone"] is True and text_of(gone) == text_of(after)
    other = session.answer(session.ask(tmp_path / "other.safetensors"))
    assert "other.safetensors" in other[-1]["error"]
    assert "w.safetensors" in session.answer(session.ask(weights))[-1]["error"], "another was asked for meanwhile"


def test_mistakes_are_named_and_leave_it_usable(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    for changes, words in (
        ({"temperature": -1}, "temperature is -1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"top_k": 0.5}, "top_k is 0.5"),
        ({"max_tokens": True}, "max_tokens is True"),
        ({"max_tokens": "many"}, "max_tokens is many"),
        ({"tokenizer": "/nowhere/tokenizer.json"}, "/nowhere"),
        ({"device": "cuda:7"}, "cuda"),
        ({"shape": {"no": 1}}, "no field named no"),
        ({"num_attention_heads": 8}, "has 4 attention heads, not 8"),
        ({"weights": str(write(tmp_path / "w.pth", FOUR_HEADS)), "num_attention_heads": 3}, "do not explain"),
        ({"weights": str(tmp_path / "absent.pth")}, "absent.pth"),
    ):
        assert words in session.answer(session.ask(weights, **changes))[-1]["error"]
    session.process.stdin.write(b"no json\n[]\n")
    session.process.stdin.flush()
    assert [session.hear()["id"] for _n in range(2)] == [None, None]
    assert session.answer(session.ask(weights))[-1]["done"]


def test_an_unexpected_error_is_told_and_leaves_it_usable(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    broken = session.answer(session.ask(weights, prompt=5))
    assert "Error" in broken[-1]["error"] or "Type" in broken[-1]["error"]
    assert session.answer(session.ask(weights))[-1]["done"]


def test_writing_is_cancelled_at_once_and_so_is_what_waits(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    first = session.ask(weights, max_tokens=30_000, temperature=5.0)
    second = session.ask(weights)
    while "text" not in session.hear():
        pass
    session.send(cancel=second)
    session.send(cancel=first)
    heard = session.answer(first)
    assert heard[-1]["ended"] == "cancelled" and 0 < heard[-1]["tokens"] < 30_000
    waited = session.answer(second)
    assert len(waited) == 1 and waited[0]["ended"] == "cancelled" and waited[0]["tokens"] == 0
    assert session.answer(session.ask(weights))[-1]["ended"] == "length"


def test_the_heads_of_a_pth_come_from_beside_it_or_are_asked_for(session, tmp_path):
    right = text_of(session.answer(session.ask(write(tmp_path / "w.safetensors", STRANGE), temperature=0)))
    alone = tmp_path / "alone"
    alone.mkdir()
    pth = write(alone / "w.pth", STRANGE)
    assumed = session.answer(session.ask(pth, temperature=0))
    assert assumed[0]["heads_assumed"] == 8
    beside = shutil.copy(pth, tmp_path / "w.pth")
    found = session.answer(session.ask(beside, temperature=0))
    assert found[0]["heads_assumed"] is None and text_of(found) == right
    (alone / "w.safetensors").write_bytes(b"anything")
    assert session.answer(session.ask(pth, num_attention_heads=4))[0]["heads_assumed"] is None


def test_without_surroundings_nothing_is_put_before_the_prompt(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    bos = Tokenizer.load(TOKENIZER).token_to_id("<|im_start|>")
    assert bos == 1
    surrounded = text_of(session.answer(session.ask(weights, prompt="a", temperature=0)))
    plain = text_of(session.answer(session.ask(weights, prompt="<|im_start|>a", temperature=0, surrounded=False)))
    assert plain == surrounded
    assert session.answer(session.ask(weights, prompt="", surrounded=False))[-1]["tokens"] == 8


def test_the_threads_are_limited_and_set_free_again(session, tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    answers = [session.answer(session.ask(weights, threads=threads, temperature=0)) for threads in (1, None)]
    assert all(heard[-1]["done"] for heard in answers)


@pytest.mark.parametrize("when", ["idle", "writing"])
def test_it_ends_when_its_input_is_closed(when, tmp_path):
    session = Session()
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    number = session.ask(weights, max_tokens=8 if when == "idle" else 30_000, temperature=5.0)
    if when == "idle":
        session.answer(number)
    else:
        while "text" not in session.hear():
            pass
    session.process.stdin.close()
    assert session.gone(3.0) == 0


def test_it_ends_with_its_parent(tmp_path):
    weights = write(tmp_path / "w.safetensors", FOUR_HEADS)
    request = {"id": 1, "weights": str(weights), "tokenizer": str(TOKENIZER), "max_tokens": 30_000, "temperature": 5.0}
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-P', '-m', 'engine.worker.generate'], stdin=subprocess.PIPE,"
        " stdout=subprocess.DEVNULL, start_new_session=True)\n"
        f"child.stdin.write({json.dumps(request)!r}.encode() + b'\\n'); child.stdin.flush()\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    for _attempt in range(600):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("an orphan")


def test_log_probabilities_are_the_models_own_whatever_the_sampling():
    model = LanguageModel(FOUR_HEADS, generator=torch.Generator().manual_seed(1)).eval()
    prompt = [1, 50, 60]
    written = list(generate_scored(model, prompt, max_tokens=6, temperature=2.0, top_k=5, seed=1))
    assert [token.id for token in written] == list(
        generate(model, prompt, max_tokens=6, temperature=2.0, top_k=5, seed=1)
    )
    ids = torch.tensor([prompt + [token.id for token in written]])
    with torch.no_grad():
        scores = model.logits(model(ids)).log_softmax(-1)[0, len(prompt) - 1 : -1]
    expected = scores.gather(1, ids[0, len(prompt) :, None]).flatten()
    assert torch.allclose(torch.tensor([token.log_probability for token in written]), expected, atol=1e-4)
