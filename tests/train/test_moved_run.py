"""A run's folder that was moved, renamed or copied to a machine without its cache goes on exactly."""

import shutil

import torch
from training_runs import final_weights, logged

from engine.run.folder import RunFolder
from engine.run.resumability import resume_statement


def test_moved_and_renamed_while_stopped_and_its_cache_left_behind(workshop):
    straight = workshop.make(epochs=1)
    workshop.train(straight)
    run = workshop.make(epochs=1)
    workshop.train(run, (5, 0))
    elsewhere = RunFolder(workshop.folder / "elsewhere" / "another-name")
    shutil.copytree(run.path, elsewhere.path)
    shutil.rmtree(run.path)
    shutil.rmtree(workshop.folder / "cache")
    statement = resume_statement(elsewhere)
    assert statement.possible and statement.step == 5
    workshop.train(elsewhere)
    assert elsewhere.read_manifest().attempts[-1].exact is True
    ours, theirs = final_weights(elsewhere), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert logged(elsewhere) == logged(straight)
