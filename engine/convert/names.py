"""The names of a network's tensors, as MiniMind and transformers spell them."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
_WRAPPERS = ("_orig_mod.", "module.")  # left in names by torch.compile and DistributedDataParallel
_EXPERT = re.compile(r"model\.layers\.0\.mlp\.(experts|shared_experts)\.(\d{1,9})\.")
_LAYER = re.compile(r"model\.layers\.(\d{1,9})\.")


def without_wrappers(name: str) -> str:
    """`name` without the prefixes that compiled or distributed modules put into it, in whatever order."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def layer_count(tensors: Mapping[str, Tensor]) -> int:
    """How many blocks these tensors belong to: the highest layer number, plus one."""
    return max((int(match[1]) + 1 for match in map(_LAYER.match, tensors) if match), default=0)


def expert_counts(tensors: Mapping[str, object]) -> tuple[int, int]:
    """How many routed and how many shared experts the first block has; none in a dense network."""
    found = {(match[1], match[2]) for match in map(_EXPERT.match, tensors) if match}
    routed = sum(kind == "experts" for kind, _number in found)
    return routed, len(found) - routed


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of a network once, under MiniMind's names and without the tied head; they share its memory."""
    return {name: tensor for name, tensor in model.state_dict().items() if name != HEAD}
