"""A full disk, a read-only disk, a disk that is too slow: labelling goes on, losses are told, and recording
goes on by itself."""

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.disk import Disk, Snapshot
from bandwatch.agent.lost_entries import Lost
from bandwatch.agent.recorder import MOST_WAITING_BYTES, Recorder
from bandwatch.agent.snapshot_schedule import SnapshotSchedule
from bandwatch.agent.state import StateFolder
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.journal import Note
from bandwatch.pipeline.store import Store
from bandwatch.pipeline.store_reading import stored_events, stored_rows
from bandwatch.tests.jig import rows

DISK_MB = 8


class Heard:
    """What the recorder tells telemetry."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stored = self.unrecorded = 0
        self.bytes = 0

    def recording_started(self) -> None:
        self.lines.append("started")

    def recording_stopped(self, reason: str) -> None:
        self.lines.append(f"stopped: {reason}")

    def recording_resumed(self) -> None:
        self.lines.append("resumed")

    def bad_input(self, message: str) -> None:
        self.lines.append(message)

    def row_stored(self, node: str, band: str) -> None:
        self.stored += 1

    def rows_unrecorded(self, node: str, band: str, count: int) -> None:
        self.unrecorded += count

    def store_bytes(self, size_bytes: int) -> None:
        self.bytes = size_bytes


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        self.seconds += 0.5
        return self.seconds


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few MB; mounting one needs the right to."""
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(where)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


def disk_on(directory: Path, heard: Heard, **limits: int) -> Disk:
    most_bytes, keep_free = limits.get("most_bytes", 10**10), limits.get("keep_free_bytes", 0)

    def opened() -> Store:
        return Store(
            directory, most_bytes=most_bytes, most_days=30, keep_free_bytes=keep_free, told=heard.lines.append
        )

    disk = Disk(opened, directory, heard, keep_free_bytes=keep_free, monotonic_seconds=Clock())  # type: ignore[arg-type]
    disk.open()
    return disk


def seqs(directory: Path) -> list[int]:
    pieces = [piece for _, piece in stored_rows(directory, told=pytest.fail)]
    return [piece.seq for piece in pieces if isinstance(piece, PsdFrame)]


def unrecorded(directory: Path) -> list[Note]:
    return [note for _, note in stored_events(directory, kinds=["unrecorded"], told=pytest.fail)]


def blocks(count: int) -> list[list[PsdFrame]]:
    """So many batches of 100 kB."""
    frames = rows(25 * count, bins=1024)
    return [frames[first : first + 25] for first in range(0, len(frames), 25)]


def test_a_full_disk_makes_room_then_stops_and_goes_on_and_every_row_is_accounted_for(small_disk: Path):
    heard = Heard()
    store = small_disk / "store"
    disk = disk_on(store, heard)
    filler = small_disk / "somebody else's"
    filler.write_bytes(bytes(6_000_000))
    number = 0
    for batch in blocks(40):
        disk.append(number, batch)
        number += len(batch)
    assert [line.split(":")[0] for line in heard.lines] == ["started", "stopped"]
    assert "No space left on device" in heard.lines[1]
    filler.unlink()
    late = [replace(frame, seq=frame.seq + 1000) for batch in blocks(8) for frame in batch]
    for first in range(0, len(late), 25):
        disk.append(number, late[first : first + 25])
        number += 25
    assert heard.lines[2:] == ["resumed"]
    assert disk.went_on
    disk.close()
    kept = seqs(store)
    assert len(kept) == len(set(kept)) == heard.stored
    assert heard.stored + heard.unrecorded == 1200
    notes = unrecorded(store)
    assert sum(note.facts["rows"] for note in notes) == heard.unrecorded > 0
    assert all("No space left" in note.facts["reason"] for note in notes)


def test_rows_reported_lost_while_nothing_is_recorded_are_told_with_the_others():
    (row,) = rows(1)
    gaps = [Gap(row.node, row.band, 0, lost_rows, None, "lost", row.time_ns) for lost_rows in (7, None)]
    lost = Lost(5, "disk full", row.time_ns)
    lost.add([row, gaps[0]])
    later = Lost(7, "disk full", row.time_ns)
    later.add([row, *gaps])
    lost.merge(later)
    (note,) = lost.notes()
    assert note.facts == {"rows": 2, "lost_rows": 14, "entries": 5, "reason": "disk full"}


