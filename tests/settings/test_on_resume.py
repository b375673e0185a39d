"""What a resumed run may change: applied or refused by name, never ignored (trap 12)."""

import pytest

from engine.errors import UserError
from engine.settings.declaration import declarations
from engine.settings.on_resume import check_resume, keep_rows
from engine.settings.settings import Settings

OTHER = {
    "architecture": "minimind3", "head_dim": 64, "intermediate_size": 64, "qk_norm": True,
    "norm_cast": "after_weight", "rms_norm_eps": 1e-3, "initializer": "normal", "num_workers": 3, "optimizer": "muon",
    "schedule": "wsd", "device": "cpu", "dtype": "fp32", "compile": True, "deterministic": True, "num_threads": 1,
    "special_tokens": "none", "overlong": "truncate", "bad_lines": "stop", "deadline": "08:00",
    "sample_prompts": ("x",), "data_path": "x", "tokenizer": "x", "text_field": "x", "from_weight": "x",
    "save_dir": "x", "time_budget": 60, "save_weight": "x", "wandb_project": "x", "num_experts_per_tok": 3,
    "num_shared_experts": 2, "moe_intermediate_size": 64, "norm_topk_prob": False, "aux_loss": "batch",
    "aux_loss_coef": 0.1, "router_z_loss_coef": 0.1, "nonfinite": "stop", "spikes": "skip",
}  # fmt: skip


def changed(name):
    value = getattr(Settings(), name)
    if name in OTHER:
        return OTHER[name]
    return (
        not value if isinstance(value, bool) else value * 0.5 if isinstance(value, float) and value < 1 else value + 2
    )


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_changed_setting_is_free_named_as_inexact_or_refused(name):
    after = Settings.model_validate({**Settings().model_dump(), name: changed(name)})
    kind = declarations(Settings)[name].on_resume
    if kind in ("fork", "new") or name in ("batch_size", "accumulation_steps", "nproc", "nnodes"):
        with pytest.raises(UserError, match=name):
            check_resume(Settings(), after)
        return
    change = check_resume(Settings(), after)
    assert set(change.changed) == {name}
    assert bool(change.why_inexact) == (kind == "inexact")
    assert all(name in reason for reason in change.why_inexact)


def test_another_split_of_the_same_update_is_inexact_not_refused():
    change = check_resume(Settings(), Settings(batch_size=16, accumulation_steps=16))
    assert len(change.why_inexact) == 2


def test_nothing_changed_is_exact():
    assert check_resume(Settings(), Settings()).why_inexact == []


@pytest.mark.parametrize(
    ("before", "processes", "split"),
    [
        ((4, 6, 1), 2, (4, 3)),
        ((4, 6, 1), 3, (4, 2)),
        ((4, 6, 2), 1, (4, 12)),
        ((4, 1, 1), 2, (2, 1)),
        ((6, 2, 2), 8, (3, 1)),
    ],
)
def test_another_number_of_processes_keeps_the_rows_of_an_update(before, processes, split):
    batch, accumulation, nproc = before
    had = Settings(batch_size=batch, accumulation_steps=accumulation, nproc=nproc)
    kept = keep_rows(had, had.model_copy(update={"nproc": processes}), {"nproc"})
    assert kept.rows_per_update == had.rows_per_update
    assert (kept.batch_size, kept.accumulation_steps) == split
    assert check_resume(had, kept).why_inexact


def test_rows_that_cannot_be_shared_are_refused_and_a_given_split_stays():
    had = Settings(batch_size=4, accumulation_steps=2)
    with pytest.raises(UserError, match="8 rows"):
        keep_rows(had, had.model_copy(update={"nproc": 3}), {"nproc"})
    asked = had.model_copy(update={"nproc": 2, "batch_size": 2})
    assert keep_rows(had, asked, {"nproc", "batch_size"}) is asked
    assert keep_rows(had, had, set()) is had
