"""Makes what was typed regular before Typer reads it: both spellings, flags with or without a value, nearest names.

Everything here works on names alone and never touches a value, so `--prompt a_b` keeps its underscore.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.errors import UserError
from engine.language import _
from engine.settings.nearest import did_you_mean

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off")


@dataclass(frozen=True)
class Option:
    """How one option is written: `declared` is the spelling Typer knows.

    `flag`: takes no value. `words`: the value may be left out, which means `true`, and these are the values it may
    have when it stands apart from the option.
    """

    declared: str
    flag: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """One command's options by their hyphenated spelling, its subcommands, and whether it takes positional words."""

    path: str
    options: dict[str, Option]
    subcommands: dict[str, "Command"] = field(default_factory=dict)
    positional: bool = True


def regular_arguments(arguments: Sequence[str], root: Command) -> list[str]:
    """`arguments` as Typer should read them.

    Raises UserError for an unknown option or command, naming the nearest one, and for an option without its value.
    """
    regular: list[str] = []
    command = root
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*regular, word, *rest]
        if word.startswith("--"):
            regular += _regular_option(word, rest, command)
        elif command.subcommands and not word.startswith("-"):
            command = _subcommand(word, command)
            regular.append(word)
        elif len(word) > 2 and word[0] == "-" and not word[1].isdigit() and _hyphened("-" + word) in command.options:
            raise UserError(
                _("Options begin with two hyphens: {option}.").format(
                    option=command.options[_hyphened("-" + word)].declared
                )
            )
        else:
            regular.append(word)
    return regular


def _regular_option(word: str, rest: list[str], command: Command) -> list[str]:
    """The option in `word` as Typer should read it; takes its value from `rest` when that stands apart."""
    name, equals, value = word.partition("=")
    hyphened = _hyphened(name)
    option = command.options.get(hyphened)
    if option is None:
        negated = command.options.get("--" + hyphened.removeprefix("--no-"))
        if hyphened.startswith("--no-") and negated is not None and "false" in negated.words and not equals:
            return [f"{negated.declared}=false"]
        raise _unknown_option(name, command)
    if option.flag:
        return _regular_flag(option, value if equals else None)
    if equals:
        return [f"{option.declared}={value}"]
    if option.words:
        apart = bool(rest) and (rest[0].lower() in option.words or not (command.positional or rest[0].startswith("-")))
        return [f"{option.declared}={rest.pop(0) if apart else 'true'}"]
    if not rest or _hyphened(rest[0].partition("=")[0]) in command.options:
        raise UserError(
            _("{option} needs a value: {option} VALUE. (`{command} --help` tells which.)").format(
                option=name, command=command.path
            )
        )
    return [option.declared, rest.pop(0)]


def _regular_flag(option: Option, value: str | None) -> list[str]:
    if value is None or value.lower() in TRUE_WORDS:
        return [option.declared]
    if value.lower() in FALSE_WORDS:
        return []
    raise UserError(_("{option} is a switch; it takes no value {value}.").format(option=option.declared, value=value))


def _subcommand(word: str, command: Command) -> Command:
    if word in command.subcommands:
        return command.subcommands[word]
    raise UserError(
        _("There is no command `{command} {word}`.").format(command=command.path, word=word)
        + did_you_mean(word, command.subcommands)
        + " "
        + _("There are: {names}.").format(names=", ".join(command.subcommands))
    )


def _unknown_option(name: str, command: Command) -> UserError:
    hint = did_you_mean(name, (option.declared for option in command.options.values())) or _elsewhere(name, command)
    return UserError(
        _("There is no option {option} of `{command}`.").format(option=name, command=command.path)
        + hint
        + " "
        + _("`{command} --help` lists its options.").format(command=command.path)
    )


def _elsewhere(name: str, command: Command) -> str:
    """A sentence that names the subcommand which does have this option: `minimind --epochs 3` forgot `run`."""
    for subcommand in command.subcommands.values():
        if _hyphened(name) in subcommand.options:
            return " " + _("It is an option of `{command}`.").format(command=subcommand.path)
    return ""


def _hyphened(name: str) -> str:
    return name.replace("_", "-")
