"""What the run room's writers do on a disk that takes short writes, loses handles, refuses a sync or vanishes."""

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from saved_bytes import save

from engine.run.atomic import HashingFile, hash_file, publish_file, write_all, write_atomic
from engine.run.attempts import begin_attempt
from engine.run.checkpoints import scan, verify
from engine.run.folder import RunFolder
from engine.run.home import RunHome
from engine.run.jsonl_log import LineWriter, Tail, read_lines
from engine.run.schema import State, Status
from engine.run.status import StatusWriter, read_status
from engine.run.worker_link import WorkerLink

NUMBERS = {"epoch": 1, "tokens": 1, "elapsed": 1.0, "loss": 1.0, "lr": 1.0}


def refusing(number: int, times: int = 1_000_000) -> Callable[..., int]:
    left = [times]
    real = {"fsync": os.fsync}

    def refuse(*arguments: object, **_options: object) -> int:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return real["fsync"](*arguments)  # type: ignore[arg-type, func-returns-value, return-value]

    return refuse


def short_writes(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    real_write, real_pwrite = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, bytes(data)[:most]))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real_pwrite(fd, bytes(data)[:most], at))


class TestShortWrites:
    def test_all_of_it_arrives_in_pieces(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        short_writes(monkeypatch, 7)
        write_atomic(tmp_path / "file", b"0123456789" * 10)
        assert (tmp_path / "file").read_bytes() == b"0123456789" * 10
        writer = LineWriter(tmp_path / "log")
        for number in range(3):
            writer.append({"number": number, "text": "x" * 50})
        assert [line["number"] for line in read_lines(tmp_path / "log")] == [0, 1, 2]

    def test_a_serialised_file_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with HashingFile(tmp_path / "file") as file:
            real = file._file

            class Short:
                def write(self, data: bytes) -> int:
                    return real.write(bytes(data)[:5])

                def __getattr__(self, name: str) -> object:
                    return getattr(real, name)

            monkeypatch.setattr(file, "_file", Short())
            assert file.write(b"0123456789" * 3) == 30
            file.flush()
        assert (tmp_path / "file").read_bytes() == b"0123456789" * 3
        assert file.print == hash_file(tmp_path / "file")

    def test_a_disk_that_takes_nothing_is_an_error_and_no_endless_loop(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "write", lambda _fd, _data: 0)
        with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match="takes no bytes"):
            write_all(file.fileno(), b"x")
        writer = LineWriter(tmp_path / "log")
        assert not writer.append_or_keep({"n": 1}) and writer.pending == 1


