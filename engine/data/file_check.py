"""Recognises, from the first bytes, a file that is not the JSONL it was taken for, and says the way out."""

import difflib
import stat
from pathlib import Path

import orjson

from engine.data.jsonl import describe_unusable
from engine.errors import UserError
from engine.language import _

HEAD_BYTES = 2**20
_ARCHIVES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "gzip", "gunzip -k {path}"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d {path}"),
    (b"BZh", "bzip2", "bunzip2 -k {path}"),
    (b"\xfd7zXZ\x00", "xz", "unxz -k {path}"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -d {path}"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x {path}"),
    (b"PK\x03\x04", "zip", "unzip {path}"),
    (b"PK\x05\x06", "zip", "unzip {path}"),
)
_PAIRS = ({"chosen", "rejected"}, {"prompt", "completion"}, {"instruction", "output"}, {"question", "answer"})


def check_file(path: Path, text_field: str = "text") -> None:
    """Return if `path` looks like JSONL with texts in `text_field`; reads at most its first MiB.

    Raises UserError that names the file, what it is, and the way out: missing, a folder, unreadable, empty,
    compressed (gzip, zstd, bzip2, xz, lz4, 7z, zip, tar), Parquet, Arrow, PDF, SQLite, HDF5, a Git LFS or git-annex
    pointer, an HTML page, one JSON array, pretty-printed JSON, UTF-16, GB18030, plain text, MiniMind's SFT or DPO data,
    other field names.
    """
    head, size = _read_head(path)
    if not head.strip():
        if size <= len(head):
            raise UserError(
                _("{path} is empty: it needs one {example} a line.").format(path=path, example=_example(text_field))
            )
        return
    _refuse_binary(path, head)
    _refuse_other_text(path, head.removeprefix(b"\xef\xbb\xbf"), text_field)
    _refuse_other_lines(path, head.removeprefix(b"\xef\xbb\xbf"), size <= len(head), text_field)


def _example(text_field: str) -> str:
    return orjson.dumps({text_field: "..."}).decode()


