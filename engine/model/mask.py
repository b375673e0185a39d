"""Which positions may attend to which: causal, and never across the documents packed into one row."""

import torch
from torch import Tensor


def document_mask(document_ids: Tensor) -> Tensor:
    """The boolean attention mask of packed rows, True where attention is allowed.

    `document_ids` (B, T) numbers the document of every position, 0 being padding. Padding attends to the padding
    before it and to itself, so that no row of the mask is empty and no softmax divides by zero. Returns (B, 1, T, T).
    """
    same = document_ids[:, :, None] == document_ids[:, None, :]  # (B, T, T)
    return same.tril_()[:, None]


def is_causal_enough(document_ids: Tensor) -> bool:
    """Whether a plain causal mask gives every document of the batch (B, T) the same as `document_mask` would.

    True when each row holds one document from its first position on, with nothing but padding behind it. Call it on
    ids that lie on the cpu: it reads their values.
    """
    first = document_ids[:, :1]
    alone = (document_ids == first) | (document_ids == 0)
    unbroken = (document_ids[:, 1:] == document_ids[:, :-1]) | (document_ids[:, 1:] == 0)
    return bool((first != 0).all() and alone.all() and unbroken.all())


def cached_mask(new: int, seen: int, device: torch.device) -> Tensor | None:
    """The mask for `new` positions that follow `seen` cached ones, (1, 1, new, seen + new); None if all may be seen."""
    if new == 1:
        return None
    allowed = torch.ones(new, seen + new, dtype=torch.bool, device=device)
    return allowed.tril_(diagonal=seen)[None, None]
