"""Another text or tokenizer on resume: refused before anything is built, or the old text's cache serves by choice."""

import os

import pytest
import torch
from training_runs import final_weights, logged, write_tokenizer

from engine.errors import UserError
from engine.run.jsonl_log import read_lines
from engine.run.launch import choose_cache
from engine.run.resumability import resume_statement

CACHES = "cache/tokens/*/tokens.bin"


def caches(workshop):
    return len(list(workshop.folder.glob(CACHES)))


def change(path):
    path.write_text(path.read_text().replace("cats", "dogs"))


def delete(path):
    path.unlink()


def make_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


def make_a_loop(path):
    path.unlink()
    path.symlink_to(path)


def same_as(run, other):
    ours, theirs = final_weights(run), final_weights(other)
    return logged(run) == logged(other) and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture
def straight(workshop):
    run = workshop.make(epochs=1)
    workshop.train(run)
    return run


@pytest.mark.parametrize("fault", [make_a_pipe, make_a_folder, make_a_loop])
def test_what_is_no_file_any_more_is_refused_at_once_and_hangs_nothing(workshop, fault):
    run = workshop.make(epochs=1)
    workshop.train(run, (1, 0))
    fault(workshop.texts)
    with pytest.raises(UserError, match="--use_cache"):
        workshop.trainer(run)


@pytest.mark.parametrize("fault", [change, delete])
def test_another_text_is_refused_at_once_and_by_choice_its_cache_trains_on_exactly(workshop, straight, fault):
    run = workshop.make(epochs=1)
    workshop.train(run, (3, 0))
    fault(workshop.texts)
    before = caches(workshop)
    with pytest.raises(UserError, match=r"--use_cache.*minimind fork") as refused:
        workshop.trainer(run)
    assert str(workshop.texts) in str(refused.value) and "\n" not in str(refused.value)
    assert caches(workshop) == before, "nothing is built of a text that is refused"

    choose_cache(run)
    workshop.train(run)
    assert run.read_manifest().attempts[-1].exact is True
    assert same_as(run, straight)
    told = [line["message"] for line in read_lines(run.events) if line.get("kind") == "warning"]
    assert any("with the cache of the old text" in message and str(workshop.texts) in message for message in told)


def test_the_choice_does_not_matter_once_the_old_text_is_back(workshop, straight):
    run = workshop.make(epochs=1)
    workshop.train(run, (3, 0))
    choose_cache(run)
    workshop.train(run)
    assert same_as(run, straight)
    assert not any("cache" in str(line.get("message")) for line in read_lines(run.events))


def test_a_cache_that_is_gone_or_damaged_as_well_is_told(workshop):
    run = workshop.make(epochs=1)
    workshop.train(run, (3, 0))
    delete(workshop.texts)
    choose_cache(run)
    (tokens,) = workshop.folder.glob(CACHES)
    tokens.write_bytes(bytes(tokens.stat().st_size))
    with pytest.raises(UserError, match="not whole"):
        workshop.trainer(run)


def test_a_run_that_saved_nothing_begins_with_the_text_there_is(workshop):
    run = workshop.make(epochs=1)
    workshop.train(run, (0, 0))
    change(workshop.texts)
    workshop.train(run)
    assert run.read_manifest().text.sha256 != "" and not resume_statement(run).cache_instead


def test_a_text_that_vanishes_while_it_trains_stops_nothing(workshop, straight):
    run = workshop.make(epochs=1)
    trainer = workshop.trainer(run)
    delete(workshop.texts)
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert same_as(run, straight)


def test_a_link_that_points_elsewhere_now_does_not_change_the_text(workshop, straight):
    link = workshop.folder / "link.jsonl"
    link.symlink_to(workshop.texts)
    run = workshop.make(epochs=1, data_path=str(link))
    workshop.train(run, (3, 0))
    link.unlink()
    link.symlink_to(workshop.tokenizer)
    workshop.train(run)
    assert same_as(run, straight)


def test_another_tokenizer_is_refused_before_the_text_is_tokenised_again(workshop):
    run = workshop.make(epochs=1)
    workshop.train(run, (3, 0))
    write_tokenizer(workshop.tokenizer, workshop.texts, size=290)
    before = caches(workshop)
    with pytest.raises(UserError, match="tokenizer"):
        workshop.trainer(run)
    assert caches(workshop) == before


class TestWhatIsSaidBefore:
    def test_the_same_text(self, workshop):
        run = workshop.make(epochs=1)
        workshop.train(run, (3, 0))
        statement = resume_statement(run)
        assert statement.possible and not statement.cache_instead and not statement.said

    @pytest.mark.parametrize("fault", [delete, make_a_pipe])
    def test_a_text_that_is_gone_can_be_replaced_by_its_cache(self, workshop, fault):
        run = workshop.make(epochs=1)
        workshop.train(run, (3, 0))
        fault(workshop.texts)
        statement = resume_statement(run)
        assert not statement.possible and statement.cache_instead and "--use_cache" in statement.lines()[0]
        chosen = resume_statement(run, use_cache=True)
        assert chosen.possible and "token cache" in chosen.lines()[0] and chosen.step == 3

    def test_one_of_the_same_size_may_be_another(self, workshop):
        run = workshop.make(epochs=1)
        workshop.train(run, (3, 0))
        change(workshop.texts)
        os.utime(workshop.texts, (1, 1))
        statement = resume_statement(run)
        assert statement.possible and statement.cache_instead and "was written to" in statement.lines()[0]
