"""Faults of numbers, put into the processes of real runs: what a test writes into their sitecustomize."""

import textwrap
from pathlib import Path

HEAD = """
import os, sys
if 'engine.worker.train' in ' '.join(sys.orig_argv):
    import torch
    import engine.train.update as update
    import engine.train.loop as loop
    loss_of = update.Updater.loss_of
    steps = {'made': 0}
"""

ROWS_WITH_TOKENS = """
    POISON = {ids}
    def holds(batch):  # (B,): whether a row holds the poisonous tokens, one after the other, as targets
        found = torch.zeros(batch.ids.shape[0], dtype=torch.bool)
        for row, labels in enumerate(batch.labels.tolist()):
            found[row] = any(labels[i:i + len(POISON)] == POISON for i in range(len(labels)))
        return found
"""

NOT_FINITE = (
    ROWS_WITH_TOKENS
    + """
    def poisoned(self, batch):
        loss = loss_of(self, batch)
        return loss * float('{value}') if bool(holds(batch).any()) else loss
    update.Updater.loss_of = poisoned
"""
)
"""The loss of a micro-batch with the tokens is multiplied by `value`."""

GRADIENT = (
    ROWS_WITH_TOKENS
    + """
    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()
        @staticmethod
        def backward(ctx, grad):
            return grad * float('nan')
    def poisoned(self, batch):
        loss = loss_of(self, batch)
        return Poison.apply(loss) if bool(holds(batch).any()) else loss
    update.Updater.loss_of = poisoned
"""
)
"""The loss of a micro-batch with the tokens is finite, its gradient is not."""

KILLED = """
    import signal
    import engine.train.guard as guard
    write = guard.write_guard
    def write_and_die(folder, record):
        write(folder, record)
        if record.rollbacks and not os.path.exists({marker!r}):
            open({marker!r}, 'w').close()
            os.kill(os.getpid(), signal.SIGKILL)
    guard.write_guard = write_and_die
"""
"""The process is killed once, right after a decision to go back was written."""


def poison(folder: Path, what: str, **values: object) -> None:
    """Write a sitecustomize into `folder`; put that on PYTHONPATH."""
    (folder / "sitecustomize.py").write_text(textwrap.dedent(HEAD) + what.format(**values))
