"""What is known of a run by name: its facts (state, loss, age, ...) and its settings, each of one kind.

Filter, columns and comparison all take their values from here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from engine.run.schema import State
from engine.settings.settings import Settings
from minimind_tui.core.run_index import RunEntry

Kind = Literal["number", "share", "duration", "bytes", "flag", "word", "text", "state"]
Value = float | bool | str | None

BROKEN = "broken"
"""Stands for the state of a folder whose manifest cannot be read."""

STATES: tuple[str, ...] = (*(str(state) for state in State), BROKEN)


@dataclass(frozen=True)
class RunRow:
    """One run in a list. `settings` and `size` (bytes) are None until they have been read; `now` is POSIX seconds."""

    entry: RunEntry
    now: float
    settings: Mapping[str, Any] | None = None
    size: int | None = None

    @property
    def key(self) -> str:
        """What tells the runs of one workspace apart."""
        return self.entry.id

    @property
    def state(self) -> str:
        """The state, or BROKEN."""
        return BROKEN if self.entry.manifest is None else str(self.entry.seen.state)

    @property
    def share(self) -> float | None:
        """What is done of it, 0 to 1."""
        status = self.entry.seen.status
        if status is None or not status.total_steps:
            return None
        return min(1.0, status.step / status.total_steps)


@dataclass(frozen=True)
class Fact:
    """Something known of every run. `values` are those of one run: none when it is not known, several when it goes by
    several names. A setting's are known only once its run.toml was read.
    """

    name: str
    kind: Kind
    values: Callable[[RunRow], tuple[Value, ...]]
    choices: tuple[str, ...] = ()
    """The words it can be, where they are few."""
    is_setting: bool = False


ALIASES: dict[str, str] = {
    "lr": "learning_rate",
    "moe": "use_moe",
    "processes": "nproc",
    "world_size": "nproc",
    "ranks": "nproc",
    "bs": "batch_size",
    "batch": "batch_size",
    "accum": "accumulation_steps",
    "wd": "weight_decay",
    "clip": "grad_clip",
    "opt": "optimizer",
    "warmup": "warmup_steps",
    "seq": "max_seq_len",
    "seq_len": "max_seq_len",
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "dim": "hidden_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "arch": "architecture",
    "data": "data_path",
    "val": "validation_loss",
    "best": "validation_loss",
    "best_validation": "validation_loss",
    "step": "steps",
    "total": "total_steps",
    "speed": "tokens_per_s",
    "time": "elapsed",
    "duration": "elapsed",
    "params": "parameters",
    "name": "run",
    "title": "run",
    "id": "run",
    "parent": "origin",
    "weights": "weights_name",
}
"""Short names of facts and settings."""


def find_fact(name: str) -> Fact | None:
    """The fact or setting of that name or short name, whatever its case and with - for _; None when there is none."""
    plain = name.casefold().replace("-", "_")
    return facts().get(ALIASES.get(plain, plain))


def known_names() -> list[str]:
    """Every name that `find_fact` knows, the facts first."""
    return [*facts(), *ALIASES]


@cache
def facts() -> dict[str, Fact]:
    """Every fact and setting by name. A fact comes before the setting of its name."""
    own = [
        Fact("state", "state", lambda row: (row.state,), STATES),
        Fact("run", "text", lambda row: (row.entry.folder.id, row.entry.annotations.title or None)),
        Fact("note", "text", lambda row: (row.entry.annotations.note or None,)),
        Fact("preset", "word", _manifest("preset")),
        Fact("progress", "share", lambda row: (row.share,)),
        Fact("loss", "number", _status("loss")),
        Fact("validation_loss", "number", _status("best_validation")),
        Fact("steps", "number", _status("step")),
        Fact("total_steps", "number", _status("total_steps")),
        Fact("epoch", "number", _status("epoch")),
        Fact("tokens", "number", _status("tokens")),
        Fact("tokens_per_s", "number", _status("tokens_per_s")),
        Fact("elapsed", "duration", _status("elapsed")),
        Fact("eta", "duration", lambda row: (_eta(row),)),
        Fact("age", "duration", lambda row: (age_of(row),)),
        Fact("size", "bytes", lambda row: (row.size,)),
        Fact("parameters", "number", _manifest("parameters")),
        Fact("device", "text", lambda row: (*_manifest("device")(row), *_setting_values(row, "device"))),
        Fact("dtype", "word", lambda row: _manifest("dtype")(row) or _setting_values(row, "dtype")),
        Fact("host", "text", _manifest("host")),
        Fact("weights_name", "text", _manifest("weights_name")),
        Fact("nproc", "number", _processes),
        Fact("attempts", "number", lambda row: (len(row.entry.manifest.attempts) if row.entry.manifest else None,)),
        Fact("exact", "flag", lambda row: (_exact(row),)),
        Fact("origin", "text", lambda row: (_origin(row),)),
    ]
    known = {fact.name: fact for fact in own}
    for name, field in Settings.model_fields.items():
        if name not in known:
            kind, choices = _kind_of(name, field.annotation)
            known[name] = Fact(name, kind, _setting(name), choices, is_setting=True)
    return known


def age_of(row: RunRow) -> float | None:
    """Seconds since the run was made."""
    created = row.entry.created
    return None if created is None else max(0.0, row.now - created)


def _eta(row: RunRow) -> float | None:
    status = row.entry.seen.status
    return status.eta_s if status is not None and row.entry.seen.is_live else None


def _exact(row: RunRow) -> bool | None:
    """Whether every resume so far was exact; None for a run that was not resumed."""
    manifest = row.entry.manifest
    judged = (
        [one.exact for one in manifest.attempts if one.from_checkpoint and one.exact is not None] if manifest else []
    )
    return all(judged) if judged else None


def _origin(row: RunRow) -> str | None:
    lineage = row.entry.manifest.lineage if row.entry.manifest else None
    return (lineage.run or lineage.path) if lineage is not None else None


def processes_of(row: RunRow) -> int | None:
    """The processes on all machines that the run's newest attempt trained or trains with; None before it began."""
    manifest, status = row.entry.manifest, row.entry.seen.status
    if status is not None:
        return status.world_size
    return manifest.attempts[-1].world_size if manifest is not None and manifest.attempts else None


