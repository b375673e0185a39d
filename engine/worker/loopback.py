"""Where the ranks of one machine meet: a store that listens on the loopback interface and nowhere else.

torch's own rendezvous on `localhost` binds its store to every interface, so that anybody in the network could speak
with a run. A store that is given a socket takes that one.
"""

import socket

from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)

BACKEND = "loopback"
"""The name to give to LaunchConfig, after `register`."""

HOST = "127.0.0.1"


def register() -> None:
    """Make BACKEND known to torch's elastic launcher; a second time changes nothing."""
    rendezvous_handler_registry.register(BACKEND, LoopbackRendezvous)


class LoopbackRendezvous(RendezvousHandler):
    """A rendezvous of one launcher with itself; its ranks use its store."""

    def __init__(self, parameters: RendezvousParameters) -> None:
        self._run_id = parameters.run_id
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind((HOST, 0))
        self._listener.listen()
        port: int = self._listener.getsockname()[1]
        # the store owns the descriptor from here on, and closes it
        self._store: Store = TCPStore(
            HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=self._listener.detach()
        )
        self._place = RendezvousStoreInfo(HOST, port)

    @property
    def use_agent_store(self) -> bool:
        """The ranks connect to this store instead of opening one of their own."""
        return True

    def get_backend(self) -> str:
        """Its name."""
        return BACKEND

    def next_rendezvous(self) -> RendezvousInfo:
        """At once: there is nobody else to meet."""
        return RendezvousInfo(PrefixStore(self._run_id, self._store), 0, 1, self._place)

    def is_closed(self) -> bool:
        """Never: it lives as long as the launcher."""
        return False

    def set_closed(self) -> None:
        """Nothing to do."""

    def num_nodes_waiting(self) -> int:
        """Nobody waits."""
        return 0

    def get_run_id(self) -> str:
        """The attempt's name."""
        return self._run_id

    def shutdown(self) -> bool:
        """Nothing is left behind."""
        return True
