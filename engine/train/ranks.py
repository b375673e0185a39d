"""The processes of a run as one: who they are, what they sum, and how rank 0 tells the others what comes next."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import IntEnum
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from engine.train.work_clock import WorkClock

Network = Callable[[Tensor, Tensor, Tensor], Tensor]

_READY = "minimind/ready"
_LOOK_SECONDS = 1.0


class Order(IntEnum):
    """What rank 0 has the others do next."""

    END = 0
    UPDATE = 1
    VALIDATE = 2
    REPORT = 3
    WAIT = 4
    """Nothing yet: rank 0 lives, and waits for something itself."""
    PASS = 5
    """An update that is left out."""


class Command(NamedTuple):
    """An order, and the learning rate of the update that it may be about."""

    order: Order
    lr: float = 0.0


class Place(NamedTuple):
    """Where a process stands among those of its run; the variables of torchrun."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> "Place":
        """The place that RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE name; alone without them."""
        if "RANK" not in environ:
            return cls()
        size = int(environ["WORLD_SIZE"])
        return cls(
            int(environ["RANK"]),
            size,
            int(environ.get("LOCAL_RANK", 0)),
            int(environ.get("LOCAL_WORLD_SIZE", size)),
        )


ALONE = Place()


class Ranks:
    """One process alone: everything between ranks is nothing. `Together` is the same for several."""

    def __init__(self, place: Place = ALONE) -> None:
        self.place = place
        self.clock = WorkClock()
        """This rank's own work; it measures only where there are others."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0; 0 is the one that writes."""
        return self.place.rank

    @property
    def size(self) -> int:
        """How many there are."""
        return self.place.size

    def join(self, device: torch.device) -> None:
        """Meet the others; call it once, when the device is known. Raises RuntimeError when they do not come."""

    def wrap(self, network: Network) -> Network:
        """The network whose backward pass sums gradients over all ranks."""
        return network

    @contextmanager
    def apart(self, network: Network) -> Iterator[None]:
        """Within it a wrapped network's passes sum nothing yet: those of the micro-batches before the last."""
        yield

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over all ranks, in place."""
        return values

    def tell(self, command: Command) -> None:
        """Rank 0: what all do next."""

    def hear(self) -> Command:
        """Another rank: wait for rank 0's next command."""
        raise RuntimeError("a rank alone hears nobody")

    def main_first(self, make: Callable[[], Any]) -> Any:
        """What `make` returns, made by rank 0 before the others make it (and find it made)."""
        return make()

    def gather(self, *values: float) -> list[tuple[float, ...]]:
        """The `values` of every rank, in their order."""
        return [values]

    def leave(self) -> None:
        """Part in order, after the last command."""


class Together(Ranks):
    """Several processes, over gloo for what is on the cpu and nccl for what is on a GPU.

    `timeout` in seconds bounds every wait for another rank but that for rank 0's start, which may tokenise for hours.
    """

    def __init__(self, place: Place, timeout: float) -> None:
        super().__init__(place)
        self._timeout = timedelta(seconds=timeout)

    def join(self, device: torch.device) -> None:
        """Meet the others, over gloo and, on a GPU, nccl."""
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=self._timeout)
        self.clock = WorkClock(device)
        self._device = device

    def wrap(self, network: Network) -> Network:
        """The network in torch's DistributedDataParallel, its gradients views into the buffers that are summed."""
        if not isinstance(network, nn.Module):
            raise TypeError("only a module can be wrapped")
        wrapped = DistributedDataParallel(
            network,
            device_ids=[self._device] if self._device.type == "cuda" else None,
            gradient_as_bucket_view=True,
        )
        wrapped.register_comm_hook(self.clock, _summed)
        return wrapped

    @contextmanager
    def apart(self, network: Network) -> Iterator[None]:
        """Gradients stay this rank's own within it."""
        assert isinstance(network, DistributedDataParallel)
        with network.no_sync():
            yield

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        dist.all_reduce(values)
        return values

    def tell(self, command: Command) -> None:
        """Send a command to all others."""
        dist.broadcast(torch.tensor([float(command.order), command.lr], dtype=torch.float64), 0)

    def hear(self) -> Command:
        """Wait for rank 0's next command."""
        heard = torch.zeros(2, dtype=torch.float64)
        dist.broadcast(heard, 0)
        order, lr = heard.tolist()
        return Command(Order(int(order)), lr)

    def main_first(self, make: Callable[[], Any]) -> Any:
        """Rank 0 makes it first, the others wait as long as it lives."""
        store: Any = dist.distributed_c10d._get_default_store()
        if self.rank == 0:
            made = make()
            store.set(_READY, "1")
            return made
        while not store.check([_READY]):  # a lost store raises here
            time.sleep(_LOOK_SECONDS / 5)
        return make()

    def gather(self, *values: float) -> list[tuple[float, ...]]:
        """Every rank's values, on every rank."""
        shared = torch.zeros(self.size, len(values), dtype=torch.float64)
        shared[self.rank] = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(shared)
        return [tuple(row) for row in shared.tolist()]

    def leave(self) -> None:
        """Wait until all have done their last, and end the group."""
        with suppress(Exception):  # whoever is gone already has heard the last command
            dist.barrier()
        dist.destroy_process_group()


def join_ranks(place: Place, timeout: float) -> Ranks:
    """The ranks of a run as the process at `place` sees them; not joined yet."""
    return Ranks(place) if place.size == 1 else Together(place, timeout)


def is_about_others(error: BaseException) -> bool:
    """Whether an error says only that another rank is gone or silent: the cause is then that rank's."""
    if isinstance(error, dist.DistError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and any(sign in words for sign in ("gloo", "Gloo", "NCCL", "ProcessGroup"))


def _summed(clock: WorkClock, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:  # type: ignore[name-defined]
    """Sum a bucket of gradients (DDP's own hook takes the mean: the loss is divided by all ranks' tokens already)."""
    if bucket.is_last():
        clock.work_is_done()
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    return work.get_future().then(lambda future: future.value()[0])  # type: ignore[no-any-return]
