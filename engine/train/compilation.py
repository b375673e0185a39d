"""The network under torch.compile, with a first pass that proves it works before training relies on it."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.model.transformer import LanguageModel
from engine.train.loss import linear_cross_entropy
from engine.train.out_of_memory import is_out_of_memory
from engine.train.precision import explain_compile_failure
from engine.train.ranks import Network
from engine.train.update import Autocast, DeviceBatch


def compiled_network(model: LanguageModel, first: DeviceBatch, autocast: Autocast) -> tuple[Network, str | None]:
    """The compiled network, after one forward and backward pass over `first`; no gradient is left behind.

    When the compiler fails the plain network is returned, with a sentence that says why. The model itself stays as it
    is, so that its state-dict keys do and sampling need not compile for every length. Memory that runs out is no
    failure of the compiler: it is raised.
    """
    network: Callable[..., Tensor] = torch.compile(model)
    try:
        with autocast():
            hidden = network(first.ids, first.positions, first.document_ids)
            loss = linear_cross_entropy(hidden, model.lm_head.weight, first.labels)
        torch.autograd.backward(loss)
    except Exception as error:  # whatever the compiler's many layers raise
        if is_out_of_memory(error):
            raise
        return model, explain_compile_failure(error)
    finally:
        model.zero_grad(set_to_none=True)
        model.take_routing()
    return network, None
