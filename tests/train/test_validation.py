"""Validation: each document alone, weighted by tokens, comparable between tokenizers; a warning for overfitting."""

import math
from contextlib import nullcontext

import pytest
import torch
from torch.nn import functional as F
from training_runs import logged, write_texts

from engine.run.jsonl_log import read_lines
from engine.train.validation import ValidationResult, overfitting, validate


@pytest.fixture
def trainer(workshop):
    trainer = workshop.trainer(workshop.make(validation_tokens=100_000))
    yield trainer
    trainer.stream.close()
    trainer.link.finish("stopped", "request", "")


def held_out(trainer):
    """The held-out documents as they stand in the file, bos and eos around each, and their bytes."""
    rows = trainer.watcher._rows
    cache = rows.cache
    documents = sorted({document for row in range(rows.row_count) for document, _line in rows.documents_of(row)})
    tokens = [[rows.bos_id, *cache.document(document).tolist(), rows.eos_id] for document in documents]
    return tokens, sum(int(cache.text_bytes[document]) for document in documents)


def test_it_is_the_mean_over_tokens_of_each_document_alone(trainer):
    model, rows = trainer.updater.model, trainer.watcher._rows
    result = validate(model, model, rows, nullcontext, 2)
    documents, text_bytes = held_out(trainer)
    losses = []
    for ids in documents:  # piece by piece as the rows hold them: at most max_seq_len positions see each other
        for start in range(0, len(ids) - 1, rows.max_seq_len):
            piece = torch.tensor([ids[start : start + rows.max_seq_len + 1]])
            with torch.no_grad():
                logits = model.logits(model(piece[:, :-1]))
            losses += F.cross_entropy(logits[0], piece[0, 1:], reduction="none").tolist()
    assert result.tokens == len(losses) == sum(len(ids) - 1 for ids in documents)
    assert result.loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert result.text_bytes == text_bytes
    assert result.bits_per_byte == pytest.approx(sum(losses) / math.log(2) / text_bytes, rel=1e-4)
    assert result.perplexity == pytest.approx(math.exp(result.loss))


def test_held_out_texts_are_not_trained_on(trainer):
    training = trainer.stream.rows
    trained = {document for row in range(training.row_count) for document, _line in training.documents_of(row)}
    rows = trainer.watcher._rows
    validated = {document for row in range(rows.row_count) for document, _line in rows.documents_of(row)}
    assert validated and not trained & validated
    assert len(trained | validated) == training.cache.document_count


def test_a_stop_ends_it_between_batches_and_the_model_trains_on(trainer):
    model = trainer.updater.model
    assert validate(model, model, trainer.watcher._rows, nullcontext, 1, should_stop=lambda: True) is None
    assert model.training


def test_a_perplexity_beyond_floats_is_infinite():
    assert ValidationResult(10_000.0, 1, 1).perplexity == math.inf


@pytest.mark.parametrize(
    ("history", "warned_at"),
    [
        ([(3, 3), (2.5, 2.5), (2.6, 2.0), (2.7, 1.5), (2.8, 1.0)], [4]),  # once, while it goes on
        ([(3, 3), (2.5, 2.5), (2.6, 2.0), (2.55, 1.5), (2.6, 1.0)], []),  # a single rise is noise
        ([(2.5, 2.5), (2.6, 2.6), (2.7, 2.7)], []),  # both rise: another trouble
        ([(2, 3), (2.1, 2.5), (2.2, 2), (2.1, 1.9), (2.2, 1.8), (2.3, 1.7)], [3, 6]),  # again when it begins again
    ],
)
def test_a_warning_is_due_when_validation_rises_while_training_falls(history, warned_at):
    pairs = [list(pair) for pair in history]
    assert [end for end in range(1, len(pairs) + 1) if overfitting(pairs[:end])] == warned_at


def test_a_run_that_learns_by_heart_is_warned(workshop):
    few = str(write_texts(workshop.folder / "few.jsonl", count=60))
    run = workshop.make(data_path=few, epochs=30, eval_interval=6, learning_rate=3e-2, hidden_size=32, save_interval=0)
    workshop.train(run)
    validations = [loss for _step, loss in logged(run, "validation")]
    assert validations[-1] > min(validations), "the test needs a run that overfits"
    messages = [line["message"] for line in read_lines(run.events) if line["kind"] == "warning"]
    assert any("by heart" in message for message in messages)