def _processes(row: RunRow) -> tuple[Value, ...]:
    """With how many it trains; of a run that has not begun, how many were asked for."""
    known = processes_of(row)
    if known is not None:
        return (known,)
    return _setting_values(row, "nproc") if "nproc" in Settings.model_fields else ()


def _manifest(name: str) -> Callable[[RunRow], tuple[Value, ...]]:
    return lambda row: () if row.entry.manifest is None else (getattr(row.entry.manifest, name),)


def _status(name: str) -> Callable[[RunRow], tuple[Value, ...]]:
    return lambda row: () if row.entry.seen.status is None else (getattr(row.entry.seen.status, name),)


def _setting(name: str) -> Callable[[RunRow], tuple[Value, ...]]:
    return lambda row: _setting_values(row, name)


def _setting_values(row: RunRow, name: str) -> tuple[Value, ...]:
    if row.settings is None:
        return ()
    value = row.settings.get(name, Settings.model_fields[name].default)
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _kind_of(name: str, annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    """The kind of a setting by its type, and the words it may be."""
    leaves = list(_leaves(annotation))
    words = tuple(leaf for leaf in leaves if isinstance(leaf, str))
    if bool in leaves:
        return "flag", words
    if name == "time_budget":
        return "duration", words
    if int in leaves or float in leaves:
        return "number", words
    return ("word", words) if words else ("text", ())


def _leaves(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _leaves(get_args(annotation)[0])
    if origin is Literal:
        return list(get_args(annotation))
    if origin in (Union, UnionType, tuple):
        return [leaf for one in get_args(annotation) if one is not Ellipsis for leaf in _leaves(one)]
    return [annotation]


_NUMBER = re.compile(r"([+-]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z%]*)", re.IGNORECASE)
_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
_BYTES = {"": 1.0, "b": 1.0, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12}
_SHARES = {"": 1.0, "%": 0.01}


def parse_quantity(text: str, kind: Kind) -> float:
    """A number as people write it: `1e-3`, `12k`, `1.5M`; `10MB` of bytes; `50%` of a share. Raises ValueError."""
    found = _NUMBER.fullmatch(text.strip())
    units = {"bytes": _BYTES, "share": _SHARES}.get(kind, _COUNTS)
    if found is None or found[2].casefold() not in units:
        raise ValueError(text)
    return float(found[1].replace("_", "").replace(",", "")) * units[found[2].casefold()]
