"""A plan past this machine in words: a line a figure with the assumption behind it, and the first bottleneck."""

from collections.abc import Iterator
from typing import Any

from engine.estimate.scale_advice import bottleneck_name, bottleneck_words, remarks
from engine.estimate.scale_figures import Figure, Unit, figures_of
from engine.estimate.scale_plan import ScalePlan
from engine.language import _
from engine.settings.moments import format_duration
from minimind_tui import words
from minimind_tui.core.cost import Price, money


def plan_title(plan: ScalePlan) -> str:
    """`8 x H100 80GB HBM3 on 1 host, bf16, 100 GB of text`."""
    hosts = plan.machine.hosts(plan.devices)
    return _("{n} x {device}, hosts: {hosts}, {dtype}, {size} of text").format(
        n=plan.devices, device=plan.machine.title, hosts=hosts, dtype=plan.dtype, size=words.size(plan.text.bytes)
    )


def figure_lines(plan: ScalePlan) -> Iterator[tuple[str, str, str]]:
    """(name, figure, assumption) of each figure."""
    for figure in figures_of(plan):
        yield figure_name(figure.name), figure_words(figure), figure.basis


def figure_name(name: str) -> str:
    """A figure's name in the current language."""
    return {
        "parameters": _("parameters"),
        "active": _("active parameters"),
        "tokens": _("tokens an epoch"),
        "rows": _("rows"),
        "rows_per_update": _("rows an update"),
        "tokens_per_update": _("tokens an update"),
        "updates_per_epoch": _("updates an epoch"),
        "hash": _("hashing the text"),
        "tokenise": _("tokenising"),
        "pack": _("packing rows"),
        "start": _("starting"),
        "products": _("matrix products"),
        "traffic": _("memory traffic"),
        "step": _("optimiser step"),
        "gradients": _("gradients"),
        "sent": _("sent by each"),
        "reduce": _("all-reduce"),
        "exposed": _("waited for it"),
        "batches": _("batches"),
        "update": _("an update"),
        "tokens_per_s": _("speed"),
        "save": _("a save"),
        "epoch": _("an epoch"),
        "run": _("the run"),
        "memory": _("memory a device"),
        "memory_there": _("memory it has"),
        "host_memory": _("host memory"),
        "text": _("text"),
        "cache": _("token cache"),
        "checkpoint": _("a checkpoint"),
        "run_bytes": _("the run's folder"),
    }[name]


def figure_words(figure: Figure) -> str:
    """A figure with its unit: `1.2h to 2.0h`, `103 MB`, `25.8M`."""
    low, high = (_in_unit(value, figure.unit) for value in (figure.low, figure.high))
    return low if low == high else _("{low} to {high}").format(low=low, high=high)


def _in_unit(value: float, unit: Unit) -> str:
    match unit:
        case "number":
            return f"{value:,.0f}"
        case "count":
            return words.count(value)
        case "bytes":
            return words.size(value)
        case "seconds":
            return seconds_words(value)
        case "per_second":
            return _("{n} tokens/s").format(n=words.count(value))


def seconds_words(seconds: float) -> str:
    """A duration of any length: `12 us`, `3.1 ms`, `0.45 s`, `12 s`, then as `format_duration` writes it."""
    if seconds == 0:
        return "0 s"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.2g} s" if seconds < 10 else format_duration(seconds)


def bottleneck_lines(plan: ScalePlan) -> Iterator[str]:
    """Where the time goes, what to look at first, and what comes behind it."""
    spent = sorted(plan.shares.items(), key=lambda item: -item[1])
    parts = [f"{bottleneck_name(name)} {share:.0%}" for name, share in spent if share >= 0.005]
    yield _("Time from the command to the end: {parts}.").format(parts=", ".join(parts))
    first = _("First bottleneck: {name}.").format(name=bottleneck_name(plan.bottleneck))
    yield f"{first} {bottleneck_words(plan)}"
    yield _("Behind it: {name}.").format(name=bottleneck_name(plan.next))


def cost_words(plan: ScalePlan, price: Price) -> str:
    """What the run costs at a price per device and hour."""
    return _("{money} for {n} devices, each at {price}").format(
        money=money(plan.run.times(plan.devices), price), n=plan.devices, price=price
    )


def plan_json(plan: ScalePlan, price: Price | None) -> dict[str, Any]:
    """All of a plan for a machine: durations in seconds, sizes in bytes, each figure with its assumption."""
    told: dict[str, Any] = {
        "device": plan.machine.name,
        "nproc": plan.devices,
        "hosts": plan.machine.hosts(plan.devices),
        "dtype": plan.dtype,
        "link": plan.link.name,
        "figures": {
            figure.name: {"low": figure.low, "high": figure.high, "unit": figure.unit, "assumption": figure.basis}
            for figure in figures_of(plan)
        },
        "shares": dict(plan.shares),
        "bottleneck": plan.bottleneck,
        "next": plan.next,
        "fits": plan.fits,
        "problems": list(plan.problems),
        "notes": remarks(plan),
    }
    if price is not None:
        cost = money(plan.run.times(plan.devices), price)
        told |= {"cost": [cost.low, cost.high], "currency": cost.currency}
    return told
