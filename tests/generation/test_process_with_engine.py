"""The face's side of the generating process against the real one: every word it says is understood."""

import time

import torch

from engine.convert.writing import describe, published_tensors, save_safetensors
from engine.data.tokenizer import Tokenizer
from engine.model.transformer import LanguageModel
from engine.places import builtin_dir
from engine.settings.shape import shape_of
from minimind_tui.generating import Begun, Done, Failed, GenerationProcess, Piece, request_for
from minimind_tui.weight_sources import file_source


def test_an_answer_a_cancel_a_refusal_and_loading_ahead(tmp_path):
    shape = shape_of("minimind2", vocab_size=6400, hidden_size=64, num_hidden_layers=1)
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(1))
    path = tmp_path / "w.safetensors"
    tokenizer = Tokenizer.load(builtin_dir("datasets") / "tokenizer.json")
    with path.open("wb") as file:
        save_safetensors(published_tensors(model), file, describe(shape, step=7, tokenizer_hash=tokenizer.sha256))
    heard = []
    process = GenerationProcess(heard.append)

    def ask(prompt="从前", **how):
        number = process.next_number()
        how = {"seed": 1, "temperature": 1.0, "max_tokens": 6, "device": "auto", "threads": 1} | how
        process.ask(number, request_for(file_source(path), prompt, num_attention_heads=None, **how))
        return number

    def wait(holds):
        end = time.monotonic() + 60
        while not any(map(holds, heard)):
            assert time.monotonic() < end, heard
            time.sleep(0.01)

    def end_of(number):
        wait(lambda one: isinstance(one, Done | Failed) and one.number == number)
        return next(one for one in heard if isinstance(one, Done | Failed) and one.number == number)

    try:
        ahead = end_of(ask(prompt="", max_tokens=0))
        assert (ahead.tokens, ahead.log_probability, ahead.ended) == (0, None, "length")
        number = ask()
        done = end_of(number)
        assert done.tokens == 6 and done.ended == "length" and done.log_probability < 0
        mine = [one for one in heard if one.number == number]
        assert mine[0] == Begun(number, mine[0].device, 7, None, False) and mine[0].device
        assert "".join(one.text for one in mine if isinstance(one, Piece))
        number = ask(max_tokens=30_000, temperature=5.0)
        wait(lambda one: isinstance(one, Piece) and one.number == number)
        process.cancel(number)
        assert end_of(number).ended == "cancelled"
        refused = end_of(ask(temperature=-1))
        assert isinstance(refused, Failed) and "temperature is -1" in refused.message
        assert isinstance(end_of(ask()), Done)
    finally:
        process.close()
