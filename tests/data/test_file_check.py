"""Files that are not the JSONL they were taken for (traps 16 and 17)."""

import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from engine.data.file_check import check_file
from engine.data.jsonl import read_lines
from engine.errors import UserError

GOOD = b'{"text": "a"}\n'


def zip_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.jsonl", content)
    return buffer.getvalue()


def tar_of(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("data.jsonl")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


CHINESE = json.dumps({"text": "春天的河流慢慢地流过绿色的山谷"}, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"\n\n  \n", ["empty"]),
        (gzip.compress(GOOD, mtime=0), ["gzip", "gunzip"]),
        (b"\x28\xb5\x2f\xfd" + b"x" * 50, ["zstd", "zstd -d"]),
        (zip_of(GOOD), ["zip", "unzip"]),
        (tar_of(GOOD), ["tar", "tar xf"]),
        (b"PAR1" + b"\x00\x15" * 20, ["Parquet", "read_parquet"]),
        (b"ARROW1\x00\x00" + b"x" * 20, ["Arrow", "read_feather"]),
        (b"%PDF-1.7\n...", ["PDF"]),
        (b"SQLite format 3\x00...", ["SQLite"]),
        (b"\x89HDF\r\n\x1a\n", ["HDF5"]),
        (b"version https://git-lfs.example/spec/v1\noid sha256:abc\nsize 12345\n", ["LFS pointer", "git lfs pull"]),
        (b"/annex/objects/SHA256E-s1--abc.jsonl\n", ["annex"]),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", ["web page"]),
        (b"\n  <html lang='en'>", ["web page"]),
        (b'[{"text": "a"},\n{"text": "b"}]', ["array", "json.load"]),
        (b'{\n  "text": "a"\n}\n', ["several lines"]),
        ('{"text": "a"}\n'.encode("utf-16"), ["UTF-16", "iconv"]),
        ('{"text": "abcdef"}\n'.encode("utf-16-le"), ["UTF-16", "iconv"]),
        (CHINESE.encode("gb18030") * 20, ["GB18030", "iconv"]),
        (b"Once upon a time\nthere was a file.\n", ["none of its first 2 lines"]),
        (b'{"conversations": [{"role": "user", "content": "hi"}]}\n', ["SFT", "conversations", "pretrain_"]),
        (b'{"messages": [{"role": "user", "content": "hi"}]}\n', ["SFT", "messages"]),
        (b'{"chosen": [], "rejected": []}\n', ["DPO", "pretrain_"]),
        (b'{"instruction": "a", "output": "b"}\n', ["instruction data"]),
        (b'{"id": "7", "content": "a long text"}\n', ["--text_field content"]),
        (b'{"text": 7}\n', ["number"]),
    ],
)
def test_the_file_is_recognised_and_the_way_out_is_named(tmp_path: Path, content: bytes, words: list[str]) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        check_file(path)
    for word in ["data.jsonl", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.strip(),
        b"\xef\xbb\xbf" + GOOD,
        b"\n\n" + GOOD,
        b"broken\n" * 50 + GOOD,
        CHINESE.encode(),
        b'{"text": "' + b"x" * 3 * 2**20 + b'"}\n',
        b'{"other": 1}\n' + GOOD,
        b'{"text": "a"}\n[1]\n',
    ],
)
def test_a_file_with_texts_passes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    check_file(path)
    assert list(read_lines(path)), "and there is a text in it"


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "pretrain_hq.jsonl").write_bytes(GOOD)
    with pytest.raises(UserError, match=r"Did you mean pretrain_hq\.jsonl"):
        check_file(tmp_path / "pretrain_hp.jsonl")
    with pytest.raises(UserError, match="no folder"):
        check_file(tmp_path / "nowhere" / "x.jsonl")
    with pytest.raises(UserError, match="part of its path is a file"):
        check_file(tmp_path / "pretrain_hq.jsonl" / "x.jsonl")


def test_a_folder_names_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    with pytest.raises(UserError, match=r"is a folder.*a\.jsonl"):
        check_file(tmp_path)


def test_a_dead_link_and_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "gone.jsonl")
    with pytest.raises(UserError, match=r"link to .*gone\.jsonl"):
        check_file(tmp_path / "link.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(UserError, match="not a regular file"):
        check_file(tmp_path / "pipe.jsonl")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(GOOD)
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        check_file(path)
