"""The names of a network's tensors, as MiniMind and transformers spell them."""

import re
from collections.abc import Mapping

from torch import Tensor

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"
_WRAPPERS = ("_orig_mod.", "module.")  # left in names by torch.compile and DistributedDataParallel
_LAYER = re.compile(r"model\.layers\.(\d+)\.")


def without_wrappers(name: str) -> str:
    """`name` without the prefixes that compiled or distributed modules put into it, in whatever order."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def layer_count(tensors: Mapping[str, Tensor]) -> int:
    """How many blocks these tensors belong to: the highest layer number, plus one."""
    return max((int(match[1]) + 1 for match in map(_LAYER.match, tensors) if match), default=0)


def has_experts(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a mixture of experts."""
    return any(".mlp.experts." in name for name in tensors)
