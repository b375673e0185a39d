"""The first bottleneck of a plan in words: what it is, what the design does about it, and what is left to its user."""

from engine.estimate.device_pace import bound_of
from engine.estimate.scale_plan import Bottleneck, ScalePlan
from engine.language import _

_LARGE_UPDATE = 2**20  # tokens; a small network learns little more from them than from half as many


def bottleneck_name(name: Bottleneck) -> str:
    """A bottleneck in a few words."""
    return {
        "memory": _("the device's memory"),
        "tokenising": _("tokenising"),
        "start": _("starting"),
        "compute": _("computing"),
        "reduce": _("the all-reduce"),
        "batches": _("assembling batches"),
        "saves": _("saving checkpoints"),
        "watching": _("validation and samples"),
    }[name]


def bottleneck_words(plan: ScalePlan) -> str:
    """What the design does about the first bottleneck, and what its user can."""
    match plan.bottleneck:
        case "memory":
            return _(
                "Logits exist in slices of 32 MB only. Halve batch_size and double accumulation_steps: the update "
                "stays as it is. --recompute 1 keeps less for the backward pass."
            )
        case "tokenising":
            return _(
                "It happens once for a text and tokenizer, in constant memory, and later runs map the same cache into "
                "theirs. Python's own part keeps it from using more than some 16 cores. A first run of one GPU, or of "
                "a cpu, with --max_steps 1 builds the cache before many GPUs wait for it."
            )
        case "start":
            return _(
                "The cache is mapped, not read, and the order of rows is computed, not stored; what is left is Python, "
                "torch and compiling. --compile 0 starts sooner. More GPUs do not help a training this short."
            )
        case "compute" if not plan.machine.is_cpu and bound_of(plan.pace) == "traffic":
            return _(
                "The network is too narrow to fill this device: its memory bounds it, not its arithmetic. Packed rows "
                "waste no position on padding, compiling joins operations. More GPUs help; a faster peak does not."
            )
        case "compute" if plan.machine.is_cpu:
            return _(
                "A cpu is the slowest way to train. Packed rows waste no position on padding, and attention stays "
                "within documents. A GPU helps; `minimind estimate --calibrate` measures this machine."
            )
        case "compute":
            return _(
                "That is how it should be. Packed rows waste no position on padding, products are in the fastest "
                "precision the device has. More GPUs help."
            )
        case "reduce":
            return _(
                "Gradients are reduced once an update, not once a micro-batch, and in buckets while the backward pass "
                "still runs. More accumulation_steps reduce less often, a faster link reduces faster."
            )
        case "batches":
            return _(
                "The token cache is larger than the host's memory, so rows are read from disk at random, by one thread "
                "of each process ahead of the update. More memory, more hosts or a faster disk help."
            )
        case "saves":
            return _(
                "One process writes, each checkpoint whole or not at all; the others wait. Save less often: "
                "--save_interval 0 leaves it to --save_minutes."
            )
        case "watching":
            return _("Ask for less of it: --eval_interval and --sample_interval count updates, which are short here.")


def remarks(plan: ScalePlan) -> list[str]:
    """What a person should know of this plan and decide for himself."""
    found: list[str] = []
    steps, devices = plan.settings.accumulation_steps, plan.devices
    if devices > 1 and steps > 1 and not plan.machine.is_cpu:
        found.append(
            _(
                "Each process makes {steps} micro-batches an update. --accumulation_steps {fewer} keeps the effective "
                "batch of one process as nearly as {n} can."
            ).format(steps=steps, fewer=max(1, steps // devices), n=devices)
        )
    if plan.tokens_per_update > _LARGE_UPDATE:
        found.append(
            _("An update takes {tokens:,} tokens: few, large updates teach a small network less than many small ones.")
            .format(tokens=plan.tokens_per_update)
        )  # fmt: skip
    if plan.updates < 100:
        found.append(_("The whole run is only {n} updates.").format(n=plan.updates))
    if plan.tokens_per_s.high > 0 and plan.text.tokens > 200 * plan.parameters:
        found.append(
            _("{ratio:,.0f} tokens for each parameter: a larger network would learn more from this text.").format(
                ratio=plan.text.tokens / plan.parameters
            )
        )
    if plan.settings.time_budget or plan.settings.deadline != "none":
        found.append(_("time_budget and deadline are left out of this plan: it tells what all epochs take."))
    if plan.machine.is_cpu and devices > 1:
        found.append(_("Processes on one cpu share its cores: they make nothing faster. It is a way to try them."))
    return found
