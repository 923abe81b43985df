"""A disk that is full, read-only or failing: a batch is taken whole or not at all, and later ones again."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bandwatch.pipeline.journal import Journal, read_segment, segments
from bandwatch.tests.journals import assert_true, batch, read_all


def fill(journal: Journal, first: int = 0, most: int = 100_000) -> tuple[int, OSError]:
    """Append until the system refuses; the first number that was refused, and how."""
    for number in range(first, first + most, 3):
        try:
            journal.append(number, batch(number, 3))
        except OSError as error:
            return number, error
    raise AssertionError("never full")


@contextmanager
def largest_file(size: int):
    """The system refuses to make any file larger, in the middle of a write: EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [1, 40, 500, 1500, 4000, 4500, 5000, 20_000])
def test_a_write_that_stops_half_way_is_taken_back(tmp_path, room) -> None:
    with closing(Journal(tmp_path)) as journal:
        with largest_file(room):
            for _ in range(2):
                refused, error = fill(journal, journal.next_entry)
                assert error.errno == errno.EFBIG
                entries, told = read_all(tmp_path)
                assert [number for number, _ in entries] == list(range(refused))
                assert told == []
        if not refused:
            assert list(tmp_path.iterdir()) == [], "no half header is left"
        journal.append(refused, batch(refused, 3))
        journal.append(refused + 3, batch(refused + 3, 2))
    assert len(segments(tmp_path)) == 1
    closed = replace(segments(tmp_path)[0], newest=False)
    told = []
    entries = list(read_segment(closed, told.append))
    assert_true(entries)
    assert [number for number, _ in entries] == list(range(refused + 5))
    assert told == []


@pytest.fixture
def small_disk():
    """A file system of 300 kB of its own."""
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "journal-test", folder], capture_output=True, text=True
    )
    try:
        if mounted.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
        yield folder
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_a_full_disk_refuses_and_takes_again_when_there_is_room(small_disk) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(100_000))
    with closing(Journal(small_disk / "journal", segment_bytes=40_000)) as journal:
        refused, error = fill(journal)
        assert error.errno == errno.ENOSPC
        again, error = fill(journal, refused)
        assert (again, error.errno) == (refused, errno.ENOSPC)
        entries, told = read_all(small_disk / "journal")
        assert [number for number, _ in entries] == list(range(refused))
        assert told == []
        filler.unlink()
        later, error = fill(journal, refused)
        assert error.errno == errno.ENOSPC
        assert later > refused
        journal.flush()
    entries, told = read_all(small_disk / "journal")
    assert_true(entries)
    assert len(entries) == later
    assert told == []


@pytest.mark.parametrize("suffix", [".arrows", ".seals"])
def test_a_segment_that_cannot_even_be_begun_leaves_nothing(tmp_path, suffix) -> None:
    with closing(Journal(tmp_path)) as journal:
        (tmp_path / f"{0:020d}{suffix}").symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left"):
            journal.append(0, batch(0, 3))
        assert list(tmp_path.iterdir()) == []
        journal.append(0, batch(0, 3))
        assert [number for number, _ in read_all(tmp_path)[0]] == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".arrows", ".seals"])
def test_where_nothing_can_be_taken_back_the_next_append_begins_anew(tmp_path, suffix) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.append(0, batch(0, 3))
        file = journal.open_segment.with_suffix(suffix)
        (open_as,) = [int(fd.name) for fd in Path("/proc/self/fd").iterdir() if leads_to(fd, file)]
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, open_as)  # neither written nor cut from here on
        os.close(full)
        with pytest.raises(OSError, match="No space left"):
            journal.append(3, batch(3, 3))
        journal.append(3, batch(3, 3))
    entries, told = read_all(tmp_path)
    assert_true(entries)
    assert [number for number, _ in entries] == list(range(6))
    torn = f"{segments(tmp_path)[0].path}: ends in the middle of a batch: 0 sealed entries are missing"
    assert told == ([torn] if suffix == ".seals" else [])


def leads_to(fd: Path, file: Path) -> bool:
    try:
        return fd.readlink() == file
    except OSError:
        return False


def test_a_folder_that_cannot_be_written_refuses_every_append() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(Journal(folder)) as journal:
            journal.append(0, batch(0, 3))
            journal.rotate()
            folder.chmod(0o555)
            nobody = 65534 if os.geteuid() == 0 else os.geteuid()
            before = os.geteuid()
            os.seteuid(nobody)
            try:
                for _ in range(2):
                    with pytest.raises(PermissionError):
                        journal.append(3, batch(3, 3))
            finally:
                os.seteuid(before)
            assert len(list(folder.iterdir())) == 2
            folder.chmod(0o755)
            journal.append(3, batch(3, 3))
        assert [number for number, _ in read_all(folder)[0]] == list(range(6))


def test_a_flush_that_fails_ends_the_segment(tmp_path, monkeypatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with closing(Journal(tmp_path)) as journal:
        journal.append(0, batch(0, 3))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", broken)
            with pytest.raises(OSError, match="Input/output"):
                journal.flush()
        journal.flush()
        journal.append(3, batch(3, 3))
    assert [each.first_entry for each in segments(tmp_path)] == [0, 3]
    assert [number for number, _ in read_all(tmp_path)[0]] == list(range(6))
