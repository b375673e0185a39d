"""Devices that a training can be planned for without having them: their makers' figures, and this machine's own cpu."""

from dataclasses import dataclass

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.links import LINKS, Link
from engine.estimate.peak_flops import Dtype, peak_flops
from engine.language import _
from engine.settings.nearest import did_you_mean

MEASURED_CPU_FLOPS = 181e9
"""fp32 matrix products on the two cores that docs/PERFORMANCE.md was measured on."""
MEASURED_CPU_MEMORY = 25 * 10**9
"""Of that machine."""

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of device, and what stands around it.

    `bandwidth` is that of its memory in bytes/s, `per_host` how many share a host, `cores` and `ram` the cpu cores and
    the memory of a host for each of its devices. `within` and `between` connect devices of one host, and hosts. A time
    that was computed for it may be wrong by a factor of `spread` either way. On a cpu all processes share one host, its
    cores and `flops`, the measured rate of its matrix products.
    """

    name: str
    title: str
    memory: int
    bandwidth: float
    per_host: int
    cores: int
    ram: int
    within: Link
    between: Link
    spread: float
    flops: float = 0.0

    @property
    def is_cpu(self) -> bool:
        """Whether it is a cpu, which its processes share."""
        return self.flops > 0

    def peak(self, dtype: Dtype) -> float:
        """FLOP/s of its matrix products: the data sheet's, or what was measured on the cpu. Raises UserError."""
        found = self.flops if self.is_cpu else peak_flops(self.title, dtype)
        if found is None:
            raise UserError(_("{device} does not compute in {dtype}.").format(device=self.title, dtype=dtype))
        return found

    def hosts(self, devices: int) -> int:
        """How many hosts so many devices need."""
        return 1 if self.is_cpu else -(-devices // self.per_host)

    def slowest_link(self, devices: int) -> Link:
        """What bounds a ring through all of them."""
        return self.within if self.hosts(devices) == 1 else self.between

    def host_cores(self, devices: int) -> int:
        """Cores of the host that tokenises."""
        return self.cores * min(devices, self.per_host)

    def host_ram(self, devices: int) -> int:
        """Memory of a host, which keeps what is read of a file."""
        return self.ram * min(devices, self.per_host)


def _gpu(name: str, title: str, gib: int, bandwidth: float, within: str, between: str, spread: float) -> Machine:
    return Machine(name, title, gib * _GIB, bandwidth, 8, 8, 64 * _GIB, LINKS[within], LINKS[between], spread)


MACHINES = {
    machine.name: machine
    for machine in (
        _gpu("rtx3090", "RTX 3090", 24, 936e9, "pcie4", "25gbe", 1.25),
        _gpu("rtx4090", "RTX 4090", 24, 1008e9, "pcie4", "25gbe", 1.6),
        _gpu("a100", "A100-SXM4-80GB", 80, 2039e9, "nvlink3", "100gbe", 1.6),
        _gpu("h100", "H100 80GB HBM3", 80, 3350e9, "nvlink4", "100gbe", 1.6),
    )
}
"""By name. Memory and bandwidth are NVIDIA's data sheets'; 8 devices, 64 cores and 512 GiB a host are assumed."""

_SAME_MEMORY = 0.1

_CPU_BYTES_PER_FLOP = 0.062
"""Bytes of a cpu's memory traffic for each FLOP of its matrix products, as on the cores that were measured."""


def machine_of(name: str) -> Machine:
    """The GPU of this name. Raises UserError."""
    if name not in MACHINES:
        raise UserError(
            _("No plan is known for a device called {name}.").format(name=name)
            + did_you_mean(name, (*MACHINES, "cpu"))
            + " "
            + _("There are: {names}.").format(names=", ".join((*MACHINES, "cpu")))
        )
    return MACHINES[name]


def machine_here(facts: DeviceFacts) -> Machine:
    """The machine that training would take here. Raises UserError for a GPU whose figures are not known."""
    if facts.device == "cpu":
        return cpu_machine(facts)
    for machine in MACHINES.values():
        like = peak_flops(facts.name, "bf16") == peak_flops(machine.title, "bf16")
        if like and abs(facts.memory / machine.memory - 1) < _SAME_MEMORY:
            return machine
    raise UserError(
        _("No plan is known for a device called {name}.").format(name=facts.name)
        + " "
        + _("There are: {names}.").format(names=", ".join((*MACHINES, "cpu")))
    )


def cpu_machine(facts: DeviceFacts | None = None) -> Machine:
    """The cpu that `facts` tell of; without, the one that docs/PERFORMANCE.md was measured on."""
    rate = (facts.matmul_flops.get("fp32") if facts is not None and facts.device == "cpu" else None) or 0.0
    measured = rate or MEASURED_CPU_FLOPS
    return Machine(
        name="cpu",
        title=facts.cpu_name if facts is not None and rate else "AMD EPYC, 2 cores",
        memory=facts.machine_memory if facts is not None and rate else MEASURED_CPU_MEMORY,
        bandwidth=measured * _CPU_BYTES_PER_FLOP,
        per_host=1,
        cores=facts.cores if facts is not None and rate else 2,
        ram=facts.machine_memory if facts is not None and rate else MEASURED_CPU_MEMORY,
        within=LINKS["loopback"],
        between=LINKS["loopback"],
        spread=1.6,
        flops=measured,
    )