def test_the_oldest_goes_before_recording_stops(small_disk: Path):
    heard = Heard()
    disk = disk_on(small_disk / "store", heard)
    assert disk.store is not None
    disk.store.journal.rotate()
    number = 0
    for batch in blocks(240):
        disk.append(number, batch)
        number += len(batch)
        if number % 500 == 0:
            disk.store.journal.rotate()
    assert heard.lines == ["started"]
    disk.close()
    kept = seqs(small_disk / "store")
    assert kept[-1] == 5999
    assert kept == list(range(kept[0], 6000))
    assert kept[0] > 0


def test_it_leaves_others_the_space_they_are_promised(small_disk: Path):
    heard = Heard()
    disk = disk_on(small_disk / "store", heard, keep_free_bytes=100 * 10**6)
    disk.append(0, blocks(1)[0])
    assert "limit: 100,000,000 (store.keep_free_bytes)" in heard.lines[-1]
    assert heard.unrecorded == 25


def test_a_read_only_disk_is_told_of_once_and_used_once_it_can_be(small_disk: Path):
    heard = Heard()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    disk = disk_on(small_disk / "store", heard)
    first, second, third = blocks(3)
    disk.append(0, first)
    disk.append(25, second)
    assert [line.split(": ")[0] for line in heard.lines] == ["stopped"]
    assert "Read-only file system" in heard.lines[0]
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    for attempt in range(20):
        disk.append(50 + attempt * 25, [replace(frame, seq=frame.seq + attempt * 25) for frame in third])
    disk.close()
    assert heard.lines[1:] == ["started", "resumed"]
    assert heard.stored + heard.unrecorded == 550
    assert len(seqs(small_disk / "store")) == heard.stored > 0


def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path):
    heard = Heard()
    disk_on(tmp_path, heard).close()
    (tmp_path / "store.yaml").write_text("version: 99\n")
    disk = disk_on(tmp_path, heard)
    disk.append(0, blocks(1)[0])
    assert "99" in heard.lines[-1]
    assert heard.unrecorded == 25
    assert not list((tmp_path / "journal").glob("*"))


def test_a_state_is_never_newer_than_the_journal(tmp_path: Path):
    heard = Heard()
    disk = disk_on(tmp_path, heard)
    folder = StateFolder(tmp_path, "bundle", heard.lines.append)
    disk.append(0, blocks(1)[0])
    assert disk.keep(Snapshot(folder, "node", "band", 24, {}, {"x": np.arange(3)})) > 0
    kept = folder.read("node", "band", {})
    assert kept is not None
    assert kept.entry == 24 == max(number for number, _ in disk.store.entries_after(-1))  # type: ignore[union-attr]
    disk.close()


def test_what_a_slow_disk_has_no_time_for_is_counted_and_told_in_its_place(tmp_path: Path):
    heard = Heard()
    disk = disk_on(tmp_path, heard)
    gate, write = threading.Event(), disk.append

    def slow(first: int, entries: list) -> None:
        gate.wait(30)
        write(first, entries)

    disk.append = slow  # type: ignore[method-assign]
    recorder = Recorder(disk, SnapshotSchedule(), flush_seconds=60)
    recorder.start(0)
    frames = rows(40, bins=60_000)
    sent = 0
    for turn in range(12):
        for frame in frames:
            recorder.record([replace(frame, seq=frame.seq + 40 * turn)])
            sent += 1
    assert sent * frames[0].power_db.nbytes > 1.5 * MOST_WAITING_BYTES
    gate.set()
    assert recorder.flush(60)
    recorder.record([replace(frames[0], seq=9999)])
    assert recorder.close()
    assert heard.stored + heard.unrecorded == sent + 1
    assert heard.unrecorded > 0
    assert sum(note.facts["rows"] for note in unrecorded(tmp_path)) == heard.unrecorded
    assert seqs(tmp_path)[-1] == 9999


