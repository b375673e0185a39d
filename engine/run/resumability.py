"""Before a run is resumed: whether it can be, from where, what is lost, whether it will go on bit for bit. No torch.

What the bits of an update depend on stands in each checkpoint's record (engine.train.exactness wrote it). Much of it
can be compared from here: the torch that is installed, the machine, the settings. What only torch can tell is said to
be open; the run judges for itself when it starts, and writes down what it found.
"""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.checkpoints import CheckpointInfo, newest
from engine.run.folder import RunFolder
from engine.run.guard_record import read_guard
from engine.run.launch import plan_resume
from engine.run.observe import Observation, observe
from engine.run.process import this_process
from engine.run.schema import CheckpointRecord, Manifest
from engine.run.training_text import TextNow, TrainingText, ways_out
from engine.settings.on_resume import change_in_words
from engine.settings.settings import Settings


@dataclass(frozen=True)
class ResumeStatement:
    """What can be said of a resume before it is made."""

    possible: bool
    exact: bool | None
    """Whether it goes on bit for bit, by everything that can be seen without torch; None when that cannot tell, or when
    there is nothing to go on from."""
    reasons: list[str] = field(default_factory=list)
    """Why it is not possible, or why not exact."""
    open: list[str] = field(default_factory=list)
    """What only the run itself can tell, when it starts."""
    step: int = 0
    """The update it goes on from; 0 begins again."""
    lost: int = 0
    """Updates made beyond the checkpoint, which will be made again."""
    cache_instead: bool = False
    """Whether what stands in the way, or may, is the text's file alone: the token cache could serve in its place."""
    said: list[str] = field(default_factory=list)
    """What is to be known of the text, in sentences."""

    def lines(self) -> list[str]:
        """The statement in words, a sentence each."""
        if not self.possible:
            return list(self.reasons)
        said = [
            *self.said,
            _("It goes on from step {step}.").format(step=self.step)
            if self.step
            else _("It has no checkpoint yet and begins again."),
        ]
        if self.lost:
            said.append(
                _("{n} updates beyond that were not saved: they are made again.").format(n=self.lost)
                if self.step
                else _("The {n} updates it made were not saved: they are made again.").format(n=self.lost)
            )
        if not self.step:
            return said
        if self.exact:
            said.append(_("It goes on bit for bit, as if it had not been interrupted."))
        elif self.exact is False:
            said.append(_("It goes on, but not bit for bit: {reasons}.").format(reasons="; ".join(self.reasons)))
        else:
            said.append(
                _("Whether it goes on bit for bit shows when it starts: {open}.").format(open="; ".join(self.open))
            )
        return said


def resume_statement(
    folder: RunFolder, values: Mapping[str, Any] | None = None, *, use_cache: bool = False
) -> ResumeStatement:
    """What a resume of `folder` with the changed `values` will be. Looks at small files alone; starts nothing.

    Never raises for what the folder holds: what stands in the way of a resume is a reason. The checkpoint's hashes are
    looked at when it starts; should the newest not hold, the run goes on from the one before and says so. `use_cache`:
    the token cache is to serve where the text's file is another one, or gone.
    """
    try:
        plan = plan_resume(folder, values)
        manifest = folder.read_manifest()
    except UserError as error:
        return ResumeStatement(False, None, [str(error)])
    info = newest(folder)
    text = manifest.text if info is not None else None
    use_cache = text is not None and (use_cache or text.use_cache)
    now: TextNow = "same" if text is None or manifest.data_path is None else text.now(Path(manifest.data_path))
    if problem := _tokenizer_problem(manifest):
        return ResumeStatement(False, None, problem)
    if (problem := _text_problem(folder, manifest, text)) and not use_cache:
        return ResumeStatement(False, None, problem, cache_instead=text is not None)
    said = _words_of_text(manifest, now, use_cache=use_cache)
    seen = observe(folder)
    step = 0 if info is None else info.step
    lost = max(0, _steps_made(seen) - step)
    try:
        guard = _guard_reasons(folder, info)
    except UserError as error:
        return ResumeStatement(False, None, [str(error)])
    if info is None or info.record is None:
        return ResumeStatement(True, None, lost=lost, said=said)
    reasons = [*plan.change.why_inexact, *_settings_reasons(plan.settings, info.record, set(plan.change.changed))]
    reasons += _micro_batch_reasons(plan.settings, info.record, manifest, set(plan.change.changed))
    reasons += guard
    machine, unknown = _machine_reasons(plan.settings, info.record, manifest)
    reasons += machine
    exact = False if reasons else None if unknown else True
    instead = now != "same" and not use_cache
    return ResumeStatement(True, exact, reasons, unknown, step, lost, instead, said)


def _guard_reasons(folder: RunFolder, info: CheckpointInfo | None) -> list[str]:
    """What the run's guard has decided since the checkpoint. Raises UserError for a broken guard.json."""
    record = read_guard(folder)
    saved = {} if info is None or info.record is None else info.record.surroundings
    counts = {
        "rollbacks": (_("the number of rollbacks"), len(record.rollbacks)),
        "excluded": (_("the number of excluded documents"), len(record.excluded)),
    }
    return [
        _("{what} changed from {before} to {after}").format(what=what, before=saved.get(name, 0), after=now)
        for name, (what, now) in counts.items()
        if saved.get(name, 0) != now
    ]


def _steps_made(seen: Observation) -> int:
    return seen.status.step if seen.status is not None else 0


