"""The parts of a training that do not get faster with more GPUs, measured on this machine for docs/SCALING.md.

    python benchmarks/scaling_parts.py [--data FILE] [--texts 20000] [--rounds 5]

Text: bytes and tokens of Chinese and other texts, and how full packed rows are. Tokenising: the part of it that holds
Python's lock, which threads cannot share: reading lines, parsing, hashing, and turning the library's results into
arrays; in processor time. Batches: positions a second that one thread assembles for one process. All-reduce: gradients
of the `full` preset's size between two processes of this machine over gloo. Medians of the rounds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.encoding import encode_documents
from engine.data.jsonl import LineReader
from engine.data.rows import RowTable, build_rows
from engine.data.token_cache import open_token_cache
from engine.data.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 512
GRADIENT_NUMBERS = 25_829_888


def default_data() -> Path:
    return Path(os.environ.get("MINIMIND_REAL_DATA") or ROOT.parent / "shared" / "data" / "real.jsonl")


def median(rounds: int, work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of `work` by `clock`: of processor time, which other programs take none of, unless told otherwise."""

    def once() -> float:
        begin = clock()
        work()
        return clock() - begin

    once()
    return statistics.median(once() for _ in range(rounds))


def is_chinese(text: str) -> bool:
    return sum("\u4e00" <= character <= "\u9fff" for character in text) > 0.3 * len(text)


def texts(lines: Sequence[str], tokenizer: Tokenizer, folder: Path) -> RowTable:
    by_kind: dict[str, list[str]] = {"Chinese": [], "other": []}
    for line in lines:
        by_kind["Chinese" if is_chinese(json.loads(line)["text"]) else "other"].append(line)
    for kind, chosen in [*by_kind.items(), ("all", [*lines])]:
        path = folder / f"{kind}.jsonl"
        path.write_text("".join(chosen), encoding="utf-8")
        cache = open_token_cache(path, tokenizer, cache_dir=folder)
        table = build_rows(cache, None, max_seq_len=WIDTH, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
        print(
            f"{kind:>8}: {path.stat().st_size / cache.token_count:.2f} bytes of file a token, "
            f"{cache.token_count / cache.document_count:.0f} tokens a text, rows {table.fill:.1%} full"
        )
    return table


class Remembering:
    """A tokenizer whose library has done its work already: what is left is what Python does."""

    def __init__(self, tokenizer: Tokenizer, known: dict[str, Any]) -> None:
        self.vocab_size, self.control_ids, self._known = tokenizer.vocab_size, tokenizer.control_ids, known

    def encode_flat(self, chosen: Sequence[str], **_options: Any) -> tuple[Any, Any]:
        ids = [self._known[text].ids for text in chosen]
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        return np.fromiter(chain.from_iterable(ids), dtype=np.uint32, count=int(lengths.sum())), lengths


def tokenising(path: Path, tokenizer: Tokenizer, rounds: int) -> None:
    chosen = [json.loads(line)["text"] for line in path.open(encoding="utf-8")]
    library = tokenizer._library("control")
    remembering: Any = Remembering(
        tokenizer, dict(zip(chosen, library.encode_batch(chosen, add_special_tokens=False), strict=True))
    )

    def python_alone() -> None:
        for _chunk in encode_documents(LineReader(path), remembering, threads=1, control_text="control"):
            pass

    seconds = median(rounds, python_alone)
    print(f"tokenising: Python's own part {path.stat().st_size / seconds / 1e6:.1f} MB/s, whatever the cores")


def batches(table: RowTable, rounds: int) -> None:
    order = np.random.default_rng(0).permutation(table.row_count)[:32]
    seconds = median(20 * rounds, lambda: table.batch(order))
    print(f"batches: {len(order) * WIDTH / seconds / 1e6:.2f} M positions/s by one thread")


def reduce_in_turn(rank: int, rounds: int, meeting: str, answer: str) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=2, timeout=timedelta(minutes=2)
    )
    gradients = torch.ones(GRADIENT_NUMBERS)
    seconds = median(rounds, lambda: dist.all_reduce(gradients), time.perf_counter)
    if rank == 0:
        Path(answer).write_text(str(seconds))
    dist.destroy_process_group()


def all_reduce(rounds: int, folder: Path) -> None:
    import torch.multiprocessing as processes

    answer = folder / "seconds"
    processes.spawn(reduce_in_turn, args=(rounds, str(folder / "meeting"), str(answer)), nprocs=2)
    seconds, size = float(answer.read_text()), 4 * GRADIENT_NUMBERS
    rate = size / seconds / 1e9
    print(f"all-reduce: {size / 1e6:.0f} MB between 2 processes over gloo in {seconds:.3f} s, {rate:.2f} GB/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_data(), help="JSONL with a text a line")
    parser.add_argument("--tokenizer", type=Path, default=ROOT / "datasets" / "tokenizer.json")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    tokenizer = Tokenizer.load(options.tokenizer)
    with options.data.open(encoding="utf-8") as file:
        lines = list(islice(file, options.texts))
    with tempfile.TemporaryDirectory() as folder:
        table = texts(lines, tokenizer, Path(folder))
        tokenising(Path(folder) / "all.jsonl", tokenizer, options.rounds)
        batches(table, options.rounds)
        all_reduce(options.rounds, Path(folder))


if __name__ == "__main__":
    main()
