"""The draft, what the run will be, and every reason why it cannot start, with the step that mends it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.estimate.data_facts import DataFacts
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.preview import preview_run
from engine.language import current_language, set_language
from engine.run.launch import plan_run
from engine.settings.presets import load_preset
from engine.settings.settings import Settings
from minimind_tui.core.cost import Price
from minimind_tui.core.wizard.cards import cost_words, first_choice, preset_cards
from minimind_tui.core.wizard.data_look import DataLook
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.foresight import Foresight, foresee, preview_of, with_budget
from minimind_tui.core.wizard.review_words import review_lines

FACTS = DataFacts(rows_per_epoch=1741, tokens_per_epoch=440_684, exact=True, validation_tokens=5216, context=106.0)
LOOK = DataLook(path="x", facts=FACTS, verdict=(("ok", "good"),))
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = current_language()
    set_language("en")
    monkeypatch.chdir(tmp_path)
    for name in ("RUNS", "CACHE"):
        monkeypatch.setenv(f"MINIMIND_{name}", str(tmp_path / name.lower()))
    yield tmp_path
    set_language(before)


def device(**changes: object) -> DeviceFacts:
    facts: dict[str, object] = {
        "torch_version": "2.13.0",
        "accelerator_build": None,
        "driver": None,
        "host": "testhost",
        "device": "cpu",
        "name": "Test CPU",
        "memory": 8_000_000_000,
        "dtypes": ["fp32"],
        "dtype": "fp32",
        "dtype_why": "",
        "notes": [],
        "gpus": [],
        "cpu_name": "Test CPU",
        "cpu_features": [],
        "cores": 2,
        "machine_memory": 8_000_000_000,
        "threads": 2,
        "threads_why": "",
        "matmul_flops": {"fp32": 1e11},
    }
    return DeviceFacts.model_validate(facts | changes)


def mini(**changes: object) -> Settings:
    return load_preset("mini").settings().model_copy(update=changes)


def foreseen(settings: Settings, look: DataLook | None = LOOK, **options: object) -> Foresight:
    return foresee(settings, look, device(), **options)  # type: ignore[arg-type]


def test_the_smoke_test_is_ready() -> None:
    seen = foreseen(mini())
    assert seen.reasons == () and seen.preview.updates == 581
    assert plan_run(mini()).preset is None, "the engine thinks so, too"


@pytest.mark.parametrize(
    ("changes", "step", "field", "words"),
    [
        ({"data_path": "nowhere.jsonl"}, "data", "data_path", "There is no file nowhere.jsonl"),
        ({"tokenizer": "nowhere"}, "settings", "tokenizer", "No tokenizer at"),
        ({"from_weight": "nowhere.pth"}, "settings", "from_weight", "to take weights from"),
        ({"num_attention_heads": 3}, "settings", "num_attention_heads", "heads"),
        ({"deadline": "2020-01-01T08:00"}, "settings", "deadline", "is over"),
        ({"device": "cuda"}, "settings", "device", "is not there"),
        ({"batch_size": 4096, "max_seq_len": 4096}, "settings", "batch_size", "of memory"),
        ({"hidden_size": 8192, "num_hidden_layers": 200}, "settings", "batch_size", "of memory"),
        ({"save_dir": "out"}, "settings", "save_dir", "holds weights of"),
    ],
)
def test_every_reason_names_what_mends_it(
    workspace: Path, changes: dict[str, object], step: str, field: str, words: str
) -> None:
    (workspace / "out").mkdir()
    (workspace / "out" / "pretrain_160.pth").write_bytes(b"weights")
    seen = foreseen(mini(**changes))
    found = [reason for reason in seen.reasons if words in reason.text]
    assert [(reason.step, reason.field) for reason in found] == [(step, field)], seen.reasons
    assert len({reason.text for reason in seen.reasons}) == len(seen.reasons)


def test_memory_and_disk_short_at_once_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimind_tui.core.wizard.foresight.free_bytes", lambda _folder: 1000)
    seen = foreseen(mini(batch_size=4096, max_seq_len=4096, device="mps"))
    assert [reason.field for reason in seen.reasons] == ["device", "batch_size", "keep_checkpoints"]
    monkeypatch.setattr("minimind_tui.core.wizard.foresight.free_bytes", lambda _folder: 10**12)
    assert [reason.field for reason in foreseen(mini(device="mps")).reasons] == ["device"]


@pytest.mark.parametrize(
    "look",
    [
        None,
        DataLook(problem="x is empty", path="x"),
        DataLook(facts=DataFacts(0, 0, exact=True, problems=("too many bad lines",))),
        DataLook(facts=DataFacts(0, 0, exact=True)),
    ],
)
def test_a_text_that_cannot_be_trained_on_is_a_reason(look: DataLook | None) -> None:
    seen = foreseen(mini(), look)
    assert {reason.step for reason in seen.reasons} == {"data"} and len(seen.reasons) == 1
    both = foreseen(mini(device="mps"), look)
    assert [reason.step for reason in both.reasons] == ["data", "settings"]


def test_weights_of_another_run_can_be_overwritten_on_purpose(workspace: Path) -> None:
    (workspace / "out").mkdir()
    (workspace / "out" / "pretrain_160.pth").write_bytes(b"weights")
    seen = foreseen(mini(save_dir="out"))
    assert seen.save_dir_taken
    assert foreseen(mini(save_dir="out"), force=True).reasons == ()
    assert not foreseen(mini(save_dir="out", device="mps")).save_dir_taken, "there is more to mend"


def test_a_budget_ends_the_run_instead_of_the_epochs() -> None:
    bounded = with_budget(mini(), "2h", None, lambda settings: preview_of(settings, LOOK, device())[0], NOW)
    assert bounded.time_budget == 7200 and bounded.epochs > 1
    preview = preview_run(bounded, vocab_size=6400, data=FACTS, device=device(), now=NOW)
    assert preview.ended_by == "time_budget" and preview.updates is not None and preview.updates > 581
    assert with_budget(mini(), "  ", None, lambda settings: pytest.fail("not needed")) == mini()


def test_money_and_moments_are_budgets() -> None:
    def preview(settings: Settings) -> object:
        return preview_of(settings, LOOK, device())[0]

    price = Price(2.5, "$")
    assert with_budget(mini(), "$5", price, preview, NOW).time_budget == 7200  # type: ignore[arg-type]
    assert with_budget(mini(), "2126-12-01T08:00", None, preview).deadline == "2126-12-01T08:00"  # type: ignore[arg-type]
    for wrong in ("$5", "soon", "-3h", "2020-01-01T00:00"):
        with pytest.raises(UserError):
            with_budget(mini(), wrong, None, preview, NOW)  # type: ignore[arg-type]


def test_a_budget_keeps_more_epochs_than_it_needs() -> None:
    bounded = with_budget(mini(epochs=90_000), "2h", None, lambda one: preview_of(one, LOOK, device())[0], NOW)
    assert bounded.epochs == 90_000


def test_the_review_tells_everything_in_words() -> None:
    told = dict(review_lines(foreseen(mini()), Price(2.0, "$")))
    assert told["an update"] == "3 x 1 x 1 = 3 rows, x 256 = 768 positions, about 759 tokens"
    assert told["updates"] == "581 (581 an epoch x 1; all epochs), 441k tokens"
    assert told["model"].startswith("2.19M parameters") and "$" in told["cost"] and "at $2.00 an hour" in told["cost"]
    assert "of 8.0 GB" in told["memory"] and "very roughly" in told["time"] and "a checkpoint takes" in told["disk"]
    assert "at first" in told["learning rate"]
    without = dict(review_lines(foresee(mini(), None, None), None))
    assert without["updates"] == "?" and without["time"] == "not known yet" and "cost" not in without


# -- cards


def test_cards_tell_what_presets_are_and_which_are_broken(workspace: Path) -> None:
    (workspace / "presets").mkdir()
    (workspace / "presets" / "mine.toml").write_text('[preset]\nsummary = "[b]mine[/b]"\n[training]\nepochs = 2\n')
    (workspace / "presets" / "bad.toml").write_text("[training]\nepochs = 0\n")
    (workspace / "presets" / "worse.toml").write_text("not toml")
    cards = {card.name: card for card in preset_cards()}
    assert next(iter(cards)) == "mini" and cards["mini"].data_here and cards["mini"].origin == "built in"
    assert cards["mine"].summary == "[b]mine[/b]" and cards["mine"].origin == "presets/mine.toml"
    assert "epochs = 0" in cards["bad"].problem and cards["bad"].preset is None
    assert "not valid TOML" in cards["worse"].problem
    assert not cards["full"].data_here and "not here yet" in cards["full"].data_words


def test_what_one_begins_with(workspace: Path) -> None:
    assert first_choice(preset_cards()) == "mini"
    (workspace / "datasets").mkdir()
    (workspace / "datasets" / "pretrain_data.jsonl").write_text('{"text": "a"}\n')
    assert first_choice(preset_cards()) == "full"
    (workspace / "presets").mkdir()
    for name in ("full", "mini"):
        (workspace / "presets" / f"{name}.toml").write_text("broken")
    assert first_choice(preset_cards()) not in ("full", "mini")
    assert first_choice([]) == ""


def test_costs_in_few_words() -> None:
    parts = cost_words(preview_of(mini(), LOOK, device())[0])
    assert parts[:2] == ["2.19M parameters", "441k tokens"] and parts[2].startswith("roughly ")
    assert parts[3].endswith("of 8.0 GB")
    assert cost_words(preview_of(mini(), None, None)[0])[0] == "2.19M parameters"


def test_a_mixture_s_cost_names_what_a_token_meets() -> None:
    draft = load_preset("mini-moe").settings()
    assert cost_words(preview_of(draft, None, None)[0])[0] == "2.56M parameters (2.07M active)"


# -- the draft


def test_a_draft_begins_with_the_smoke_test_and_is_untouched() -> None:
    draft = WizardDraft.first()
    assert (draft.preset, draft.step, draft.is_touched) == ("mini", "preset", False)
    draft.form.set_text("epochs", "2")
    assert draft.is_touched


def test_a_draft_of_settings_is_marked_against_its_preset() -> None:
    draft = WizardDraft.opened("mini", mini(epochs=4, sample_prompts=("a|b", " c")))
    assert draft.step == "settings" and draft.form.changed == ["epochs", "sample_prompts"]
    assert draft.settings(None, None) == mini(epochs=4, sample_prompts=("a|b", " c"))
    gone = WizardDraft.opened("gone", mini())
    assert gone.preset == "full" and gone.settings(None, None) == mini()
    assert WizardDraft.opened("mini", None).step == "data"
    with pytest.raises(UserError):
        WizardDraft.opened("gone", None)


def test_another_preset_keeps_the_changes_or_not() -> None:
    cards = {card.name: card for card in preset_cards()}
    draft = WizardDraft.of_preset("mini")
    draft.form.set_text("epochs", "7")
    draft.budget = "2h"
    draft.take_preset(cards["full"], keep=True)
    assert draft.preset == "full" and draft.form.changed == ["epochs"] and draft.budget == "2h"
    draft.take_preset(cards["minimind2"], keep=False)
    assert draft.form.changed == [] and draft.budget == ""


def test_what_is_wrong_is_listed_with_its_step() -> None:
    draft = WizardDraft.of_preset("mini")
    draft.form.set_text("data_path", "")
    draft.form.set_text("epochs", "x")
    draft.budget = "soon"
    assert [(reason.step, reason.field) for reason in draft.reasons(None)] == [
        ("data", "data_path"),
        ("settings", "epochs"),
        ("review", "budget"),
    ]
    assert draft.wrong_steps == {"data", "settings"} and draft.command(None, None) == ""
    with pytest.raises(UserError):
        draft.settings(None, None)
    assert draft.usable_settings(None, None) == mini()


def test_names_become_ids() -> None:
    draft = WizardDraft.of_preset("mini")
    assert draft.run_name == "mini" and draft.name_problem == ""
    draft.name = "my run/../x"
    assert "/" not in draft.run_name and draft.run_name in draft.name_problem


def test_the_summary_says_what_was_tuned() -> None:
    draft = WizardDraft.of_preset("mini")
    assert draft.summary() == "mini"
    for name, text in (("epochs", "2"), ("learning_rate", "0.01"), ("seed", "7"), ("grad_clip", "2")):
        draft.form.set_text(name, text)
    assert draft.summary() == "mini: epochs 2, learning_rate 0.01, grad_clip 2 ..."


def test_after_the_start_another_may_follow() -> None:
    draft = WizardDraft.of_preset("mini")
    draft.step, draft.name, draft.force = "review", "x", True
    draft.form.set_text("epochs", "2")
    draft.begin_again()
    assert (draft.step, draft.name, draft.force, draft.form.changed) == ("preset", "", False, ["epochs"])
