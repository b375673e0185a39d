"""Train tokenizer.json: byte-level BPE over Chinese and English.

    python datasets/train_tokenizer.py REAL.jsonl datasets/mini_pretrain_data.jsonl=24 --holdout 0.1

Texts count once and Chinese ones --chinese times, because most collections hold far more English; the texts of a file
given as FILE=N all count N times instead, and each Chinese character of theirs --characters times more on its own, so
that everyday characters are one token each even where the big collection hardly has them. --holdout keeps a share of
the other files away from training, for compare_tokenizers.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizer_texts import HAN, held_out, is_chinese, read_texts
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

# Ids 0, 1 and 2, as in MiniMind: padding, beginning, end.
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

# Where a text may be cut before byte pairs are merged; no token crosses such a border.
PIECES = "|".join(
    (
        r"'(?:s|t|re|ve|m|ll|d)\b",  # English endings: it's, don't, we're
        r" ?\p{Han}+",  # Chinese has no spaces: a whole run, merged by frequency
        r" ?[\p{L}\p{M}&&[^\p{Han}]]+",  # a word of any other script, with the space before it
        r"\p{N}",  # every digit alone: numbers look alike everywhere, so sums can be learned digit by digit
        r" ?[^\s\p{L}\p{N}]+",  # punctuation
        r"\s*[\r\n]+",  # line ends, never glued to the punctuation before: a prompt may end there
        r"\s+(?!\S)",  # spaces but the last, which belongs to the next word
        r"\s+",
    )
)


def train(texts: Iterator[str], vocab: int) -> Tokenizer:
    """A tokenizer of exactly `vocab` entries. Raises ValueError when the texts are too few for that many."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(SPECIAL_TOKENS),
        # All 256 bytes are entries, so that any text can be written and none is unknown.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=sys.stderr.isatty(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocab:
        raise ValueError(f"the texts yield {tokenizer.get_vocab_size()} entries, not {vocab}: give more text")
    return tokenizer


def training_texts(
    files: Sequence[tuple[Path, int | None]], holdout: float, chinese: int, characters: int
) -> Iterator[str]:
    """The texts of the files, each as often as it counts, then the characters of the files given with a count."""
    seen: set[str] = set()
    for path, times in files:
        for text in read_texts(path):
            if times is not None:
                seen.update(HAN.findall(text))
                repeats = times
            elif held_out(text, holdout):
                repeats = 0
            else:
                repeats = chinese if is_chinese(text) else 1
            for _ in range(repeats):
                yield text
    for character in sorted(seen):
        yield "\n".join([character] * characters)


def file_and_times(argument: str) -> tuple[Path, int | None]:
    """PATH or PATH=N; None where no N is given."""
    path, _, times = argument.rpartition("=")
    return (Path(path), int(times)) if path and times.isdecimal() else (Path(argument), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and write; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("files", nargs="+", type=file_and_times, metavar="FILE[=N]", help='JSONL, {"text": ...} a line')
    parser.add_argument("--holdout", type=float, default=0.1, help="share of a FILE kept away from training")
    parser.add_argument("--chinese", type=int, default=8, help="how many times a Chinese text counts")
    parser.add_argument("--characters", type=int, default=3000, help="how often a character of FILE=N counts alone")
    parser.add_argument("--vocab", type=int, default=6400, help="number of entries")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("tokenizer.json"))
    options = parser.parse_args(arguments)
    try:
        texts = training_texts(options.files, options.holdout, options.chinese, options.characters)
        tokenizer = train(texts, options.vocab)
        options.output.write_text(tokenizer.to_str(pretty=True) + "\n", encoding="utf-8", newline="\n")
    except (OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{options.output}: {tokenizer.get_vocab_size()} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
