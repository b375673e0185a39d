"""Measures the token cache: its rate against the tokenizers library's own, its memory, and what a cached start costs.

    python benchmarks/token_cache.py                    50 MB, a minute or so
    python benchmarks/token_cache.py --gigabytes 1      the real thing, several minutes

The file is made by repeating real texts with a different suffix in every copy, so that no text is alike. The rates are
taken alternately in one process, because a machine's speed drifts: the library encodes the texts of a part of the
file from memory with encode_batch on all cores; the cache reads the same part from disk, parses, encodes and writes it.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import tokenizers

from engine.data.jsonl import read_lines
from engine.data.token_cache import available_cores, open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.places import builtin_dir

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MINIMIND_SHARED_DATA") or ROOT.parent / "shared" / "data")
LIBRARY_BATCH = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.05, help="size of the file (default 0.05)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating measurements (default 3)")
    parser.add_argument("--part", type=float, default=16, help="megabytes to measure the rate on (default 16)")
    parser.add_argument("--texts", type=Path, default=SHARED / "real.jsonl", help="JSONL to repeat")
    parser.add_argument("--tokenizer", type=Path, default=builtin_dir("datasets") / "tokenizer.json")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        build_and_tell(arguments.build, arguments.tokenizer, arguments.cache)
        return
    with tempfile.TemporaryDirectory(prefix="token-cache-") as folder:
        measure(arguments, Path(folder))


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    print(f"{available_cores()} cores, tokenizers {tokenizers.__version__}, {arguments.tokenizer}")
    part = repeat(arguments.texts, folder / "part.jsonl", int(arguments.part * 1e6))
    compare_rates(part, arguments.tokenizer, folder, arguments.rounds)
    whole = repeat(arguments.texts, folder / "whole.jsonl", int(arguments.gigabytes * 1e9))
    command = [sys.executable, __file__, "--tokenizer", str(arguments.tokenizer)]
    command += ["--build", str(whole), "--cache", str(folder / "cache")]
    for name in ("building", "cached start"):
        answer = subprocess.run(command, check=True, capture_output=True)
        told = orjson.loads(answer.stdout)
        print(
            f"{name}: {whole.stat().st_size / 1e6:.0f} MB, {told['documents']:,} documents, {told['tokens']:,} tokens"
            f" in {told['seconds']:.2f} s, peak resident memory {told['peak_bytes'] / 1e6:.0f} MB"
        )


def repeat(source: Path, target: Path, size: int) -> Path:
    """Write copies of the texts of `source`, each with the number of its copy at the end, until `size` bytes."""
    texts = [text for _line, text in read_lines(source)]
    copy = written = 0
    with target.open("wb") as file:
        while True:
            for text in texts:
                written += file.write(orjson.dumps({"text": f"{text} {copy}"}) + b"\n")
                if written >= size:
                    return target
            copy += 1


def compare_rates(part: Path, tokenizer_path: Path, folder: Path, rounds: int) -> None:
    texts = [text for _line, text in read_lines(part)]
    size = sum(len(text.encode("utf-8")) for text in texts)
    library_rates, cache_rates = [], []
    for number in range(rounds + 1):
        library = tokenizers.Tokenizer.from_file(str(tokenizer_path))
        library.encode_special_tokens = False
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        began = time.perf_counter()
        for start in range(0, len(texts), LIBRARY_BATCH):
            library.encode_batch(texts[start : start + LIBRARY_BATCH], add_special_tokens=False)
        library_seconds = time.perf_counter() - began
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        tokenizer = Tokenizer.load(tokenizer_path)
        began = time.perf_counter()
        open_token_cache(part, tokenizer, cache_dir=folder / f"round-{number}")
        cache_seconds = time.perf_counter() - began
        if number:  # the first round warms up
            library_rates.append(size / library_seconds / 1e6)
            cache_rates.append(size / cache_seconds / 1e6)
            print(
                f"round {number}: library {library_rates[-1]:.2f} MB/s, cache {cache_rates[-1]:.2f} MB/s,"
                f" ratio {cache_rates[-1] / library_rates[-1]:.2f}"
            )
    ratios = [ours / theirs for ours, theirs in zip(cache_rates, library_rates, strict=True)]
    print(
        f"median of {rounds}: library {statistics.median(library_rates):.2f} MB/s,"
        f" cache {statistics.median(cache_rates):.2f} MB/s, ratio {statistics.median(ratios):.2f}"
        f" ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def build_and_tell(data: Path, tokenizer_path: Path, cache_dir: Path) -> None:
    """In a process of its own: open the cache, and print what it took as JSON."""
    began = time.perf_counter()
    cache = open_token_cache(data, Tokenizer.load(tokenizer_path), cache_dir=cache_dir)
    seconds = time.perf_counter() - began
    told = {"documents": cache.document_count, "tokens": cache.token_count, "seconds": seconds}
    told["peak_bytes"] = peak_resident_bytes()
    sys.stdout.buffer.write(orjson.dumps(told))


def peak_resident_bytes() -> int:
    """This process's peak. On Linux ru_maxrss would count its parent's memory as well, from before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
