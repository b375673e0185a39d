"""A checkpoint's badge, from the attempts that led to it."""

import pytest

from engine.run.badge import badge_of, path_to
from engine.run.schema import AttemptRecord, CheckpointRecord, Lineage, Manifest

EAGER = {"compiled": False, "deterministic": True, "batch_size": 8, "batch_size_asked": 8}


def attempt(number: int, start: int, exact: bool | None = True, why: tuple[str, ...] = ()) -> AttemptRecord:
    return AttemptRecord(
        attempt=number,
        started="2026-11-25T00:00:00.000Z",
        host="here",
        start_step=start,
        from_checkpoint=f"step-{start:08d}" if start else None,
        exact=exact if start else None,
        why_inexact=list(why),
    )


def saved(step: int, by: int, **around: object) -> CheckpointRecord:
    return CheckpointRecord(attempt=by, step=step, files={}, surroundings={**EAGER, **around})


def manifest(*attempts: AttemptRecord, lineage: Lineage | None = None) -> Manifest:
    return Manifest(attempts=list(attempts), lineage=lineage)


def test_an_undisturbed_run_and_exact_resumes_are_exact() -> None:
    assert badge_of(saved(10, 1), manifest(attempt(1, 0))).exact is True
    badge = badge_of(saved(30, 3), manifest(attempt(1, 0), attempt(2, 10), attempt(3, 20)))
    assert (badge.exact, badge.since, badge.words()) == (True, None, "exact")


def test_one_inexact_attempt_is_named_with_its_reasons_from_then_on() -> None:
    told = manifest(
        attempt(1, 0), attempt(2, 10, False, ("the number of threads changed from 1 to 2",)), attempt(3, 20)
    )
    assert badge_of(saved(10, 1), told).exact is True  # what was saved before stays exact
    for record in (saved(20, 2), saved(30, 3)):
        badge = badge_of(record, told)
        assert (badge.exact, badge.since) == (False, 2)
        assert badge.words() == "inexact since attempt 2: the number of threads changed from 1 to 2"


def test_attempts_whose_updates_were_undone_do_not_count() -> None:
    # attempt 2 went on from 20, inexactly; 20 and 30 turned out damaged, and attempt 3 began again from 10
    told = manifest(attempt(1, 0), attempt(2, 20, False, ("why",)), attempt(3, 10))
    assert [one.attempt for one in path_to(saved(40, 3), told.attempts)] == [1, 3]
    assert badge_of(saved(40, 3), told).exact is True
    # attempt 2 made no update that was saved, and attempt 3 went on from the same step
    told = manifest(attempt(1, 0), attempt(2, 20, False, ("why",)), attempt(3, 20))
    assert badge_of(saved(40, 3), told).exact is True
    assert badge_of(saved(30, 2), told).exact is False


@pytest.mark.parametrize(
    ("around", "words"),
    [
        ({"compiled": True}, "compiled code"),
        ({"deterministic": False}, "deterministic kernels"),
        ({"batch_size": 4}, "4 rows"),
    ],
)
def test_what_no_run_could_repeat_is_a_reason_without_an_attempt(around: dict[str, object], words: str) -> None:
    badge = badge_of(saved(10, 1, **around), manifest(attempt(1, 0)))
    assert badge.exact is False and badge.since is None and words in badge.words()


def test_what_cannot_be_told_is_not_claimed() -> None:
    assert badge_of(saved(10, 1), None).exact is None
    assert badge_of(saved(10, 2), manifest(attempt(1, 0))).exact is None
    assert badge_of(saved(30, 2), manifest(attempt(1, 0), attempt(2, 10, None))).exact is None
    assert badge_of(saved(30, 2), manifest(attempt(2, 10))).exact is None  # the first attempt is missing
    assert badge_of(saved(10, 1, compiled=True), None).exact is False


def test_a_fork_is_judged_from_where_it_was_made() -> None:
    lineage = Lineage(kind="fork", run="parent", step=20)
    told = manifest(attempt(1, 20), lineage=lineage)
    assert badge_of(saved(20, 0), told).exact is None and "parent" in badge_of(saved(20, 0), told).words()
    badge = badge_of(saved(30, 1), told)
    assert badge.exact is True and "step 20" in badge.words()
    changed = manifest(attempt(1, 20, False, ("learning_rate changed",)), lineage=lineage)
    assert badge_of(saved(30, 1), changed).since == 1
