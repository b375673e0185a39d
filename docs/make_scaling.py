"""Writes the tables of docs/SCALING.md from the estimator, between their markers; the words around them stay.

python docs/make_scaling.py            write them
python docs/make_scaling.py --check    exit 1 when they are not current
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.estimate.device_pace import (
    PUBLISHED_POSITIONS_PER_S,
    gradient_bytes,
    position_seconds,
    utilisation,
)
from engine.estimate.links import LINKS, ring_bytes, ring_seconds
from engine.estimate.machines import MACHINES, Machine, cpu_machine
from engine.estimate.scale_advice import bottleneck_name
from engine.estimate.scale_plan import SAVED_PER_S, ScalePlan, plan_scale
from engine.estimate.size import active_parameters, checkpoint_bytes, flops_per_token, parameters
from engine.estimate.text_size import TEXT_KINDS, assumed_text, parse_bytes
from engine.language import set_language
from engine.settings.network import shape_from_settings
from engine.settings.presets import load_preset
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape, shape_of
from minimind_tui import words
from minimind_tui.core.plan_words import seconds_words

PAGE = Path(__file__).resolve().parent / "SCALING.md"
VOCABULARY = 6400
DEVICES = (1, 2, 4, 8, 16, 32, 64)
SIZES = ("1GB", "10GB", "100GB", "1TB")
PRESETS = ("mini", "mini-moe", "full", "full-moe", "minimind2", "minimind2-moe", "minimind3", "minimind3-moe")
PLANS = (("full", "rtx3090"), ("full", "h100"), ("minimind2", "a100"))


@dataclass(frozen=True)
class Published:
    """A training whose time MiniMind published: padded rows of `width`, one a text, an epoch on an RTX 3090."""

    name: str
    shape: ModelShape
    texts: int
    width: int
    hours: float

    def hours_of(self, machine: Machine) -> float:
        """What the estimator says."""
        seconds = sum(position_seconds(machine, self.shape, "bf16", self.width))
        return self.texts * self.width * seconds / 3600

    def hours_at(self, machine: Machine, mfu: float) -> float:
        """What one share of the peak for every network would say."""
        flops = self.texts * self.width * flops_per_token(self.shape, self.width)
        return flops / (mfu * machine.peak("bf16")) / 3600


FITTED = Published("minimind2-small, pretrain_hq, 512", ModelShape(), 1_413_000, 512, 1.1)
PREDICTED = Published(
    "minimind-3, pretrain_t2t_mini, 340",
    shape_of("minimind3", hidden_size=768, num_hidden_layers=8),
    1_270_000,
    340,
    1.2,
)


@dataclass(frozen=True)
class Measured:
    """A time that docs/PERFORMANCE.md has, and what the estimator says of the same on that machine."""

    name: str
    measured: float
    estimated: float
    note: str


def settings_for(preset: str, devices: int) -> Settings:
    """One epoch of a preset with the effective batch of one device kept as far as whole micro-batches allow."""
    settings = load_preset(preset).settings()
    steps = max(1, settings.accumulation_steps // devices)
    return settings.model_copy(update={"epochs": 1, "accumulation_steps": steps})


def plan_for(preset: str, device: str, devices: int, size: str) -> ScalePlan:
    """What `minimind estimate --preset ... --device ... --nproc ... --data ...` prints."""
    settings = settings_for(preset, devices)
    text = assumed_text(parse_bytes(size), TEXT_KINDS["mixed"], settings)
    return plan_scale(settings, MACHINES[device], devices, text, vocab_size=VOCABULARY)


def measured_here() -> list[Measured]:
    """Both are on the cpu, contexts as in their texts; the first is what the traffic was fitted to."""
    cpu = cpu_machine()
    full = load_preset("full").settings().model_copy(update={"batch_size": 4, "accumulation_steps": 2})
    mini = load_preset("mini").settings()
    text = assumed_text(1_704_000, TEXT_KINDS["mixed"], mini)
    one = plan_scale(full, cpu, 1, replace(text, context=175), vocab_size=VOCABULARY)
    whole = plan_scale(mini, cpu, 1, replace(text, context=121), vocab_size=VOCABULARY)
    middle = whole.epoch.middle / whole.updates * 581
    return [
        Measured("`full`, an update of 2 x 4 rows, eager (s)", 4.74, one.pace.compute, "fitted"),
        Measured("`mini`, 581 updates with all between them (s)", 117.0, middle, "not used in the fit"),
    ]


def published_table() -> str:
    machine = MACHINES["rtx3090"]
    mfu = utilisation(machine, FITTED.shape, "bf16", PUBLISHED_POSITIONS_PER_S, FITTED.width)
    rows = []
    for training, role in ((FITTED, "fitted"), (PREDICTED, "predicted")):
        ours, alone = training.hours_of(machine), training.hours_at(machine, mfu)
        told = [f"{training.hours} h", f"{ours:.2f} h", _off(ours, training.hours)]
        rows.append([training.name, role, *told, f"{alone:.2f} h", _off(alone, training.hours)])
    heads = ["training", "", "published", "estimated", "off by", f"MFU of {mfu:.0%} alone", "off by"]
    return _table(heads, rows)


def packed_table() -> str:
    """The same text as MiniMind's, in our rows."""
    rows = []
    settings = load_preset("full").settings().model_copy(update={"epochs": 1})
    for name, pack in (("padded, a text a row", False), ("packed", True)):
        asked = settings.model_copy(update={"pack": pack})
        text = assumed_text(1_600_000_000, TEXT_KINDS["zh"], asked)
        plan = plan_scale(asked, MACHINES["rtx3090"], 1, text, vocab_size=VOCABULARY)
        rows.append([name, f"{text.fill:.0%}", f"{text.rows / 1e6:.2f} M", _hours(plan)])
    return _table(["1.6 GB of Chinese on an RTX 3090", "rows full", "rows", "an epoch"], rows)


