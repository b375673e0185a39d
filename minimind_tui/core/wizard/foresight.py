"""What the run that is set up will be, and every reason why it cannot start yet, each with the step that mends it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.data.file_check import check_file
from engine.errors import UserError
from engine.estimate.calibration import Calibration, load_calibration
from engine.estimate.data_facts import DataFacts
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.disk import free_bytes
from engine.estimate.micro_batch import found_rows
from engine.estimate.preview import RunPreview, preview_run
from engine.places import cache_dir, named_path, runs_dir
from engine.run.launch import deadline_moment, weights_name
from engine.run.publishing import check_save_dir
from engine.run.requested import find_weights
from engine.settings.material import find_data, find_tokenizer
from engine.settings.network import shape_from_settings
from engine.settings.settings import Settings
from minimind_tui.core.cost import Price, epochs_to_fill, parse_budget
from minimind_tui.core.wizard.data_look import SHIPPED_VOCABULARY, DataLook

Step = Literal["preset", "data", "settings", "review"]
STEPS: tuple[Step, ...] = ("preset", "data", "settings", "review")


@dataclass(frozen=True)
class Reason:
    """Why a run is not ready, the step that mends it, and there the field."""

    text: str
    step: Step
    field: str = ""


@dataclass(frozen=True)
class Foresight:
    """What is known of a run before it starts. `reasons` is empty when nothing stands in the way."""

    settings: Settings
    preview: RunPreview
    calibration: Calibration | None
    reasons: tuple[Reason, ...]

    @property
    def save_dir_taken(self) -> bool:
        """Whether other weights in save_dir are all that stands in the way: overwriting them is then a way out."""
        return bool(self.reasons) and all(reason.field == "save_dir" for reason in self.reasons)


def preview_of(
    settings: Settings, look: DataLook | None, device: DeviceFacts | None, now: datetime | None = None
) -> tuple[RunPreview, Calibration | None]:
    """The preview of a run as far as it is known, and the calibration it rests on. Takes milliseconds."""
    vocab_size = look.vocab_size if look is not None else SHIPPED_VOCABULARY
    calibration = auto_rows = None
    if device is not None:
        try:
            auto_rows = found_rows(cache_dir(), settings, device, vocab_size)
            settled = settings if auto_rows is None else settings.in_micro_batches(auto_rows)
            calibration = load_calibration(cache_dir(), settled, device, vocab_size)
        except UserError:
            calibration = None  # a shape that makes no network: the preview says so
    preview = preview_run(
        settings,
        vocab_size=vocab_size,
        data=look.facts if look is not None else None,
        device=device,
        calibration=calibration,
        disk_free=free_bytes(runs_dir()),
        now=now,
        auto_rows=auto_rows,
    )
    return preview, calibration


def foresee(
    settings: Settings,
    look: DataLook | None,
    device: DeviceFacts | None,
    *,
    force: bool = False,
    reasons: Sequence[Reason] = (),
    now: datetime | None = None,
) -> Foresight:
    """All that can be known of a run, and what stands in its way. Reads some files: call it from a thread.

    `reasons` are those found already.
    """
    preview, calibration = preview_of(settings, look, device, now)
    found = [*reasons, *_of_settings(settings, force=force), *_of_preview(preview, look)]
    unique = {reason.text: reason for reason in reversed(found)}
    return Foresight(settings, preview, calibration, tuple(reversed(unique.values())))


def with_budget(
    settings: Settings,
    budget: str,
    price: Price | None,
    preview: Callable[[Settings], RunPreview],
    now: datetime | None = None,
) -> Settings:
    """The settings bounded by a budget as it was typed (`2h`, `$5`, `08:00`; nothing: as they are).

    The epochs become so many that the time ends the run, not the data. Raises UserError when it is no budget.
    """
    if not budget.strip():
        return settings
    found = parse_budget(budget, price=price, now=now)
    bounded = settings.model_copy(update=found.values)
    epochs = epochs_to_fill(preview(bounded), found.seconds)
    return bounded.model_copy(update={"epochs": max(bounded.epochs, epochs or 1)})


def _of_settings(settings: Settings, *, force: bool) -> list[Reason]:
    """What the checks of a start would say, all of it rather than the first."""
    reasons: list[Reason] = []

    def check(step: Step, field: str, look: Callable[[], object]) -> None:
        try:
            look()
        except UserError as error:
            reasons.append(Reason(str(error), step, field))
        except (OSError, ValueError) as error:  # a path that no file can have
            reasons.append(Reason(f"{field}: {error}", step, field))

    check("settings", "num_attention_heads", lambda: shape_from_settings(settings, SHIPPED_VOCABULARY))
    check("data", "data_path", lambda: check_file(find_data(settings.data_path).path, settings.text_field))
    check("settings", "tokenizer", lambda: find_tokenizer(settings.tokenizer))
    check("settings", "from_weight", lambda: find_weights(settings, runs_dir()))
    if settings.deadline != "none":
        check("settings", "deadline", lambda: deadline_moment(settings.deadline))
    if settings.save_dir != "none" and not any(reason.field == "from_weight" for reason in reasons):
        check("settings", "save_dir", lambda: _check_save_dir(settings, force=force))
    return reasons


def _check_save_dir(settings: Settings, *, force: bool) -> None:
    start = find_weights(settings, runs_dir())
    check_save_dir(
        named_path(settings.save_dir).absolute(),
        weights_name(settings),
        ancestors=frozenset({start.run} if start and start.run else ()),
        start=start.path if start else None,
        force=force,
    )


def _of_preview(preview: RunPreview, look: DataLook | None) -> list[Reason]:
    """The preview's problems, each with where it is mended."""
    facts = look.facts if look is not None else None
    if look is not None and look.problem:
        mended = Reason(look.problem, "data", "data_path")
        reasons = [Reason(look.problem, "settings", "tokenizer") if look.tokenizer_problem else mended]
    else:
        reasons = [Reason(text, "data", "data_path") for text in preview.problems[: _of_data(facts)]]
    of_device = preview.device.problem if preview.device is not None else ""
    unfit, full = _over(preview.memory_needed, preview.memory_there), _over(preview.disk_needed, preview.disk_free)
    for text in preview.problems[_of_data(facts) :]:  # in the order the preview looks: device, time, memory, disk
        if text == of_device:
            reasons.append(Reason(text, "settings", "device"))
        elif preview.parameters is None:
            reasons.append(Reason(text, "settings", "num_attention_heads"))
        elif full and text == preview.problems[-1]:
            reasons.append(Reason(text, "settings", "keep_checkpoints"))
        elif unfit and text == preview.problems[-2 if full else -1]:
            reasons.append(Reason(text, "settings", "batch_size"))
        else:
            reasons.append(Reason(text, "settings", "deadline"))
    return reasons


def _of_data(facts: DataFacts | None) -> int:
    """How many of a preview's problems, its first, are the text's."""
    if facts is None:
        return 1
    return len(set(facts.problems)) if facts.problems else int(facts.rows_per_epoch == 0)


def _over(needed: int | None, there: int | None) -> bool:
    return needed is not None and there is not None and needed > there
