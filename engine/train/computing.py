"""Where and how a run computes: device, precision, threads, determinism; chosen once, and said."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from engine.estimate.calibration import SpeedKey, speed_key
from engine.estimate.device_probe import remembered_rate
from engine.estimate.device_use import compiles
from engine.estimate.micro_batch import MemoryKey, memory_key
from engine.places import cache_dir
from engine.settings.settings import Settings
from engine.train.hardware import (
    DeviceInfo,
    choose_device,
    choose_threads,
    read_machine,
    set_deterministic,
)
from engine.train.matmul_rate import measure_matmul
from engine.train.precision import CompileChoice, Precision, autocast, choose_compile, choose_dtype
from engine.train.ranks import ALONE, Place
from engine.train.update import Autocast


@dataclass(frozen=True)
class Computing:
    """The device, what its matrix products compute in, and whether only repeatable kernels are used."""

    info: DeviceInfo
    precision: Precision
    compile: CompileChoice
    deterministic: bool
    matmul_rate: float | None
    """FLOP/s of a large matrix product, the best that was measured, now or by a probe; only on cpu, whose peak no table
    tells."""

    @property
    def device(self) -> torch.device:
        """The device as torch names it."""
        return self.info.torch_device

    @property
    def autocast(self) -> Autocast:
        """Gives the context of a forward pass."""
        return lambda: autocast(self.precision, self.info)

    def memory_key(self, settings: Settings, vocab_size: int) -> MemoryKey:
        """Under what is remembered how many rows such a run computes at a time."""
        return memory_key(
            settings,
            vocab_size,
            device_name=self.info.name,
            memory=self.info.memory,
            torch_version=str(torch.__version__),
            dtype=self.precision.dtype,
            compiled=compiles(settings, self.info.kind),
        )

    def speed_key(self, settings: Settings, vocab_size: int) -> SpeedKey:
        """Under what the speed of such a run is remembered."""
        return speed_key(
            settings,
            vocab_size,
            device_kind=self.info.kind,
            device_name=self.info.name,
            dtype=self.precision.dtype,
            threads=torch.get_num_threads(),
            torch_version=str(torch.__version__),
        )


def choose_computing(settings: Settings, warn: Callable[[str], None], place: Place = ALONE) -> Computing:
    """Choose what the settings leave open, set torch's threads and determinism, print why and `warn` where it is due.

    Draws from torch's random generator: seed it afterwards. `place` is that of this process among those of the run.

    Raises UserError for a device or dtype that is not there.
    """
    machine = read_machine()
    choice = choose_device(settings.device, machine, local_rank=place.local_rank, processes=place.local_size)
    precision = choose_dtype(settings.dtype, choice.device)
    deterministic = choice.device.kind == "cpu" if settings.deterministic == "auto" else settings.deterministic
    compiling = choose_compile(settings.compile, choice.device, deterministic=deterministic)
    notes = [
        *choice.notes,
        *precision.warnings,
        *set_deterministic(deterministic, choice.device, compiled=compiling.on),
    ]
    if settings.compile is True and not compiling.on:
        notes.append(compiling.why)
    said = [f"device: {choice.device.name}", f"precision: {precision.why}", f"compile: {compiling.why}"]
    matmul_rate = None
    if choice.device.kind == "cpu":
        threads = choose_threads(
            None if settings.num_threads == "auto" else settings.num_threads, machine.cores, processes=place.local_size
        )
        torch.set_num_threads(threads.threads)
        said.append(f"threads: {threads.why}")
        matmul_rate = measure_matmul(choice.device.torch_device, precision.torch_dtype, seconds=0.1)
        before = remembered_rate(cache_dir(), precision.dtype, threads.threads)
        matmul_rate = max(matmul_rate, before or 0.0)  # what else runs on the machine now makes it measure less
        said.append(f"matrix products: {matmul_rate / 1e9:.0f} GFLOP/s")
    for line in said:
        print(line, flush=True)  # noqa: T201 - trainer.log is where the choices are explained
    for note in notes:
        warn(note)
    return Computing(choice.device, precision, compiling, deterministic, matmul_rate)