def measured_table() -> str:
    rows = [
        [each.name, f"{each.measured:g}", f"{each.estimated:.3g}", _off(each.estimated, each.measured), each.note]
        for each in measured_here()
    ]
    return _table(["on two cores of an AMD EPYC", "measured", "estimated", "off by", ""], rows)


def sizes_table() -> str:
    rows = []
    for preset in PRESETS:
        settings = load_preset(preset).settings()
        shape = shape_from_settings(settings, VOCABULARY)
        size = gradient_bytes(shape)
        times = [seconds_words(ring_seconds(size, 8, LINKS[name])) for name in ("pcie4", "nvlink4")]
        times += [seconds_words(ring_seconds(size, 16, LINKS[name])) for name in ("25gbe", "100gbe")]
        checkpoint = checkpoint_bytes(shape, settings.optimizer)
        counts = [words.count(parameters(shape)), words.count(active_parameters(shape))]
        moved = [words.size(size), words.size(ring_bytes(size, 8))]
        saved = [words.size(checkpoint), seconds_words(checkpoint / SAVED_PER_S)]
        rows.append([preset, *counts, *moved, *times, *saved])
    heads = ["preset", "parameters", "active", "gradients", "sent by each of 8", "8 over PCIe 4", "8 over NVLink 4"]
    return _table([*heads, "16 over 25 GbE", "16 over 100 GbE", "a checkpoint", "written in"], rows)


def links_table() -> str:
    rows = [
        [link.title, f"{link.rate / 1e9:.4g} GB/s", f"{link.share:.0%}", seconds_words(link.latency), link.source]
        for link in LINKS.values()
    ]
    return _table(["link", "one direction", "reached", "a step of the ring", "source"], rows)


