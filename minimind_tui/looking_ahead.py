"""Everything a preview of a run needs, gathered: files, device, calibration, what the text comes to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.estimate.calibration import Calibration, load_calibration
from engine.estimate.data_facts import DataFacts, data_facts, exact_data_facts
from engine.estimate.device_probe import DeviceFacts, probe_device
from engine.estimate.disk import free_bytes
from engine.estimate.preview import RunPreview, preview_run
from engine.places import cache_dir, runs_dir
from engine.run.launch import plan_run
from engine.settings.material import find_data, find_tokenizer
from engine.settings.settings import Settings

if TYPE_CHECKING:
    from engine.data.tokenizer import Tokenizer

_SHIPPED_VOCABULARY = 6400
INSPECT_SECONDS = 3.0


@dataclass(frozen=True)
class Outlook:
    """A preview, and what it rests on. `data` and `tokenizer` are None when the settings name none that is there."""

    settings: Settings
    preview: RunPreview
    data: Path | None
    tokenizer: Path | None
    facts: DataFacts | None
    calibration: Calibration | None


@dataclass
class _Found:
    data: Path | None = None
    tokenizer: Path | None = None
    vocab_size: int = _SHIPPED_VOCABULARY
    facts: DataFacts | None = None
    problems: list[str] = field(default_factory=list)


def look_ahead(
    settings: Settings,
    *,
    preset: str | None = None,
    device: DeviceFacts | None = None,
    inspect_seconds: float = INSPECT_SECONDS,
) -> Outlook:
    """The preview of a run with these settings. What is wrong with them becomes its problems.

    Takes some seconds where the text's rows are not built yet (it is inspected) or the device not probed yet. Raises
    UserError when it cannot be probed.
    """
    found = _find(settings, preset, inspect_seconds)
    known = device if device is not None else probe_device(cache_dir())
    calibration = None
    try:
        calibration = load_calibration(cache_dir(), settings, known, found.vocab_size)
    except UserError as error:
        found.problems.append(str(error))
    preview = preview_run(
        settings,
        vocab_size=found.vocab_size,
        data=found.facts,
        device=known,
        calibration=calibration,
        disk_free=free_bytes(runs_dir()),
        problems=found.problems,
    )
    return Outlook(settings, preview, found.data, found.tokenizer, found.facts, calibration)


def _find(settings: Settings, preset: str | None, inspect_seconds: float) -> _Found:
    from engine.data.tokenizer import Tokenizer

    found = _Found()
    try:
        plan_run(settings, preset=preset)
    except UserError as error:
        found.problems.append(str(error))
    tokenizer: Tokenizer | None = None
    try:
        found.tokenizer = find_tokenizer(settings.tokenizer)
        tokenizer = Tokenizer.load(found.tokenizer)
        found.vocab_size = tokenizer.vocab_size
        found.data = find_data(settings.data_path).path
        found.facts = _look_into(found.data, tokenizer, settings, inspect_seconds)
    except UserError as error:
        found.problems.append(str(error))
    return found


def _look_into(data: Path, tokenizer: "Tokenizer", settings: Settings, seconds: float) -> DataFacts:
    exact = exact_data_facts(data, tokenizer, settings, cache_dir())
    if exact is not None:
        return exact
    from engine.data.inspect import inspect_file

    report = inspect_file(
        data,
        tokenizer,
        max_seq_len=settings.max_seq_len,
        text_field=settings.text_field,
        special_tokens=settings.special_tokens,
        overlong=settings.overlong,
        bad_lines_limit=settings.bad_lines_limit,
        sample_rows=1,
        time_budget_s=seconds,
    )
    return data_facts(report, settings)
