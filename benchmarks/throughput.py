"""Training throughput of the `full` preset's network on the cpu, against a plain padded loop over transformers' Llama.

    python benchmarks/throughput.py [--data FILE] [--rows 8] [--accumulation 2] [--rounds 5] [--no-compile]

All contestants live in one process and take turns, one whole update each (forward, loss, backward, clip, AdamW), so
that what else the machine does hits them alike; medians over the rounds are compared, and ratios are medians of each
round's own ratio. Ours is the engine's update on packed rows; the other side is what MiniMind's trainer does: each
text alone in a row of 512, padded, full logits. Neither adds special tokens, so a useful token means the same on both
sides: a position with a target to predict.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from padded_llama import build_llama, padded_loss

from engine.data.rows import Batch, RowTable, build_rows
from engine.data.token_cache import TokenCache, open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.estimate.size import flops_per_token
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape
from engine.train.compilation import compiled_network
from engine.train.optimizers import LossScaler, build_optimizer
from engine.train.ranks import Network
from engine.train.update import Updater, to_device

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 512
CLIP = 1.0
LEARNING_RATE = 5e-4


class Contestant(NamedTuple):
    """One way to train: `update` makes an update and returns how many positions had a target."""

    name: str
    update: Callable[[], int]


def default_data() -> Path:
    return Path(os.environ.get("MINIMIND_REAL_DATA") or ROOT.parent / "shared" / "data" / "real.jsonl")


def open_texts(data: Path, texts: int, tokenizer: Tokenizer, folder: Path) -> TokenCache:
    """The first `texts` lines of `data`, tokenised by the engine."""
    sample = folder / "texts.jsonl"
    with data.open(encoding="utf-8") as lines:
        sample.write_text("".join(islice(lines, texts)), encoding="utf-8")
    return open_token_cache(sample, tokenizer, cache_dir=folder)


def padded(cache: TokenCache, first: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`rows` texts from number `first` on, each truncated to a row and padded: ids (B, T), and 1 at real ones."""
    ids, real = torch.zeros(rows, WIDTH, dtype=torch.long), torch.zeros(rows, WIDTH)
    for row in range(rows):
        tokens = np.asarray(cache.document((first + row) % cache.document_count), dtype=np.int64)[:WIDTH]
        ids[row, : len(tokens)] = torch.from_numpy(tokens)
        real[row, : len(tokens)] = 1
    return ids, real


def llama_loop(shape: ModelShape, cache: TokenCache, rows: int, accumulation: int) -> Contestant:
    model = build_llama(shape)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    start = 0

    def update() -> int:
        nonlocal start
        targets = 0
        for _ in range(accumulation):
            ids, real = padded(cache, start, rows)
            start += rows
            (padded_loss(model, ids, real) / accumulation).backward()  # type: ignore[no-untyped-call]
            targets += int(real[:, 1:].sum())
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return targets

    return Contestant("transformers, padded", update)


def our_loop(name: str, shape: ModelShape, table: RowTable, rows: int, accumulation: int, compiled: bool) -> Contestant:
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(0))
    order = np.random.default_rng(0).permutation(table.row_count)
    start = 0

    def next_batch() -> Batch:
        nonlocal start
        chosen = order[(start + np.arange(rows)) % table.row_count]
        start += rows
        return table.batch(chosen)

    network: Network = model
    if compiled:
        first = to_device(next_batch(), torch.device("cpu"))
        network, problem = compiled_network(model, first, nullcontext)
        if problem:
            raise SystemExit(f"compiling failed: {problem}")
    optimizer = build_optimizer(model, lr=LEARNING_RATE)
    updater = Updater(model, network, optimizer, LossScaler(False), nullcontext, CLIP)

    def update() -> int:
        batches: Any = [next_batch() for _ in range(accumulation)]
        targets = sum(int(batch.target_tokens) for batch in batches)
        updater.update(batches, targets, LEARNING_RATE, lambda: False, lambda _done, _count: None)
        return targets

    return Contestant(name, update)


def matmul_rate() -> float:
    """The best of some large fp32 matrix products, FLOP/s."""
    size = 2048
    left, right = torch.randn(size, size), torch.randn(size, size)
    best = min(timed(lambda: left @ right)[0] for _ in range(8))
    return 2 * size**3 / best


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def mean_context(table: RowTable) -> float:
    """The length of a token's own piece, averaged over tokens: what its attention spans."""
    lengths = table.piece_length.astype(np.float64)
    return float((lengths**2).sum() / lengths.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="JSONL with a text a line")
    parser.add_argument("--tokenizer", type=Path, default=ROOT / "datasets" / "tokenizer.json")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=8, help="rows a micro-batch (the preset: 32)")
    parser.add_argument("--accumulation", type=int, default=2, help="micro-batches an update (the preset: 8)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()

    torch.manual_seed(0)
    tokenizer = Tokenizer.load(options.tokenizer)
    shape = ModelShape(vocab_size=tokenizer.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        cache = open_texts(options.data, options.texts, tokenizer, Path(folder))
        table = build_rows(cache, max_seq_len=WIDTH, bos_id=None, eos_id=None, special_tokens="none")
        sizes = (options.rows, options.accumulation)
        contestants = [llama_loop(shape, cache, *sizes), our_loop("ours, eager", shape, table, *sizes, compiled=False)]
        if not options.no_compile:
            contestants.append(our_loop("ours, compiled", shape, table, *sizes, compiled=True))
        for contestant in contestants:
            contestant.update()
        rates: list[float] = []
        found: list[list[tuple[float, int]]] = [[] for _ in contestants]
        for done in range(options.rounds):
            rates.append(matmul_rate())
            for contestant, results in zip(contestants, found, strict=True):
                results.append(timed(contestant.update))
            print(f"round {done + 1}: " + ", ".join(f"{each[-1][0]:.2f} s" for each in found), flush=True)
    report(options, shape, table, contestants, found, statistics.median(rates))


def report(
    options: argparse.Namespace,
    shape: ModelShape,
    table: RowTable,
    contestants: list[Contestant],
    found: list[list[tuple[float, int]]],
    rate: float,
) -> None:
    positions = options.rows * options.accumulation * WIDTH
    print(f"\n{options.texts} texts in {table.row_count} packed rows of {WIDTH}, {table.fill:.1%} full")
    print(f"{torch.get_num_threads()} threads, fp32 matrix products {rate / 1e9:.0f} GFLOP/s (median of the rounds)")
    print(
        f"{'':>22} {'s an update':>12} {'positions/s':>12} {'useful/s':>9} {'useful, ratio':>14} "
        f"{'position, ratio':>16} {'of the matrix rate':>19}"
    )
    for contestant, results in zip(contestants, found, strict=True):
        seconds = statistics.median(time for time, _ in results)
        useful = statistics.median(targets / time for time, targets in results)
        by_position = statistics.median(base / time for (base, _), (time, _) in zip(found[0], results, strict=True))
        by_use = statistics.median(
            (targets / time) / (base_targets / base)
            for (base, base_targets), (time, targets) in zip(found[0], results, strict=True)
        )
        context = WIDTH if contestant is contestants[0] else mean_context(table)
        reached = flops_per_token(shape, context) * positions / seconds / rate
        print(
            f"{contestant.name:>22} {seconds:12.2f} {positions / seconds:12.0f} {useful:9.0f} {by_use:14.2f} "
            f"{by_position:16.2f} {reached:19.0%}"
        )


if __name__ == "__main__":
    main()