def devices_table() -> str:
    rows = []
    for machine in MACHINES.values():
        sheet = [f"{machine.peak('bf16') / 1e12:g} TFLOP/s", f"{machine.bandwidth / 1e9:,.0f} GB/s"]
        around = [f"{machine.memory / 2**30:.0f} GiB", machine.within.title, machine.between.title]
        pace = [f"{machine.spread:g}", f"{_positions(machine) / 1e3:,.0f} k", f"{_mfu(machine):.0%}"]
        rows.append([machine.name, *sheet, *around, *pace])
    heads = ["device", "bf16, dense", "memory", "size", "in a host", "between hosts", "spread", "`full`, positions/s"]
    return _table([*heads, "MFU"], rows)


def text_table() -> str:
    rows = []
    for size in SIZES:
        one, many = plan_for("full", "h100", 1, size), plan_for("full", "h100", 8, size)
        first = [seconds_words(plan.before_first) for plan in (one, many)]
        tokens = f"{words.count(one.text.tokens_low)} to {words.count(one.text.tokens_high)}"
        room = [words.size(amount) for amount in (one.cache_bytes, one.disk_bytes, one.host_memory)]
        rows.append([size, tokens, *room, *first, seconds_words(one.start_seconds)])
    heads = ["text", "tokens", "token cache", "disk in all", "host memory", "first start, 8 cores"]
    return _table([*heads, "first start, 64 cores", "later starts"], rows)


def plan_table(preset: str, device: str) -> str:
    rows = []
    for devices in DEVICES:
        plans = [plan_for(preset, device, devices, size) for size in SIZES]
        first = plans[0]
        about = [f"{devices}", f"{first.settings.accumulation_steps}", f"{first.rows_per_update:,}"]
        update = f"{seconds_words(first.update.low)} to {seconds_words(first.update.high)}"
        rows.append([*about, update, words.size(first.memory_needed), *(_cell(plan) for plan in plans)])
    heads = ["GPUs", "accumulation", "rows an update", "an update", "memory a GPU"]
    return _table([*heads, *SIZES], rows)


TABLES: dict[str, Callable[[], str]] = {
    "published": published_table,
    "packed": packed_table,
    "measured": measured_table,
    "devices": devices_table,
    "links": links_table,
    "sizes": sizes_table,
    "text": text_table,
    **{f"{preset}-{device}": partial(plan_table, preset, device) for preset, device in PLANS},
}


def render(page: str) -> str:
    """The page with each table anew. Raises ValueError when a marker is missing."""
    set_language("en")
    for name, make in TABLES.items():
        block = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        found = block.findall(page)
        if len(found) != 1:
            raise ValueError(f"{PAGE.name} has {len(found)} places for the table {name}")
        before, after = found[0]
        start, end = page.index(before) + len(before), page.index(after)
        page = page[:start] + make() + page[end:]
    return page


def main(arguments: list[str]) -> int:
    """Write the tables, or with `--check` tell whether they are current; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    page = PAGE.read_text(encoding="utf-8")
    current = render(page)
    if arguments:
        if page != current:
            print(f"{PAGE.name} is not current: run python docs/make_scaling.py", file=sys.stderr)
        return int(page != current)
    PAGE.write_text(current, encoding="utf-8")
    return 0


def _positions(machine: Machine) -> float:
    return 1 / sum(position_seconds(machine, FITTED.shape, "bf16", FITTED.width))


def _mfu(machine: Machine) -> float:
    return utilisation(machine, FITTED.shape, "bf16", _positions(machine), FITTED.width)


def _hours(plan: ScalePlan) -> str:
    return f"{seconds_words(plan.epoch.low)} to {seconds_words(plan.epoch.high)}"


def _cell(plan: ScalePlan) -> str:
    return f"{_hours(plan)}; {bottleneck_name(plan.bottleneck)} {plan.shares.get(plan.bottleneck, 1):.0%}"


def _off(estimated: float, known: float) -> str:
    return f"{round(estimated / known - 1, 2) + 0.0:+.0%}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
