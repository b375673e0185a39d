"""Compare tokenizers on the texts that train_tokenizer.py held out.

    python datasets/compare_tokenizers.py REAL.jsonl --tokenizer minimind2=PATH/tokenizer.json --tokenizer ...

Prints, for Chinese and English apart, how many tokens each tokenizer needs, how many characters a token holds, and the
shipped tokenizer's tokens as a multiple of the other's. With --holdout 1 all texts of the files are counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tokenizer_texts import held_out, is_chinese, read_texts
from tokenizers import Tokenizer

SHIPPED = Path(__file__).with_name("tokenizer.json")


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> int:
    """Tokens of all texts together, without any that mark beginning or end."""
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False))


def table(texts: Sequence[str], tokenizers: dict[str, Tokenizer]) -> list[str]:
    """Markdown rows: language, tokenizer, tokens, characters a token, the first tokenizer's share of its tokens."""
    rows = ["| texts | tokenizer | tokens | characters per token | ours / theirs |", "|---|---|---:|---:|---:|"]
    languages = (
        ("Chinese", [text for text in texts if is_chinese(text)]),
        ("English", [text for text in texts if not is_chinese(text)]),
    )
    for language, chosen in languages:
        if not chosen:
            continue
        characters = sum(map(len, chosen))
        counts = {name: count_tokens(tokenizer, chosen) for name, tokenizer in tokenizers.items()}
        ours = next(iter(counts.values()))
        rows += [
            f"| {language}, {len(chosen):,} | {name} | {tokens:,} | {characters / tokens:.2f} | {ours / tokens:.3f} |"
            for name, tokens in counts.items()
        ]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help='JSONL, {"text": ...} a line')
    parser.add_argument("--tokenizer", action="append", default=[], metavar="NAME=PATH", help="one to compare with")
    parser.add_argument("--holdout", type=float, default=0.1, help="the share held out in training")
    options = parser.parse_args(arguments)
    try:
        named = [("ours", str(SHIPPED)), *(pair.split("=", 1) for pair in options.tokenizer)]
        tokenizers = {name: Tokenizer.from_file(path) for name, path in named}
        texts = [text for path in options.files for text in read_texts(path) if held_out(text, options.holdout)]
    except Exception as problem:  # the tokenizers library raises plain Exception for a file it cannot read
        print(problem, file=sys.stderr)
        return 1
    print("\n".join(table(texts, tokenizers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