class TestLostHandles:
    """ESTALE, EINTR: what a network file system says of a handle that was good a moment ago."""

    @pytest.mark.parametrize("number", [errno.ESTALE, errno.EINTR, errno.EAGAIN])
    @pytest.mark.parametrize("call", ["open", "rename"])
    def test_a_small_file_is_written_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
    ) -> None:
        left = [1]

        def once(real: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*arguments: object, **options: object) -> object:
                if left[0]:
                    left[0] -= 1
                    raise OSError(number, os.strerror(number))
                return real(*arguments, **options)

            return wrapped

        if call == "open":
            monkeypatch.setattr(os, "open", once(os.open))
        else:
            monkeypatch.setattr(Path, "replace", once(Path.replace))
        write_atomic(tmp_path / "file", b"data")
        monkeypatch.undo()
        assert (tmp_path / "file").read_bytes() == b"data"
        assert [path.name for path in tmp_path.iterdir()] == ["file"] and left == [0]

    def test_one_that_stays_lost_is_told_and_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_atomic(tmp_path / "file", b"old")
        monkeypatch.setattr(Path, "replace", refusing(errno.ESTALE))
        with pytest.raises(OSError, match=r"(?i)stale"):
            write_atomic(tmp_path / "file", b"new")
        monkeypatch.undo()
        assert (tmp_path / "file").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1

    def test_a_failed_sync_is_not_asked_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "fsync", refusing(errno.EIO, times=1))
        with pytest.raises(OSError, match=r"(?i)input"):
            write_atomic(tmp_path / "file", b"new")
        assert list(tmp_path.iterdir()) == []

    def test_a_log_s_stale_handle_is_opened_anew(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        writer = LineWriter(tmp_path / "log")
        writer.append({"n": 1})
        stale = writer._fd
        real = os.write

        def write(fd: int, data: bytes) -> int:
            if fd == stale:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return real(fd, data)

        monkeypatch.setattr(os, "write", write)
        assert not writer.append_or_keep({"n": 2})
        os.dup2(os.open(tmp_path, os.O_RDONLY), stale)  # the number is taken: the next handle is another one
        assert writer.append_or_keep({"n": 3})
        assert [line["n"] for line in read_lines(tmp_path / "log")] == [1, 2, 3]

    def test_a_checkpoint_is_read_again_before_it_is_called_damaged(
        self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = save(folder, 1)
        real, left = Path.open, [2]

        def open_(path: Path, *arguments: object, **options: object) -> object:
            if path.name == "model.bin" and left[0]:
                left[0] -= 1
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return real(path, *arguments, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(Path, "open", open_)
        assert verify(info) == "" and left == [0]

    def test_what_a_network_file_system_keeps_in_an_old_folder_does_not_stop_a_save(
        self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(folder, 1)
        (leftover := folder.checkpoints / ".replaced-step-00000001").mkdir()
        (leftover / ".nfs0001").write_bytes(b"open elsewhere")
        real = shutil.rmtree

        def rmtree(path: Path, ignore_errors: bool = False) -> None:
            if any(name.startswith(".nfs") for name in os.listdir(path)):  # noqa: PTH208
                if not ignore_errors:
                    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
                return
            real(path, ignore_errors=ignore_errors)

        monkeypatch.setattr(shutil, "rmtree", rmtree)
        save(folder, 1, b"another")
        (info,) = scan(folder)
        assert (info.path / "model.bin").read_bytes() == b"another" and verify(info) == ""


class TestLogs:
    @pytest.mark.parametrize("how", ["deleted", "replaced", "with its folder"])
    def test_no_line_goes_into_a_file_that_nobody_can_see(self, tmp_path: Path, how: str) -> None:
        (tmp_path / "run").mkdir()
        path = tmp_path / "run" / "log"
        writer = LineWriter(path)
        writer.append_or_keep({"n": 1})
        if how == "deleted":
            path.unlink()
        elif how == "replaced":
            path.rename(path.with_name("old"))
            path.write_bytes(b"")
        else:
            shutil.rmtree(path.parent)
            assert not writer.append_or_keep({"n": 2}) and writer.error is not None
            path.parent.mkdir()
        writer.append_or_keep({"n": 3})
        assert [line["n"] for line in read_lines(path)] == ([2, 3] if how == "with its folder" else [3])

    def test_lines_whose_sync_failed_are_written_once_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "log"
        writer = LineWriter(path)
        writer.append_or_keep({"n": 1})
        writer.sync()
        writer.append_or_keep({"n": 2})
        writer.append_or_keep({"n": 3})
        real = os.fsync
        monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))  # as a network file system says it, too late
        with pytest.raises(OSError, match="No space"):
            writer.sync()
        monkeypatch.setattr(os, "fsync", real)
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])  # the kernel has dropped the pages
        assert writer.pending == 2
        writer.append_or_keep({"n": 4})
        writer.sync()
        assert [line["n"] for line in read_lines(path)] == [1, 2, 3, 4]
        writer.append_or_keep({"n": 5})
        assert [line["n"] for line in read_lines(path)] == [1, 2, 3, 4, 5]

    def test_what_waits_is_bounded_by_its_bytes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("engine.run.jsonl_log._MAX_PENDING_BYTES", 1000)
        writer = LineWriter(tmp_path / "nowhere" / "log")
        for number in range(30):
            writer.append_or_keep({"number": number, "text": "x" * 80})
        assert 5 < writer.pending < 12 and writer.lost == 30 - writer.pending
        (tmp_path / "nowhere").mkdir()
        assert writer.flush()
        assert [line["number"] for line in read_lines(tmp_path / "nowhere" / "log")] == list(range(30))[writer.lost :]


def test_a_serialiser_s_own_error_does_not_hide_the_disk_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(file: HashingFile) -> None:
        monkeypatch.setattr(file, "_file", open("/dev/full", "wb", buffering=0))  # noqa: PTH123, SIM115
        try:
            file.write(b"x" * 10)
        except OSError:
            raise RuntimeError("the archive could not be written") from None

    if not Path("/dev/full").exists():
        pytest.skip("the system has no /dev/full")
    with pytest.raises(OSError, match="No space"):
        publish_file(tmp_path / "weights.pth", write)
    assert list(tmp_path.iterdir()) == []


