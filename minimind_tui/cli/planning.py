"""`minimind estimate --device h100 --nproc 8 --data 1TB`: a plan for machines and text that need not be here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.links import link_of
from engine.estimate.machines import Machine, cpu_machine, machine_here, machine_of
from engine.estimate.scale_advice import remarks
from engine.estimate.scale_plan import MOST_DEVICES, ScalePlan, plan_scale
from engine.estimate.text_size import TextPlan, assumed_text, known_text, parse_bytes, text_kind
from engine.language import _
from engine.settings.settings import Settings
from minimind_tui.cli import exit_codes
from minimind_tui.cli.terminal import make_console, passing_notice, print_table, say
from minimind_tui.core.cost import Price, parse_price
from minimind_tui.core.plan_words import bottleneck_lines, cost_words, figure_lines, plan_json, plan_title
from minimind_tui.safe_text import json_text, one_line

_HERE = ("auto", "cpu", "cuda", "mps")
"""Devices of this machine, with a number or without."""


@dataclass(frozen=True)
class Asked:
    """The options that make a plan of a preview, as they were typed."""

    device: str | None
    nproc: str | None
    data: str | None
    text: str | None
    link: str | None

    @property
    def elsewhere(self) -> bool:
        """Whether the device is none of this machine's."""
        return self.device is not None and self.device.partition(":")[0] not in _HERE

    @property
    def is_plan(self) -> bool:
        """Whether a plan is wanted: something was given that `minimind run` knows not. Else a preview of a run here."""
        return self.elsewhere or any(given is not None for given in (self.data, self.text, self.link))


def print_plan(
    asked: Asked,
    preset: str | None,
    config: Path | None,
    settings: Mapping[str, Any],
    price: str | None,
    *,
    budget: str | None,
    calibrate: bool,
    json_wanted: bool,
) -> int:
    """Print the plan; returns the exit code. Raises UserError with one message for what makes no plan."""
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.starting import asked_settings

    for name, given in (("--budget", budget is not None), ("--calibrate", calibrate)):
        if given:
            raise UserError(
                _("{option} is for a run on this machine; a plan knows no such thing. Leave it out.").format(
                    option=name
                )
            )
    hourly = None if price is None else parse_price(price)
    devices = _devices(asked.nproc)
    machine = machine_of(asked.device) if asked.device is not None and asked.elsewhere else None
    link = None if asked.link is None else link_of(asked.link)
    kind = text_kind(asked.text or "mixed")
    size = None if asked.data is None else parse_bytes(asked.data)
    resolved, _based_on = asked_settings(preset, config, settings, option_places(settings))
    if size is not None:
        text, vocab_size = assumed_text(size, kind, resolved), _vocab_size(resolved)
    else:
        text, vocab_size = _text_there(resolved)
    plan = plan_scale(resolved, machine or _machine_here(asked.device), devices, text, vocab_size=vocab_size, link=link)
    if json_wanted:
        say(json_text(plan_json(plan, hourly)))
    else:
        _show(plan, hourly)
    return exit_codes.MISTAKE if plan.problems else exit_codes.OK


def _devices(text: str | None) -> int:
    if text is None:
        return 1
    if not text.strip().isdecimal() or not 1 <= int(text) <= MOST_DEVICES:
        raise UserError(
            _("--nproc {text}: a plan needs a number of processes, from 1 to {most}.").format(
                text=text, most=MOST_DEVICES
            )
        )
    return int(text)


def _text_there(settings: Settings) -> tuple[TextPlan, int]:
    """What the file at data_path comes to, and the vocabulary it is tokenised with."""
    from engine.settings.material import find_data
    from minimind_tui.core.wizard.look_process import look_into

    with passing_notice(_("Looking into the text ...")):
        look = look_into(settings)
    if look.facts is None or look.problem:
        raise UserError(f"{look.problem} " + _("Or say how much text there will be: --data 10GB."))
    size = find_data(settings.data_path).path.stat().st_size
    return known_text(size, look.facts, settings), look.vocab_size


def _vocab_size(settings: Settings) -> int:
    from minimind_tui.core.wizard.data_look import SHIPPED_VOCABULARY

    if settings.tokenizer == "auto":
        return SHIPPED_VOCABULARY
    from engine.data.tokenizer import Tokenizer
    from engine.settings.material import find_tokenizer

    return Tokenizer.load(find_tokenizer(settings.tokenizer)).vocab_size


def _machine_here(device: str | None) -> Machine:
    """This machine, as the probe knows it."""
    from engine.estimate import device_probe
    from engine.places import cache_dir

    with passing_notice(_("Looking at the device ...")):
        facts: DeviceFacts = device_probe.probe_device(cache_dir())
    return cpu_machine(facts) if device == "cpu" else machine_here(facts)


def _show(plan: ScalePlan, price: Price | None) -> None:
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    say(plan_title(plan))
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    for name, figure, assumption in figure_lines(plan):
        table.add_row(Text(name), Text(figure), Text(one_line(assumption)))
    if price is not None:
        table.add_row(Text(_("cost")), Text(cost_words(plan, price)), Text(""))
    print_table(table)
    say("")
    for problem in plan.problems:
        console.print(Text(_("Not ready:") + " " + problem, style="bold red", overflow="fold"))
    for line in bottleneck_lines(plan):
        console.print(Text(line, overflow="fold"))
    for sentence in remarks(plan):
        console.print(Text(_("note: {message}").format(message=sentence), style="dim", overflow="fold"))
