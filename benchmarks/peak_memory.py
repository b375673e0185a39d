"""Peak resident memory of one update of the `full` preset on the cpu, each variant in a process of its own.

    python benchmarks/peak_memory.py [--rows 32] [--width 512]

Variants: a plain loop over transformers' Llama, as MiniMind's trainer runs it; our network and loss head; the same
with `recompute`. Each has weights, gradients and AdamW's state in place before it computes one micro-batch of
`--rows` x `--width` positions, so that the peak is that of any micro-batch in the middle of a training.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

VARIANTS = ("transformers", "ours", "ours, recompute")
MIB = 2**20


def peak_resident() -> int:
    """The largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(variant: str, rows: int, width: int) -> dict[str, int]:
    """Run one micro-batch and one optimiser step; the peak of the process, and the peak before the micro-batch."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import torch

    from engine.model.transformer import LanguageModel
    from engine.settings.shape import ModelShape
    from engine.train.loss import linear_cross_entropy

    shape = ModelShape()
    ids = torch.randint(3, shape.vocab_size, (rows, width))
    model: torch.nn.Module
    loss: Callable[[], torch.Tensor]
    if variant == "transformers":
        from padded_llama import build_llama, padded_loss

        model = llama = build_llama(shape)
        loss = lambda: padded_loss(llama, ids, torch.ones(rows, width))  # noqa: E731
    else:
        model = ours = LanguageModel(shape, recompute=variant.endswith("recompute"))
        labels = torch.cat((ids[:, 1:], torch.full((rows, 1), -100)), dim=1)
        documents = torch.arange(width).div(width // 4, rounding_mode="floor").add(1).expand(rows, width)
        positions = torch.arange(width).remainder(width // 4).expand(rows, width)

        def loss() -> torch.Tensor:
            total = linear_cross_entropy(ours(ids, positions, documents), ours.lm_head.weight, labels)
            return total / labels.numel()

    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-4)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    gc.collect()
    before = peak_resident()
    loss().backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return {"before": before, "peak": peak_resident()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant, options.rows, options.width)))
        return
    print(f"One micro-batch of {options.rows} x {options.width}; MiB resident, the whole process")
    print(f"{'':>18} {'peak':>8} {'of it the micro-batch':>22} {'peak, ratio':>12} {'micro-batch, ratio':>19}")
    reference: dict[str, int] = {}
    for variant in VARIANTS:
        command = [sys.executable, __file__, "--variant", variant]
        command += ["--rows", str(options.rows), "--width", str(options.width)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        reference = reference or found
        part, whole = found["peak"] - found["before"], reference["peak"] - reference["before"]
        print(
            f"{variant:>18} {found['peak'] / MIB:8.0f} {part / MIB:22.0f} "
            f"{found['peak'] / reference['peak']:12.2f} {part / whole:19.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