def _read_head(path: Path) -> tuple[bytes, int]:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            found = sorted(entry.name for entry in path.glob("*.jsonl"))[:5]
            hint = _(" It holds {names}.").format(names=", ".join(found)) if found else ""
            raise UserError(_("{path} is a folder: name one JSONL file.").format(path=path) + hint)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(
                _("{path} is not a regular file; data is read more than once, so save it to a file first.").format(
                    path=path
                )
            )
        with path.open("rb") as file:
            return file.read(HEAD_BYTES), status.st_size
    except FileNotFoundError:
        if path.is_symlink():
            target = path.readlink()
            raise UserError(
                _("{path} is a link to {target}, which does not exist.").format(path=path, target=target)
            ) from None
        raise UserError(_("There is no file {path}.").format(path=path) + _nearest(path)) from None
    except NotADirectoryError:
        raise UserError(_("There is no file {path}: a part of its path is a file.").format(path=path)) from None
    except OSError as error:
        raise UserError(
            _("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror or error)
        ) from error


def _nearest(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return _(" There is no folder {folder} either.").format(folder=path.parent)
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    close = close or sorted(name for name in names if name.endswith(".jsonl"))[:3]
    return _(" Did you mean {names}?").format(names=", ".join(close)) if close else ""


def _refuse_binary(path: Path, head: bytes) -> None:
    for magic, name, command in _ARCHIVES:
        if head.startswith(magic):
            raise UserError(
                _("{path} is compressed ({kind}), not JSONL: unpack it first, for example: {command}").format(
                    path=path, kind=name, command=command.format(path=path)
                )
            )
    if head[257:262] == b"ustar":
        raise UserError(
            _("{path} is a tar archive, not JSONL: unpack it first, for example: tar xf {path}").format(path=path)
        )
    if head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        kind = "Parquet" if head.startswith(b"PAR1") else "Arrow"
        raise UserError(
            _(
                "{path} is a {kind} table, not JSONL: convert it first, for example with pandas:"
                " pandas.read_{reader}(FILE).to_json(OUT, orient='records', lines=True, force_ascii=False)"
            ).format(path=path, kind=kind, reader="parquet" if kind == "Parquet" else "feather")
        )
    if head.startswith((b"SQLite format 3", b"%PDF-", b"\x89HDF")):
        kind = {b"SQL": "SQLite", b"%PD": "PDF", b"\x89HD": "HDF5"}[head[:3]]
        raise UserError(
            _("{path} is a {kind} file, not JSONL: export its texts, one JSON object a line.").format(
                path=path, kind=kind
            )
        )
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
        len(head) >= 8 and (not any(head[0:64:2]) or not any(head[1:64:2]))
    )
    if utf16:
        raise UserError(
            _(
                "{path} is UTF-16, not UTF-8: convert it, for example: iconv -f UTF-16 -t UTF-8 {path} > new.jsonl"
            ).format(path=path)
        )


def _refuse_other_text(path: Path, head: bytes, text_field: str) -> None:
    start = head.lstrip()[:512].lower()
    if start.startswith(b"version https://git-lfs"):
        raise UserError(
            _(
                "{path} is a Git LFS pointer, not the data itself: fetch the data with `git lfs pull`,"
                " or download the file from its web page."
            ).format(path=path)
        )
    if b"annex/objects/" in start and len(head) < 4096:
        raise UserError(
            _("{path} is a git-annex pointer, not the data itself: fetch it with `git annex get`.").format(path=path)
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise UserError(
            _(
                "{path} is a web page (HTML or XML), not JSONL: a download often saves the page about a file,"
                " or an error page, instead of the file. Download it again through the page's download link."
            ).format(path=path)
        )
    if start.startswith(b"["):
        raise UserError(
            _(
                "{path} is one JSON array, not JSONL: write one object a line, for example:"
                ' python -c "import json,sys; [print(json.dumps(x, ensure_ascii=False)) for x in json.load(sys.stdin)]"'
                " < {path} > new.jsonl"
            ).format(path=path)
        )
    if start.startswith(b"{") and head.split(b"\n", 1)[0].strip() == b"{":
        raise UserError(
            _(
                "{path} is JSON spread over several lines, not JSONL:"
                " each line must be one whole object such as {example}."
            ).format(path=path, example=_example(text_field))
        )


def _refuse_other_lines(path: Path, head: bytes, whole: bool, text_field: str) -> None:
    """Refuse a file none of whose first lines has a text; one good line is enough to leave the rest to the reader."""
    lines = head.split(b"\n")
    if not whole:
        lines.pop()
    records: list[dict[str, object]] = []
    seen = 0
    for line in lines[:1000]:
        if not line.strip():
            continue
        seen += 1
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(record, dict):
            if isinstance(record.get(text_field), str):
                return
            records.append(record)
    if not seen:
        return
    if records:
        raise UserError(_describe_fields(path, records[0], text_field))
    sample = b"\n".join(lines[:1000])
    if _is_gb18030(sample):
        raise UserError(
            _(
                "{path} is not UTF-8; it looks like GB18030 (GBK): convert it, for example:"
                " iconv -f GB18030 -t UTF-8 {path} > new.jsonl"
            ).format(path=path)
        )
    if not sample.lstrip().startswith(b"{"):
        raise UserError(
            _(
                "{path} is not JSONL: none of its first {n} lines is a JSON object. It needs one {example} a line."
            ).format(path=path, n=seen, example=_example(text_field))
        )


def _is_gb18030(sample: bytes) -> bool:
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return False
    else:
        return False
    try:
        string = sample.decode("gb18030")
    except UnicodeDecodeError as error:
        string = sample[: error.start].decode("gb18030") if error.start > len(sample) - 4 else ""
    han = sum("\u4e00" <= character <= "\u9fff" for character in string)
    return han * 20 > len(string)


def _describe_fields(path: Path, record: dict[str, object], text_field: str) -> str:
    names = set(record)
    if "conversations" in names or "messages" in names:
        return _(
            "{path} is conversation (SFT) data, as MiniMind's sft_*.jsonl: its lines hold {field!r}, not {text!r}."
            " Pretraining reads plain texts: use a pretrain_*.jsonl, or write the turns of each conversation"
            " into one {example} a line."
        ).format(
            path=path,
            field="conversations" if "conversations" in names else "messages",
            text=text_field,
            example=_example(text_field),
        )
    if {"chosen", "rejected"} <= names:
        return _(
            "{path} is preference (DPO) data, as MiniMind's dpo.jsonl: its lines hold 'chosen' and 'rejected',"
            " not {text!r}. Pretraining reads plain texts: use a pretrain_*.jsonl."
        ).format(path=path, text=text_field)
    if any(pair <= names for pair in _PAIRS):
        return _(
            "{path} is instruction data: its lines hold {names}, not {text!r}."
            " Pretraining reads plain texts: write both parts into one {example} a line."
        ).format(path=path, names=", ".join(sorted(names)[:6]), text=text_field, example=_example(text_field))
    strings = [name for name, value in record.items() if isinstance(value, str)]
    message = _("{path}: {problem}.").format(path=path, problem=describe_unusable(record, text_field)[1])
    if strings and text_field not in names:
        longest = max(strings, key=lambda name: len(str(record[name])))
        message += _(" Name the field that holds the text: --text_field {field}").format(field=longest)
    return message
