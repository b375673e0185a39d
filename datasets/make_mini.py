"""Write mini_pretrain_data.jsonl, the small bilingual data the mini preset trains on.

    python datasets/make_mini.py            write the file anew
    python datasets/make_mini.py --check    fail when the file is not what would be written

The same bytes come out on every Python from 3.11 on: all choices are made by `mini_corpus.chance.Chance`, and nothing
depends on the order of a set, on the locale or on the platform's line ends.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from mini_corpus.chance import Chance
from mini_corpus.chinese.writers import WRITERS as CHINESE
from mini_corpus.english.writers import WRITERS as ENGLISH

TARGET = Path(__file__).with_name("mini_pretrain_data.jsonl")
SEED = 6400
# UTF-8 bytes of text a language; a Chinese character has three, a token about four. Chosen so that the shipped
# tokenizer makes about as many tokens of the one language as of the other.
LANGUAGES = (("english", ENGLISH, 750_000), ("chinese", CHINESE, 850_000))
# A writer that cannot find a text it has not written yet gives up after this many tries in a row.
TRIES = 200


def texts() -> list[str]:
    """All texts of the file, unique, in their final order."""
    seen: set[str] = set()
    everything: list[str] = []
    for language, writers, size in LANGUAGES:
        for kind, share, make_writer in writers:
            # A stream of its own for every kind: a change to one leaves the texts of all others as they are.
            chance = Chance(SEED + zlib.crc32(f"{language} {kind}".encode()))
            written = 0
            for text in _unique(make_writer(chance), seen):
                everything.append(text)
                written += len(text.encode())
                if written >= size * share:
                    break
    return Chance(SEED).shuffled(everything)


def _unique(write: Callable[[], str], seen: set[str]) -> Iterator[str]:
    """Texts not in `seen`, which grows."""
    misses = 0
    while misses < TRIES:
        text = write()
        if text in seen:
            misses += 1
            continue
        misses = 0
        seen.add(text)
        yield text
    raise RuntimeError(f"no new text in {TRIES} tries; the last one was: {text}")


def content() -> bytes:
    """The file as bytes: one {"text": ...} a line, UTF-8, Unix line ends."""
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts())
    return "".join(f"{line}\n" for line in lines).encode()


def main() -> int:
    """Write or check the file; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    parser.add_argument("--output", type=Path, default=TARGET, help="the file to write or check")
    options = parser.parse_args()
    data = content()
    if options.check:
        if not options.output.is_file() or options.output.read_bytes() != data:
            print(f"{options.output} is not what make_mini.py writes; run it without --check", file=sys.stderr)
            return 1
        print(f"{options.output}: as generated")
        return 0
    options.output.write_bytes(data)
    print(f"{options.output}: {len(data):,} bytes, {data.count(bytes([10])):,} texts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
