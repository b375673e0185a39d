"""Print what the device can do, as one line of JSON: `python -m engine.worker.probe`. Read by engine.estimate."""

import platform
import sys

import torch

from engine.estimate.device_probe import DeviceFacts, GpuFacts
from engine.train.hardware import Machine, choose_device, choose_threads, read_machine
from engine.train.matmul_rate import measure_matmul
from engine.train.precision import TORCH_DTYPES, choose_compile, choose_dtype

_TELLING_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16", "sve")


def gather_facts(machine: Machine) -> DeviceFacts:
    """The facts of `machine` with everything on `auto`, the rates measured now. Sets torch's number of threads."""
    device, notes = choose_device("auto", machine)
    precision = choose_dtype("auto", device)
    threads = choose_threads(None, machine.cores)
    torch.set_num_threads(threads.threads)
    row = device.detected
    dtypes = {str(name): TORCH_DTYPES[name] for name in row.native}
    return DeviceFacts(
        torch_version=machine.torch_version,
        accelerator_build=machine.accelerator_build,
        driver=machine.driver,
        host=platform.node(),
        device=str(device.torch_device),
        name=device.name,
        memory=device.memory,
        dtypes=list(dtypes),
        dtype=precision.dtype,
        dtype_why=precision.why,
        notes=list(notes),
        gpus=[
            GpuFacts(name=gpu.name, memory=gpu.memory, capability=".".join(map(str, gpu.capability)))
            for gpu in machine.gpus
        ],
        cpu_name=machine.cpu_name,
        cpu_features=[feature for feature in _TELLING_FEATURES if feature in machine.cpu_flags],
        cores=machine.cores,
        machine_memory=machine.memory,
        threads=threads.threads,
        threads_why=threads.why,
        matmul_flops={name: measure_matmul(device.torch_device, dtype) for name, dtype in dtypes.items()},
        detected=row.name(),
        matmul=row.matmul(),
        attention=row.attention(),
        compile_why=choose_compile("auto", device, probe=lambda _device: None).why,
    )


def main() -> None:
    """Print the facts of this machine."""
    sys.stdout.write(gather_facts(read_machine()).model_dump_json() + "\n")


if __name__ == "__main__":
    main()