class TestStatusOnAFullDisk:
    def writer(self, path: Path) -> StatusWriter:
        return StatusWriter(path, Status(attempt=1, step=1, state=State.RUNNING))

    def test_a_message_there_is_no_room_for_is_left_out_and_the_rest_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "status.json"
        writer = self.writer(path)
        writer.update(message="a few words " * 30)
        size = path.stat().st_size
        real = os.pwrite

        def full(fd: int, data: bytes, at: int) -> int:
            if at + len(data) > size:
                if at >= size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                data = data[: size - at]
            return real(fd, data, at)

        monkeypatch.setattr("engine.run.status.write_atomic", refusing(errno.ENOSPC))
        monkeypatch.setattr(os, "pwrite", full)
        writer.update(step=2, message="many more words than there were before " * 300)
        status = read_status(path)
        assert status is not None and (status.step, status.message) == (2, None) and writer.error is None
        assert path.stat().st_size == size

    def test_an_end_that_cannot_be_synced_is_said_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = self.writer(tmp_path / "status.json")
        monkeypatch.setattr(os, "fsync", refusing(errno.EIO))
        writer.update(state=State.FINISHED)
        status = read_status(tmp_path / "status.json")
        assert status is not None and status.state is State.FINISHED


class TestHome:
    @pytest.fixture
    def link(self, folder: RunFolder) -> WorkerLink:
        begin_attempt(folder, 1, 0, lambda done, total: None)
        return WorkerLink(folder, 1, signals=False)

    def test_a_deleted_folder_is_made_again_with_what_a_resume_needs(self, link: WorkerLink) -> None:
        link.metric(1, **NUMBERS)
        toml, manifest = link.folder.run_toml.read_bytes(), link.folder.read_manifest()
        shutil.rmtree(link.folder.path)
        link.metric(2, **NUMBERS)
        assert link.folder.run_toml.read_bytes() == toml and link.folder.read_manifest() == manifest
        assert [line["step"] for line in read_lines(link.folder.metrics)] == [2]
        (told,) = read_lines(link.folder.events)
        assert told["kind"] == "warning" and "manifest.json" in told["message"]
        status = read_status(link.folder.status)
        assert status is not None and status.step == 2
        save(link.folder, 2)
        assert begin_attempt(link.folder, 2, 0, lambda done, total: None).start_step == 2
        link._status.stop()

    def test_single_files_too(self, link: WorkerLink) -> None:
        link.folder.manifest.unlink()
        assert link.mend_folder() and link.folder.read_manifest().attempts
        assert not link.mend_folder()
        link._status.stop()

    def test_a_folder_that_was_moved_is_waited_for(self, link: WorkerLink) -> None:
        link.metric(1, **NUMBERS)
        path, elsewhere = link.folder.path, link.folder.path.with_name("elsewhere")
        path.rename(elsewhere)
        link.metric(2, **NUMBERS)
        assert not path.exists()
        elsewhere.rename(path)
        link.metric(3, **NUMBERS)
        assert [line["step"] for line in read_lines(link.folder.metrics) if line["kind"] == "train"] == [1, 2, 3]
        link._status.stop()

    def test_a_file_system_that_is_not_there_is_waited_for(self, folder: RunFolder) -> None:
        home = RunHome(folder)
        assert home._disk is not None
        home._disk += 1  # what lies above the folder now is another file system than when the run began
        shutil.rmtree(folder.path)
        assert home.mend() == [] and not folder.path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no /dev/full")
def test_a_log_on_a_full_disk_ends_nobody() -> None:
    import subprocess

    code = (
        "import sys, traceback\n"
        "from engine.run.trainer_log import soften_output\n"
        "soften_output()\n"
        "print('x' * 100_000, flush=True)\n"
        "print('y', file=sys.stderr, flush=True)\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n"
        "import os; os._exit(7)\n"
    )
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full, check=False)
    assert done.returncode == 7


def test_a_tail_forgets_nothing_of_a_log_that_came_back(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "log"
    writer, tail = LineWriter(path), Tail(path)
    writer.append({"n": 1})
    assert tail.poll() == [{"n": 1}]
    (tmp_path / "run").rename(tmp_path / "away")
    assert tail.poll() == []
    (tmp_path / "away").rename(tmp_path / "run")
    writer.append({"n": 2})
    assert tail.poll() == [{"n": 1}, {"n": 2}] and tail.generation == 1
