"""Published weights belong to a run; another run's are never overwritten unasked (trap 10)."""

import json

import pytest

from engine.errors import UserError
from engine.run.publishing import (
    PublishedBy,
    check_save_dir,
    claim_save_dir,
    may_publish,
    note_published,
    published_by,
)

STEM = "pretrain_512"


def check(folder, *, ancestors=frozenset(), start=None, force=False):
    check_save_dir(folder, STEM, ancestors=ancestors, start=start, force=force)


def test_an_empty_or_absent_folder_is_free(tmp_path):
    check(tmp_path / "out")
    check(tmp_path)
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_a_file_in_its_place_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file"):
        check(tmp_path / "out")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_unknown_origin_are_kept(tmp_path, suffix):
    (tmp_path / f"{STEM}{suffix}").write_bytes(b"x")
    with pytest.raises(UserError, match=r"unknown origin.*--force"):
        check(tmp_path)
    check(tmp_path, force=True)


def test_weights_of_another_run_are_kept_and_named(tmp_path):
    claim_save_dir(tmp_path, STEM, "run-a")
    (tmp_path / f"{STEM}.pth").write_bytes(b"x")
    with pytest.raises(UserError, match="run-a"):
        check(tmp_path)
    check(tmp_path, ancestors=frozenset({"run-a"}))
    check(tmp_path, start=tmp_path / f"{STEM}.pth")


def test_who_claims_last_publishes(tmp_path):
    claim_save_dir(tmp_path, STEM, "run-a")
    assert may_publish(tmp_path, STEM, "run-a")
    claim_save_dir(tmp_path, STEM, "run-b")
    assert not may_publish(tmp_path, STEM, "run-a")
    assert may_publish(tmp_path, STEM, "run-b")


def test_a_lost_claim_frees_the_name_only_when_no_weights_are_there(tmp_path):
    assert may_publish(tmp_path, STEM, "run-a")
    (tmp_path / f"{STEM}.pth").write_bytes(b"x")
    assert not may_publish(tmp_path, STEM, "run-a")


def test_the_note_tells_run_and_step_and_survives_garbage(tmp_path):
    note_published(tmp_path, STEM, PublishedBy(run="run-a", step=7, tokenizer_hash="h"))
    assert json.loads((tmp_path / f"{STEM}.json").read_text())["step"] == 7
    (tmp_path / f"{STEM}.json").write_text("{")
    assert published_by(tmp_path, STEM) is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--save_dir"):
        claim_save_dir(tmp_path / "file" / "out", STEM, "run-a")
