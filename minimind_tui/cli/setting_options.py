"""One command-line option for each setting, generated from the settings' one declaration."""

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from engine.errors import UserError
from engine.language import _, current_language
from engine.settings.declaration import Declaration, Group, declaration_of
from engine.settings.on_resume import BEGINNING
from engine.settings.presets import DEFAULT_PRESET, load_preset
from engine.settings.settings import Settings
from minimind_tui.cli.arguments import FALSE_WORDS, TRUE_WORDS
from minimind_tui.cli.completion import complete_data


def with_setting_options(
    command: Callable[..., None], *, shown: Callable[[str, Declaration], bool] | None = None
) -> Callable[..., None]:
    """`command`, whose `**settings` parameter becomes one option for each setting.

    Options arrive as text (None where not given) and are judged by `engine.settings.resolve.build_settings`, so that
    the command line and the files refuse the same values in the same words. The command receives only what was given.
    An option that the command declares itself takes the place of a setting's of that name. `shown` is for commands that
    change a run there is: it tells which settings the help shows, without defaults. The others are still understood, so
    that they can be refused by name.
    """
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    declared = {parameter.name for parameter in own}
    fields = {name: field for name, field in Settings.model_fields.items() if name not in declared}
    defaults = None if shown is not None else _defaults()
    options = [_parameter(name, field, defaults, shown) for name, field in _basic_first(fields)]

    def run(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in fields}
        command(**arguments, **{name: _value(value) for name, value in given.items() if value is not None})

    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    return run


def option_places(values: Mapping[str, Any]) -> dict[str, str]:
    """Where values from options were written, for messages: `--learning_rate`."""
    return {name: f"--{name}" for name in values}


def value_words(name: str) -> tuple[str, ...]:
    """The words a yes-or-no setting takes; empty for any other setting. Its option may stand without a value."""
    if name not in Settings.model_fields:
        return ()
    kinds = _alternatives(Settings.model_fields[name])
    if bool not in kinds:
        return ()
    return (*TRUE_WORDS, *FALSE_WORDS, *(("auto",) if "auto" in kinds else ()))


def _value(value: str | list[str]) -> Any:
    """A repeated option's texts, the empty ones left out: `--sample_prompts ""` means none at all."""
    return [text for text in value if text] if isinstance(value, list) else value


def changes_on_resume(_name: str, declaration: Declaration) -> bool:
    """Whether a run that is resumed may take another value."""
    return declaration.on_resume not in ("fork", "new")


def changes_in_fork(name: str, declaration: Declaration) -> bool:
    """Whether a fork may take another value."""
    return declaration.on_resume != "new" and name not in BEGINNING


def _parameter(
    name: str, field: FieldInfo, defaults: Settings | None, shown: Callable[[str, Declaration], bool] | None
) -> inspect.Parameter:
    repeated = get_origin(field.annotation) is tuple
    option = typer.Option(
        f"--{name}",
        help=_help(name, field, defaults),
        hidden=shown is not None and not shown(name, declaration_of(field)),
        metavar=_metavar(name, field),
        rich_help_panel=_panel(field),
        show_default=False,
        autocompletion=complete_data if name == "data_path" else _completion(_choices(field)),
    )
    annotation: Any = list[str] if repeated else str
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation | None, option]
    )


def _basic_first(fields: Mapping[str, FieldInfo]) -> list[tuple[str, FieldInfo]]:
    return sorted(fields.items(), key=lambda item: not declaration_of(item[1]).basic)


def _defaults() -> Settings:
    """What holds when an option is left out: the default preset, or the plain defaults when its file is wrong."""
    try:
        return load_preset(DEFAULT_PRESET).settings()
    except UserError:
        return Settings()


def _help(name: str, field: FieldInfo, defaults: Settings | None) -> str:
    declaration = declaration_of(field)
    if defaults is None:
        return declaration.help(current_language())
    default = getattr(defaults, name)
    shown = " | ".join(default) if isinstance(default, tuple) else _text(default)
    unit = f" {unit_word(declaration.unit)}" if declaration.unit and not isinstance(default, str) else ""
    repeat = " " + _("Repeat the option for several.") if isinstance(default, tuple) else ""
    return f"{declaration.help(current_language())}{repeat} ({_('default')}: {shown}{unit})"


def unit_word(unit: str) -> str:
    """A declared unit in the current language."""
    words = {
        "minutes": _("minutes"),
        "rows": _("rows"),
        "seconds": _("seconds"),
        "threads": _("threads"),
        "processes": _("processes"),
        "machines": _("machines"),
        "tokens": _("tokens"),
        "updates": _("updates"),
    }
    return words.get(unit, unit)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _panel(field: FieldInfo) -> str:
    """The panel of the help an option stands in: the basic ones together, first, then one a group."""
    declaration = declaration_of(field)
    if declaration.basic:
        return _("Settings most people change")
    titles: dict[Group, str] = {
        "model": _("Model"),
        "data": _("Data"),
        "training": _("Training"),
        "schedule": _("Schedule"),
        "device": _("Device"),
        "checkpoints": _("Checkpoints"),
        "watch": _("Watching"),
        "trackers": _("Trackers"),
    }
    return titles[declaration.group]


def _metavar(name: str, field: FieldInfo) -> str:
    kinds = _alternatives(field)
    choices = _choices(field)
    words = [*choices] if choices else []
    if bool in kinds:
        words = ["1", "0", *(word for word in words if word not in ("1", "0"))]
    if int in kinds:
        words.append("N")
    if float in kinds:
        words.append("TIME" if name == "time_budget" else "X")
    if not words:
        words = ["PATH" if name in ("data_path", "tokenizer", "save_dir", "from_weight") else "TEXT"]
    return "|".join(words)


def _choices(field: FieldInfo) -> list[str]:
    """The words a setting may be, in the order of declaration."""
    kinds = _alternatives(field)
    words = [kind for kind in kinds if isinstance(kind, str)]
    return [*words, "1", "0"] if bool in kinds else words


def _completion(choices: list[str]) -> Callable[[str], list[str]] | None:
    if not choices:
        return None
    return lambda incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def _alternatives(field: FieldInfo) -> list[Any]:
    """The plain types and literal words that a field's annotation allows, flattened."""

    def flatten(annotation: Any) -> list[Any]:
        origin = get_origin(annotation)
        if origin is Annotated:
            return flatten(get_args(annotation)[0])
        if origin in (Union, UnionType):
            return [kind for part in get_args(annotation) for kind in flatten(part)]
        if origin is Literal:
            return list(get_args(annotation))
        return [annotation]

    return flatten(field.annotation)