def _tokenizer_problem(manifest: Manifest) -> list[str]:
    return _gone(_("tokenizer"), manifest.tokenizer_path)


def _gone(what: str, path: str | None) -> list[str]:
    if path is None or Path(path).exists():
        return []
    return [_("Its {what} is gone: there is no file {path}. Put it back to resume.").format(what=what, path=path)]


def _text_problem(folder: RunFolder, manifest: Manifest, text: TrainingText | None) -> list[str]:
    """Why the run cannot go on with its text's file, as far as a look at it tells."""
    if text is None or manifest.data_path is None:
        return _gone(_("training text"), manifest.data_path)
    match text.now(Path(manifest.data_path)):
        case "gone":
            problem = _("Its training text is gone: there is no file {path}.").format(path=manifest.data_path)
        case "changed":
            problem = _("Its training text has changed: {path} is not the file that the run began with.").format(
                path=manifest.data_path
            )
        case _now:
            return []
    return [f"{problem} {ways_out(folder.id)}"]


def _words_of_text(manifest: Manifest, now: TextNow, *, use_cache: bool) -> list[str]:
    if now == "same":
        return []
    if not use_cache:
        return [
            _("{path} was written to since the run began: if its text is another one, it stops and says so.").format(
                path=manifest.data_path
            )
        ]
    return [
        _("Where {path} is not the text that the run began with, it trains on with the token cache of that.").format(
            path=manifest.data_path
        )
    ]


def _settings_reasons(settings: Settings, record: CheckpointRecord, told: set[str]) -> list[str]:
    """What the settings ask to be other than it was at the checkpoint; `told` are changes that were said already."""
    saved = record.surroundings
    asked: dict[str, Any] = {
        "recompute": settings.recompute,
        "dtype": None if settings.dtype == "auto" else settings.dtype,
        "device": None if settings.device == "auto" else settings.device.partition(":")[0],
        "threads": None if settings.num_threads == "auto" or saved.get("device") == "cuda" else settings.num_threads,
    }
    names = {"threads": "num_threads"}
    reasons = [
        change_in_words(names.get(name, name), saved[name], value)
        for name, value in asked.items()
        if value is not None and name in saved and saved[name] != value and names.get(name, name) not in told
    ]
    if saved.get("compiled") and settings.compile is not False:
        reasons.append(_("compiled code is not promised to repeat itself bit for bit"))
    if saved.get("deterministic") is False and settings.deterministic is not True:
        reasons.append(_("deterministic kernels are off"))
    return reasons


def _micro_batch_reasons(settings: Settings, record: CheckpointRecord, manifest: Manifest, told: set[str]) -> list[str]:
    """Why other rows are computed at a time than at the checkpoint. There, less than asked for may have been: memory
    that ran out is remembered, and a resume goes on as the last attempt did.
    """
    saved = record.surroundings
    if "batch_size" not in saved or "batch_size" in told:
        return []
    if settings.batch_size != saved.get("batch_size_asked", saved["batch_size"]):
        return [change_in_words("batch_size", saved["batch_size"], settings.batch_size)]
    last = next((one.micro_batch for one in reversed(manifest.attempts) if one.micro_batch is not None), None)
    if last is None or last >= saved["batch_size"]:
        return []
    return [
        _("{what} changed from {before} to {after}").format(
            what=_("the micro-batch"), before=saved["batch_size"], after=last
        )
    ]


def _machine_reasons(settings: Settings, record: CheckpointRecord, manifest: Manifest) -> tuple[list[str], list[str]]:
    """What this machine and its torch are other than at the checkpoint, and what cannot be compared from here."""
    saved = record.surroundings
    if not saved:
        return [], [_("the checkpoint does not say what it was trained with")]
    reasons: list[str] = []
    unknown: list[str] = []
    torch = installed_torch()
    if torch is None:
        unknown.append(_("no torch is installed here"))
    elif not _same_version(str(saved.get("torch")), torch):
        reasons.append(
            _("{what} changed from {before} to {after}").format(
                what=_("the torch version"), before=saved.get("torch"), after=torch
            )
        )
    host = record.host or next((one.host for one in manifest.attempts if one.attempt == record.attempt), None)
    here = this_process().host
    if host != here:
        if saved.get("device") != "cuda" and saved.get("device_name") != platform.machine():
            reasons.append(
                _("{what} changed from {before} to {after}").format(
                    what=_("the device's model"), before=saved.get("device_name"), after=platform.machine()
                )
            )
        unknown.append(
            _("it was trained on {host}, this is {here}: device and instruction set must be the same").format(
                host=host or "?", here=here
            )
        )
    threads = os.environ.get("OMP_NUM_THREADS", "")
    from_environment = settings.num_threads == "auto" and threads.isdecimal() and int(threads) > 0
    if from_environment and saved.get("device") == "cpu" and saved.get("threads") != int(threads):
        reasons.append(
            _("{what} changed from {before} to {after}").format(
                what=_("the number of threads"), before=saved.get("threads"), after=int(threads)
            )
        )
    return reasons, unknown


def installed_torch() -> str | None:
    """The version of the torch that a worker of this Python would import; None when there is none."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def _same_version(one: str, other: str) -> bool:
    """Whether two versions are the same; a build (`+cpu`) counts where both name theirs."""
    if "+" in one and "+" in other:
        return one == other
    return one.partition("+")[0] == other.partition("+")[0]
