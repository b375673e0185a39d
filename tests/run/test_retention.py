"""Which checkpoints stay: what stands for a deleted one was read back first."""

import pytest
from saved_bytes import save

from engine.run.checkpoints import scan, verify
from engine.run.folder import RunFolder
from engine.run.retention import Proven, retain


def damage(folder: RunFolder, step: int) -> None:
    (folder.checkpoints / f"step-{step:08d}" / "model.bin").write_bytes(b"wEights")


class TestRetention:
    def test_a_newer_one_that_does_not_hold_never_costs_an_older_one_that_does(self, folder: RunFolder) -> None:
        for step in (1, 2, 3, 4, 5):
            save(folder, step)
        damage(folder, 5)
        damage(folder, 3)
        bad: list[tuple[int, str]] = []
        retain(folder, 2, on_bad=lambda info, problem: bad.append((info.step, problem)))
        assert [info.step for info in scan(folder)] == [5, 4, 3, 2]  # 4 and 2 are the two that hold
        assert [step for step, _problem in bad] == [5, 3] and "hash" in bad[0][1]

    def test_all_damaged_but_the_oldest(self, folder: RunFolder) -> None:
        for step in range(1, 7):
            save(folder, step)
        for step in range(2, 7):
            damage(folder, step)
        retain(folder, 2)
        assert [info.step for info in scan(folder)] == [6, 5, 4, 3, 2, 1]

    def test_what_was_seen_whole_is_not_read_again_until_it_changes(
        self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proven, read = Proven(), []
        monkeypatch.setattr("engine.run.retention.verify", lambda info: read.append(info.step) or verify(info))
        for step in (1, 2, 3):
            save(folder, step)
            retain(folder, 2, proven=proven)
        assert read == [3, 2]
        save(folder, 4)
        retain(folder, 2, proven=proven)
        assert read == [3, 2, 4]
        damage(folder, 4)
        save(folder, 5)
        retain(folder, 2, proven=proven)
        assert read == [3, 2, 4, 5, 4] and [info.step for info in scan(folder)] == [5, 4, 3]
