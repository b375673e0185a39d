"""Inspects a data file in a few seconds: what is in it, what is wrong with it, and what training will make of it."""

import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.data.encoding import encode_documents
from engine.data.file_check import check_file
from engine.data.inspect_report import Duplicates, InspectReport, SamplePiece, SampleRow
from engine.data.near_duplicates import find_near_duplicates
from engine.data.order import permuted
from engine.data.packing import pack_best_fit
from engine.data.rows import Integers, Overlong, SpecialTokens
from engine.data.survey import Survey, survey_file
from engine.data.token_cache import available_cores
from engine.data.tokenizer import Tokenizer
from engine.data.verdict import judge

_NEAR_DOCUMENTS = 4000
_ROW_DOCUMENTS = 400
_LONGEST_ENCODED = 128 * 2**10
_ROW_CHARACTERS = 16 * 2**10

Documents = Sequence[tuple[int, str]]


def inspect_file(
    path: Path,
    tokenizer: Tokenizer,
    *,
    max_seq_len: int,
    text_field: str = "text",
    special_tokens: SpecialTokens = "both",
    overlong: Overlong = "split",
    bad_lines_limit: float = 0.01,
    parameters: int | None = None,
    sample_rows: int = 3,
    time_budget_s: float = 5.0,
    threads: int | None = None,
) -> InspectReport:
    """Inspect a JSONL file within about `time_budget_s` seconds; a file too large for that is sampled, and it is said.

    parameters: of the model the data is meant for, to judge whether there are enough tokens.
    Raises UserError when the file is not JSONL at all, as check_file does.
    """
    began = time.monotonic()
    check_file(path, text_field)
    survey = survey_file(path, text_field, time_budget_s)
    found = survey.sample.documents
    documents = [found[index] for index in permuted(range(len(found)), max(1, len(found)), 0, 0).tolist()]
    specials = (tokenizer.bos_id, tokenizer.eos_id) if special_tokens == "both" else None
    deadline = time.monotonic() + 0.2 * time_budget_s
    lengths = _measure(
        documents, tokenizer, len(specials or ()), max_seq_len, overlong, threads or available_cores(), deadline
    )
    tokens_exact = survey.whole and survey.sample.complete and lengths.exact and lengths.documents == len(documents)
    characters = survey.characters if survey.whole else survey.characters * survey.size / max(1, survey.parsed_bytes)
    tokens = lengths.tokens if tokens_exact else round(characters * lengths.tokens_per_character)
    report = InspectReport(
        path=path,
        bytes=survey.size,
        whole=survey.whole,
        lines_looked_at=survey.parsed_lines,
        documents=survey.documents,
        documents_exact=survey.whole,
        problem_counts=dict(survey.counts),
        problems=tuple(survey.problems),
        line_numbers_exact=survey.line_numbers_exact,
        duplicates=_duplicates(survey),
        near_duplicates=find_near_duplicates(_distinct(documents)[:_NEAR_DOCUMENTS]),
        length_edges=lengths.edges,
        length_counts=lengths.counts,
        length_documents=lengths.documents,
        median_tokens=lengths.median,
        tokens=tokens,
        tokens_exact=tokens_exact,
        characters_per_token=1 / lengths.tokens_per_character if tokens else 0.0,
        bytes_per_token=survey.text_bytes / survey.characters / lengths.tokens_per_character if tokens else 0.0,
        max_seq_len=max_seq_len,
        overlong=overlong,
        fill_padded=lengths.fill_padded,
        fill_packed=lengths.fill_packed,
        overlong_share=lengths.overlong_share,
        truncated_token_share=lengths.truncated_token_share,
        scripts=_scripts(text for _line, text in documents),
        control_share=lengths.control_share,
        control_example=_control_example(documents, tokenizer) if lengths.control_share else "",
        rows=_sample_rows(documents[:_ROW_DOCUMENTS], tokenizer, specials, max_seq_len, overlong, sample_rows),
        parameters=parameters,
        tokens_per_parameter=tokens / parameters if parameters else None,
        bad_lines_limit=bad_lines_limit,
        seconds=time.monotonic() - began,
    )
    return replace(report, verdict=judge(report))


@dataclass(frozen=True)
class _Lengths:
    """What the lengths in tokens of the encoded documents say. exact: every text was encoded to its end."""

    documents: int
    tokens: int
    exact: bool
    tokens_per_character: float
    median: float
    edges: tuple[int, ...]
    counts: tuple[int, ...]
    fill_padded: float
    fill_packed: float
    overlong_share: float
    truncated_token_share: float
    control_share: float


