"""Which changed settings a resumed run may take: freely, inexactly, or not at all."""

from dataclasses import dataclass

from engine.errors import UserError
from engine.language import _
from engine.settings.declaration import declarations
from engine.settings.settings import Settings

_DECLARATIONS = declarations(Settings)


@dataclass(frozen=True)
class ResumeChange:
    """What differs on resume: every changed setting, and the reasons why the run goes on inexactly."""

    changed: dict[str, tuple[object, object]]
    why_inexact: list[str]


def check_resume(before: Settings, after: Settings) -> ResumeChange:
    """Compare the settings of a run with those asked for on resume.

    Raises UserError naming every setting that cannot change within a run, and the way out.
    """
    changed = {
        name: (getattr(before, name), getattr(after, name))
        for name in _DECLARATIONS
        if getattr(before, name) != getattr(after, name)
    }
    refused = [name for name in changed if _DECLARATIONS[name].on_resume in ("fork", "new")]
    if before.rows_per_update != after.rows_per_update:
        refused += [name for name in ("batch_size", "accumulation_steps") if name in changed]
    if refused:
        listed = ", ".join(
            _("{name} ({before} -> {after})").format(name=name, before=changed[name][0], after=changed[name][1])
            for name in refused
        )
        raise UserError(
            _(
                "A run that is resumed keeps: {listed}. With another value it would be another experiment: "
                "start a new run, with --from_weight to begin from this run's weights."
            ).format(listed=listed)
        )
    why = [
        _("{name} changed from {before} to {after}").format(name=name, before=old, after=new)
        for name, (old, new) in changed.items()
        if _DECLARATIONS[name].on_resume == "inexact"
    ]
    return ResumeChange(changed, why)
