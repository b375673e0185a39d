"""How a setting is declared: one place from which the TOML schema, the command line, the forms and the docs come."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

Group = Literal["model", "data", "training", "schedule", "device", "checkpoints", "watch", "trackers"]
GROUPS: tuple[Group, ...] = get_args(Group)

OnResume = Literal["free", "inexact", "fork", "new"]
"""What a change does to a run that is resumed: `free` changes nothing that was promised, `inexact` goes on but not bit
for bit, `fork` would make it another experiment, `new` would not fit its weights."""


@dataclass(frozen=True)
class Declaration:
    """What a setting's field says beside its type, default and bounds."""

    group: Group
    on_resume: OnResume
    english: str
    chinese: str
    unit: str
    basic: bool

    def help(self, language: str) -> str:
        """The help sentence in `language` (`en` or `zh`)."""
        return self.chinese if language == "zh" else self.english


def setting(
    default: Any,
    group: Group,
    on_resume: OnResume,
    english: str,
    chinese: str,
    *,
    unit: str = "",
    basic: bool = False,
    **bounds: Any,
) -> Any:
    """A pydantic field that carries a `Declaration`; `bounds` are pydantic's own (`ge`, `gt`, `le`, `lt`, ...)."""
    declaration = Declaration(group, on_resume, english, chinese, unit, basic)
    return Field(default, description=english, json_schema_extra={"declaration": declaration.__dict__}, **bounds)


def declaration_of(field: FieldInfo) -> Declaration:
    """The declaration that `setting` put into a field."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError("this field was not declared with setting()")
    return Declaration(**extra["declaration"])  # type: ignore[arg-type]


def declarations(model: type[BaseModel]) -> dict[str, Declaration]:
    """Every setting of `model` by name, in the order of declaration."""
    return {name: declaration_of(field) for name, field in model.model_fields.items()}
