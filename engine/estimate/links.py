"""What connects the GPUs of a training, and how long a ring all-reduce of the gradients takes over it."""

from dataclasses import dataclass

from engine.errors import UserError
from engine.language import _
from engine.settings.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Link:
    """A connection: bytes/s in one direction as published (on a cpu: as measured), and what becomes of it.

    `share` is the part of it that an all-reduce is assumed to reach, `latency` the seconds that one step of the ring
    waits beside moving bytes.
    """

    name: str
    title: str
    rate: float
    share: float
    latency: float

    @property
    def reached(self) -> float:
        """Bytes/s that an all-reduce is assumed to reach."""
        return self.rate * self.share

    @property
    def source(self) -> str:
        """Where rate and share come from, in words."""
        return {
            "pcie4": _(
                "PCI-SIG: 16 GT/s on 16 lanes, 128 of 130 bits; the share is assumed: GeForce cards reach each other "
                "through the host's memory, so all bytes move twice"
            ),
            "nvlink3": _("NVIDIA's A100 data sheet: 600 GB/s in both directions together; the share is assumed"),
            "nvlink4": _("NVIDIA's H100 data sheet: 900 GB/s in both directions together; the share is assumed"),
            "25gbe": _("IEEE 802.3by: 25 Gbit/s in each direction; the share is assumed"),
            "100gbe": _("IEEE 802.3bj: 100 Gbit/s in each direction; the share is assumed"),
            "loopback": _("measured: gloo between two processes of one machine, benchmarks/scaling_parts.py"),
        }[self.name]


LINKS = {
    link.name: link
    for link in (
        Link("pcie4", "PCIe 4.0 x16", 31.5e9, 0.4, 1e-5),
        Link("nvlink3", "NVLink 3", 300e9, 0.7, 1e-5),
        Link("nvlink4", "NVLink 4", 450e9, 0.7, 1e-5),
        Link("25gbe", "25 GbE", 25e9 / 8, 0.8, 3e-5),
        Link("100gbe", "100 GbE", 100e9 / 8, 0.8, 3e-5),
        Link("loopback", "loopback", 1.0e9, 1.0, 1e-4),
    )
}


def link_of(name: str) -> Link:
    """The link of this name. Raises UserError."""
    if name not in LINKS:
        raise UserError(
            _("No link is called {name}.").format(name=name)
            + did_you_mean(name, LINKS)
            + " "
            + _("There are: {names}.").format(names=", ".join(LINKS))
        )
    return LINKS[name]


def ring_bytes(size: int, ranks: int) -> float:
    """Bytes that each of `ranks` sends in a ring all-reduce of `size` bytes: 2 (N - 1) / N times the size.

    N - 1 steps scatter the sums, N - 1 gather them, each moves an Nth of the whole (Patarasuk and Yuan 2009, which also
    shows that no all-reduce moves fewer).
    """
    return 2 * (ranks - 1) / ranks * size


def ring_seconds(size: int, ranks: int, link: Link) -> float:
    """Seconds of such an all-reduce whose slowest connection is `link`; none for one rank."""
    return ring_bytes(size, ranks) / link.reached + 2 * (ranks - 1) * link.latency
