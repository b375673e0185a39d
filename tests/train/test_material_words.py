"""Nothing of the text is left out in silence (rule 5.5), and a tokenizer without bos serves rows without it."""

import json

from training_runs import SPECIALS

from engine.run.jsonl_log import read_lines
from engine.run.schema import Reason, State


def warnings_of(workshop, **values):
    run = workshop.make(**values)
    trainer = workshop.trainer(run)
    trainer.stream.close()
    trainer.link.finish(State.STOPPED, Reason.REQUEST, "")
    return [line["message"] for line in read_lines(run.events) if line["kind"] == "warning"]


def test_bad_lines_are_told_with_their_numbers_and_notes_are_none_of_them(workshop):
    path = workshop.folder / "bad.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + workshop.texts.read_bytes().replace(b"\n", b"\r\n") + b"{broken\r\n")
    (message,) = warnings_of(workshop, data_path=str(path))
    assert "1 of 151" in message and "bad_json 1" in message and message.endswith("lines 151.")
    assert "bom" not in message and "crlf" not in message


def test_truncation_is_told_in_documents_and_tokens(workshop):
    assert warnings_of(workshop, max_seq_len=8) == []
    (message,) = warnings_of(workshop, max_seq_len=8, overlong="truncate")
    assert "truncated" in message and "tokens are not trained on" in message


def test_control_tokens_within_a_text_are_told(workshop):
    with workshop.texts.open("a") as file:
        file.write(json.dumps({"text": f"{SPECIALS[1]}user hello{SPECIALS[2]}"}) + "\n")
    (message,) = warnings_of(workshop)
    assert message.startswith("1 documents hold control tokens")


def test_documents_too_short_to_learn_from_are_told(workshop):
    with workshop.texts.open("a") as file:
        file.write(json.dumps({"text": "x"}) + "\n")
    assert warnings_of(workshop, validation=False) == []
    (message,) = warnings_of(workshop, special_tokens="none", validation=False)
    assert message.startswith("1 documents are too short")


def test_a_tokenizer_without_bos_and_eos_serves_where_none_are_added(workshop):
    spec = json.loads(workshop.tokenizer.read_text())
    for token in spec["added_tokens"]:
        token["content"] = token["content"].replace("im_start", "one").replace("im_end", "two")
    vocabulary = spec["model"]["vocab"]
    for old, new in ((SPECIALS[1], "<|one|>"), (SPECIALS[2], "<|two|>")):
        vocabulary[new] = vocabulary.pop(old)
    for token in spec["added_tokens"]:
        token["content"] = token["content"].replace("endoftext", "zero")
    vocabulary["<|zero|>"] = vocabulary.pop(SPECIALS[0])
    (workshop.folder / "bare.json").write_text(json.dumps(spec))
    run = workshop.make(
        tokenizer=str(workshop.folder / "bare.json"),
        special_tokens="none",
        max_steps=2,
        sample_prompts=["1: Ann", ""],
        sample_tokens=3,
    )
    trainer = workshop.train(run)
    assert trainer.state.step == 2
    samples = [line for line in read_lines(run.events) if line["kind"] == "sample"]
    assert len(samples) == 2
