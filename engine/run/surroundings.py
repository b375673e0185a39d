"""What the bits of an update depend on beside the state (engine.train.exactness takes it down), compared. No torch."""

from collections.abc import Mapping
from typing import Any

from engine.language import _

_COUNTS = {"rollbacks": 0, "excluded": 0}
"""What checkpoints of runs without a guard do not say."""


def differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of `now` is other than it was `saved`, a phrase each; what `now` does not tell is passed over."""
    words = {
        "torch": _("the torch version"),
        "device": _("the device"),
        "device_name": _("the device's model"),
        "cpu_capability": _("the cpu's instruction set"),
        "threads": _("the number of threads"),
        "dtype": _("the precision"),
        "compiled": _("compilation"),
        "deterministic": _("determinism"),
        "recompute": _("recomputation"),
        "batch_size": _("the micro-batch"),
        "accumulation_steps": _("the accumulation"),
        "world_size": _("the number of processes"),
        "rollbacks": _("the number of rollbacks"),
        "excluded": _("the number of excluded documents"),
    }
    saved = _COUNTS | dict(saved)
    return [
        _("{what} changed from {before} to {after}").format(what=words[name], before=saved.get(name), after=now[name])
        for name in words
        if name in now and saved.get(name) != now[name]
    ]


def unrepeatable(around: Mapping[str, Any]) -> list[str]:
    """What of these surroundings keeps any run from repeating itself bit for bit, a phrase each."""
    reasons = []
    if around.get("compiled"):
        reasons.append(_("compiled code is not promised to repeat itself bit for bit"))
    if around.get("deterministic") is False:
        reasons.append(_("deterministic kernels are off"))
    return reasons