def test_a_store_that_could_only_be_opened_late_goes_on_behind_its_own_numbers(tmp_path: Path):
    before = disk_on(tmp_path, Heard())
    before.append(0, blocks(1)[0])
    before.close()
    heard, opens = Heard(), iter([False, False, True])

    def opened() -> Store:
        if not next(opens):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return Store(tmp_path, most_bytes=10**10, most_days=30, keep_free_bytes=0, told=pytest.fail)

    disk = Disk(opened, tmp_path, heard, keep_free_bytes=0, monotonic_seconds=Clock())  # type: ignore[arg-type]
    disk.open()
    folder = StateFolder(tmp_path, "bundle", pytest.fail)
    disk.append(0, [replace(frame, seq=frame.seq + 100) for frame in blocks(1)[0]])
    for attempt in range(1, 16):
        disk.append(25 * attempt, [replace(frame, seq=1000 * attempt) for frame in blocks(1)[0][:1]])
    assert disk.keep(Snapshot(folder, "node", "band", 25 * 15, {}, {})) > 0
    assert heard.lines[1:] == ["started", "resumed"]
    assert heard.stored + heard.unrecorded == 25 + 15
    stored = [number for number, _ in stored_rows(tmp_path, told=pytest.fail)]
    assert stored == sorted(set(stored))
    assert len(stored) == 25 + heard.stored
    kept = folder.read("node", "band", {})
    assert kept is not None
    assert kept.entry == stored[-1]
    assert sum(note.facts["rows"] for note in unrecorded(tmp_path)) == heard.unrecorded > 0
    disk.close()


def test_a_disk_that_fails_loses_nothing_of_what_is_stored(tmp_path: Path):
    heard = Heard()
    disk = disk_on(tmp_path, heard)
    assert disk.store is not None
    number = 0
    for batch in blocks(4):
        disk.append(number, batch)
        disk.store.journal.rotate()
        number += 25

    def fails(first: int, entries: list) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.store.journal.append = fails  # type: ignore[method-assign]
    disk.append(number, blocks(1)[0])
    assert "Input/output error" in heard.lines[-1]
    assert len(seqs(tmp_path)) == 100


def test_what_cannot_be_written_for_a_reason_nobody_foresaw_is_counted(tmp_path: Path):
    heard = Heard()
    disk = disk_on(tmp_path, heard)
    (row, *others) = blocks(1)[0]
    disk.append(0, [row, Note("node", "band", 0, "row", {})])  # no note is of that kind
    assert heard.lines[-1].startswith("stopped: ")
    for number, other in enumerate(others, 2):
        disk.append(number, [other])
    disk.close()
    assert heard.lines[-2:] == ["started", "resumed"]
    assert heard.stored + heard.unrecorded == 25
    assert sum(note.facts["rows"] for note in unrecorded(tmp_path)) == heard.unrecorded


def test_a_store_that_somebody_deletes_begins_anew(tmp_path: Path):
    heard = Heard()
    store = tmp_path / "store"
    disk = disk_on(store, heard)
    frames = [frame for batch in blocks(2) for frame in batch]
    disk.append(0, frames[:10])
    shutil.rmtree(store)
    for number, frame in enumerate(frames[10:], 10):
        disk.append(number, [frame])
    disk.close()
    said = [line.split(":")[0] for line in heard.lines if not line.startswith(str(store))]
    assert said == ["started", "stopped", "started", "resumed"]
    kept = seqs(store)
    assert kept[-1] == frames[-1].seq
    assert sum(note.facts["rows"] for note in unrecorded(store)) == heard.unrecorded > 0


def test_another_flush_interval_holds_at_once(tmp_path: Path):
    disk, flushed = disk_on(tmp_path, Heard()), threading.Event()
    recorder = Recorder(disk, SnapshotSchedule(), flush_seconds=3600)
    recorder.start(0)
    assert recorder.flush()
    disk.flush = flushed.set  # type: ignore[method-assign]
    recorder.flush_seconds = 0.1
    assert flushed.wait(5)
    assert recorder.close()


def test_a_disk_that_hangs_holds_up_neither_the_end_nor_the_memory(tmp_path: Path):
    heard = Heard()
    disk = disk_on(tmp_path, heard)
    gate = threading.Event()
    disk.append = lambda first, entries: gate.wait(30)  # type: ignore[method-assign]
    recorder = Recorder(disk, SnapshotSchedule(), flush_seconds=60)
    recorder.start(0)
    assert not recorder.keeps
    recorder.record(rows(1))
    recorder.snapshot(StateFolder(tmp_path, "bundle", pytest.fail), "node", "band", {}, {})
    assert recorder.keeps
    begun = time.monotonic()
    assert not recorder.close()
    assert time.monotonic() - begun < 4
    gate.set()
