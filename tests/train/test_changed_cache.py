"""A cache that is damaged under a running training: nothing learnt from it is kept, and the next attempt is whole."""

import pytest
import torch
from training_runs import final_weights, logged

from engine.data.seal import DataChangedError
from engine.run.checkpoints import scan


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_what_was_learnt_from_a_damaged_cache_is_not_saved_and_the_next_attempt_is_exact(workshop):
    straight = workshop.make()
    workshop.train(straight)
    run = workshop.make()
    trainer = workshop.trainer(run)
    advance = trainer._advance

    def advance_and_damage(*args):
        advance(*args)
        if trainer.state.step == 5:
            flip(trainer.stream.rows.cache.folder / "tokens.bin", 20)

    trainer._advance = advance_and_damage
    with pytest.raises(DataChangedError, match=r"tokens\.bin"), trainer.stream:
        trainer.run()
    trainer.link._status.stop()
    assert [info.step for info in scan(run)] == [4]  # the save at 8 was refused

    workshop.train(run)
    assert run.read_manifest().attempts[-1].exact is True
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert logged(run) == logged(straight)