def _measure(
    documents: Documents,
    tokenizer: Tokenizer,
    specials: int,
    max_seq_len: int,
    overlong: Overlong,
    threads: int,
    deadline: float,
) -> _Lengths:
    """Encode documents until the deadline, at least one chunk of them, and measure."""
    heads = ((line, text[:_LONGEST_ENCODED]) for line, text in documents)
    parts: list[Integers] = []
    control = 0
    with closing(encode_documents(heads, tokenizer, threads=threads, control_text="control")) as chunks:
        for chunk in chunks:
            parts.append(chunk.lengths)
            control += chunk.control_documents
            if time.monotonic() > deadline:
                break
    if not parts:
        return _Lengths(0, 0, True, 0.0, 0.0, (0,), (), 0.0, 0.0, 0.0, 0.0, 0.0)
    encoded = np.concatenate(parts)
    sizes = np.array([len(text) for _line, text in documents[: len(encoded)]])
    whole = sizes <= _LONGEST_ENCODED
    lengths = np.where(whole, encoded, encoded * sizes // np.minimum(sizes, _LONGEST_ENCODED))
    positions = np.maximum(lengths + specials - 1, 0)
    edges, counts = _histogram(lengths)
    kept = np.minimum(positions, max_seq_len - 1) if overlong == "truncate" else positions
    fill_padded, fill_packed = _fill(kept, max_seq_len)
    tokens = int(lengths.sum())
    return _Lengths(
        documents=len(lengths),
        tokens=tokens,
        exact=bool(whole.all()),
        tokens_per_character=tokens / int(sizes.sum()),
        median=float(np.median(lengths)),
        edges=edges,
        counts=counts,
        fill_padded=fill_padded,
        fill_packed=fill_packed,
        overlong_share=float((positions > max_seq_len).mean()),
        truncated_token_share=float(np.maximum(lengths + specials - max_seq_len, 0).sum() / max(1, tokens)),
        control_share=control / len(lengths),
    )


def _histogram(lengths: Integers) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Powers of two from 8 on: (edges, counts), one edge more than counts."""
    top = max(16, int(lengths.max()) + 1)
    edges = [0, *(8 << power for power in range((top - 1).bit_length() - 2))]
    return tuple(edges), tuple(np.histogram(lengths, bins=edges)[0].tolist())


def _fill(positions: Integers, max_seq_len: int) -> tuple[float, float]:
    """Share of positions that carry loss: (each piece in a row of its own, packed by best fit)."""
    positions = positions[positions > 0]
    if not len(positions):
        return 0.0, 0.0
    whole_rows = int((positions // max_seq_len).sum())
    rests = positions % max_seq_len
    rests = rests[rests > 0]
    packed_rows = pack_best_fit(rests, max_seq_len)[1] if len(rests) else 0
    total = int(positions.sum())
    return total / ((whole_rows + len(rests)) * max_seq_len), total / ((whole_rows + packed_rows) * max_seq_len)


def _duplicates(survey: Survey) -> Duplicates:
    return Duplicates(len(survey.hashes), len(np.unique(survey.hashes)), survey.whole)


def _distinct(documents: Documents) -> list[tuple[int, str]]:
    seen: dict[str, int] = {}
    for line, text in documents:
        seen.setdefault(text, line)
    return [(line, text) for text, line in seen.items()]


def _control_example(documents: Documents, tokenizer: Tokenizer) -> str:
    counts = Counter(token for token in tokenizer.control_tokens for _line, text in documents if token in text)
    return counts.most_common(1)[0][0] if counts else ""


def _scripts(texts: Iterable[str]) -> dict[str, float]:
    """Share of letters that are Chinese (Han), Latin, or of another script."""
    together = "".join(texts)
    points, counts = np.unique(np.frombuffer(together.encode("utf-32-le"), dtype="<u4"), return_counts=True)
    letters: Counter[str] = Counter()
    for point, count in zip(points.tolist(), counts.tolist(), strict=True):
        character = chr(point)
        if unicodedata.category(character).startswith("L"):
            name = unicodedata.name(character, "")
            script = "chinese" if name.startswith("CJK") else "latin" if "LATIN" in name else "other"
            letters[script] += count
    total = max(1, letters.total())
    return {script: letters[script] / total for script in ("chinese", "latin", "other")}


def _sample_rows(
    documents: Documents,
    tokenizer: Tokenizer,
    specials: tuple[int, int] | None,
    max_seq_len: int,
    overlong: Overlong,
    wanted: int,
) -> tuple[SampleRow, ...]:
    """A few packed rows of the sample, from the one with the longest pieces to the one with the shortest."""
    pieces: list[tuple[int, list[int], bool, bool]] = []
    for line, text in documents:
        ids = tokenizer.encode(text[:_ROW_CHARACTERS])
        if overlong == "truncate":
            ids = ids[: max_seq_len - len(specials or ())]
        if specials:
            ids = [specials[0], *ids, *([specials[1]] if len(text) <= _ROW_CHARACTERS else [])]
        for start in range(0, len(ids) - 1, max_seq_len):
            piece = ids[start : start + max_seq_len + 1]
            pieces.append((line, piece, start > 0, start + len(piece) < len(ids)))
    if not pieces:
        return ()
    row_of_piece, rows = pack_best_fit(np.array([len(piece) - 1 for _line, piece, _s, _e in pieces]), max_seq_len)
    sampled = []
    for row in sorted({round(rows * (place + 0.5) / wanted - 0.5) for place in range(wanted)} & set(range(rows))):
        chosen = [pieces[index] for index in np.flatnonzero(row_of_piece == row).tolist()]
        used = sum(len(piece) - 1 for _line, piece, _s, _e in chosen)
        shown = [SamplePiece(line, tokenizer.decode(piece), len(piece), s, e) for line, piece, s, e in chosen]
        sampled.append(SampleRow(tuple(shown), max_seq_len - used))
    return tuple(sampled)
