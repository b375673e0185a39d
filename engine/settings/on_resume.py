"""Which changed settings a resumed run, or a fork of a run, may take: freely, inexactly, or not at all."""

from collections.abc import Collection
from dataclasses import dataclass

from engine.errors import UserError
from engine.language import _
from engine.settings.declaration import declarations
from engine.settings.settings import AUTO_COUNTS_IN, Settings

_DECLARATIONS = declarations(Settings)

BEGINNING = ("initializer", "from_weight")
"""Settings about a run's first weights, which a fork does not have: its weights are the checkpoint's."""

LENGTH = ("epochs", "max_steps")
"""Settings that say where a schedule ends, and move nothing but that."""


@dataclass(frozen=True)
class ResumeChange:
    """What differs on resume: every changed setting, and the reasons why the run goes on inexactly."""

    changed: dict[str, tuple[object, object]]
    why_inexact: list[str]


def check_resume(before: Settings, after: Settings, *, may_lengthen: bool = False) -> ResumeChange:
    """Compare the settings of a run with those asked for on resume.

    `may_lengthen`: the end of the run's schedule may be moved without changing any update made so far (constant, or
    wsd before its decay). Raises UserError naming every setting that cannot change within a run, and the way out.
    """
    changed = _changed(before, after)
    refused = [
        name
        for name in changed
        if _DECLARATIONS[name].on_resume in ("fork", "new") and not (may_lengthen and name in LENGTH)
    ]
    if before.rows_per_update != after.rows_per_update:
        refused += [name for name in ("batch_size", "accumulation_steps", "nproc", "nnodes") if name in changed]
    if refused:
        new = any(_DECLARATIONS[name].on_resume == "new" or name in BEGINNING for name in refused)
        message = (
            _(
                "A run that is resumed keeps: {listed}. With another value it would be another experiment: start a new "
                "run, with --from_weight to begin from this run's weights."
            )
            if new
            else _(
                "A run that is resumed keeps: {listed}. With another value it would be another experiment: fork it "
                "(minimind fork), and it goes on from its checkpoint as a run of its own."
            )
        )
        raise UserError(message.format(listed=_listed(refused, changed)))
    return ResumeChange(changed, _inexact(changed))


def check_fork(before: Settings, after: Settings) -> ResumeChange:
    """Compare the settings of a run with those asked for in a fork of it; `why_inexact` names what trains otherwise.

    Raises UserError naming every setting that no fork can change, and the way out.
    """
    changed = _changed(before, after)
    refused = [name for name in changed if _DECLARATIONS[name].on_resume == "new"]
    if refused:
        raise UserError(
            _(
                "A fork keeps the network and the tokenizer of its checkpoint: {listed}. For others start a new run; "
                "--from_weight begins it with this run's weights where the shapes allow."
            ).format(listed=_listed(refused, changed))
        )
    refused = [name for name in changed if name in BEGINNING]
    if refused:
        raise UserError(
            _(
                "A fork begins with the weights of its checkpoint: {listed} would change nothing. Leave it out, or "
                "start a new run."
            ).format(listed=_listed(refused, changed))
        )
    return ResumeChange(changed, _inexact(changed))


def trains_otherwise(name: str) -> bool:
    """Whether another value of a setting makes another training of it: neither free nor inexact alone."""
    return _DECLARATIONS[name].on_resume in ("fork", "new")


def change_in_words(name: str, before: object, after: object) -> str:
    """`learning_rate changed from 0.001 to 0.0005`."""
    return _("{name} changed from {before} to {after}").format(name=name, before=plain(before), after=plain(after))


def plain(value: object) -> str:
    """A setting's value in a sentence: a number in few digits, several texts between bars."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return " | ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _changed(before: Settings, after: Settings) -> dict[str, tuple[object, object]]:
    return {
        name: (getattr(before, name), getattr(after, name))
        for name in _DECLARATIONS
        if getattr(before, name) != getattr(after, name)
    }


def _inexact(changed: dict[str, tuple[object, object]]) -> list[str]:
    return [
        change_in_words(name, old, new)
        for name, (old, new) in changed.items()
        if _DECLARATIONS[name].on_resume == "inexact"
    ]


def _listed(names: list[str], changed: dict[str, tuple[object, object]]) -> str:
    return ", ".join(
        _("{name} ({before} -> {after})").format(
            name=name, before=plain(changed[name][0]), after=plain(changed[name][1])
        )
        for name in names
    )


def keep_rows(before: Settings, after: Settings, given: Collection[str]) -> Settings:
    """`after` with the update of `before` dealt to another number of processes, where that was all that changed.

    An update keeps its rows: the accumulation gives way, and the micro-batch where the rows do not divide by it. What
    is `given` stays as it is. Raises UserError when the rows cannot be dealt to so many processes.
    """
    rows = before.rows_per_update
    if before.processes == after.processes or {"batch_size", "accumulation_steps"} & set(given):
        return after
    if rows % after.processes:
        raise UserError(
            _(
                "An update of this run takes {rows} rows, which {n} processes cannot share evenly. Take a number of "
                "processes that divides {rows}."
            ).format(rows=rows, n=after.processes)
        )
    share = rows // after.processes
    if after.batch_size == "auto" and share % AUTO_COUNTS_IN == 0:
        return after.model_copy(update={"accumulation_steps": share // AUTO_COUNTS_IN})
    batch = max(size for size in range(1, min(after.micro_batch, share) + 1) if share % size == 0)
    return after.model_copy(update={"batch_size": batch, "accumulation_steps": share // batch})
