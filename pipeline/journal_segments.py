"""Reading a journal: its segments, and the entries that their seals vouch for."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from .errors import BadInput
from .journal_entries import SCHEMA, Entry, entries_of
from .journal_seals import SEAL_BYTES, Seal, last_entry, seals_path, unpacked

_NAME = re.compile(r"(\d{20})\.arrows")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of data and its index; `newest` is the one that a writer may still be appending to.

    `first_entry` is what it was begun with; `last_entry` -1 where no entry of it is sealed. `size_bytes`
    of both files together.
    """

    path: Path
    first_entry: int
    last_entry: int
    size_bytes: int
    newest: bool


def segment_path(folder: Path, first_entry: int) -> Path:
    return folder / f"{first_entry:020d}.arrows"


def segments(folder: Path) -> list[Segment]:
    """The segments of a journal, oldest first; none where there is no such folder.

    Safe while another process writes or deletes. OSError as the system gives it.
    """
    try:
        names = sorted(each.name for each in folder.iterdir() if _NAME.fullmatch(each.name))
    except FileNotFoundError:
        return []
    found: list[Segment] = []
    for name in names:
        path = folder / name
        size_bytes = sum(map(_size, (path, seals_path(path))))
        found.append(Segment(path, int(path.stem), last_entry(path), size_bytes, name == names[-1]))
    return found


def remove_segment(segment: Segment) -> None:
    """Delete both files; the data first, as data without an index would look damaged."""
    segment.path.unlink(missing_ok=True)
    seals_path(segment.path).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def read_segment(
    segment: Segment, told: Callable[[str], None], *, after_entry: int = -1
) -> Iterator[tuple[int, Entry]]:
    """The entries of a segment beyond `after_entry` and their numbers, in order, one batch in memory.

    Batches that are damaged are left out, and one line, told at the end, says how many entries are
    missing. What follows the last whole batch was never appended: that is said too, unless the segment is
    the newest, where a writer may be at work. Rows' values are read-only views of their batch's bytes.
    """
    reading = _Reading(segment, after_entry)
    try:
        with segment.path.open("rb") as data, seals_path(segment.path).open("rb") as index:
            while record := index.read(SEAL_BYTES):
                yield from reading.batch(record, data.fileno())
            reading.finish(os.fstat(data.fileno()).st_size)
    except FileNotFoundError as error:
        # Both files are made before a byte is written: without an index, empty data never had any.
        if not segment.path.exists() or _size(segment.path):
            told(f"{error.filename}: {error.strerror}: nothing of this segment can be read")
        return
    except OSError as error:
        told(f"{segment.path}: not read to its end: {error.strerror}")
        return
    if line := reading.line():
        told(line)


class _Reading:
    """The walk along one index, and what was found missing on it."""

    def __init__(self, segment: Segment, after_entry: int) -> None:
        self._segment = segment
        self._after_entry = after_entry
        self._end = 0  # of the data that seals spoke of so far
        self._entries = 0  # that they spoke of
        self._last_entry = -1
        self._unread_records = 0  # since the last that could be believed
        self._damaged = 0  # messages
        self._missing = 0  # entries
        self._refusal: BadInput | None = None
        self._cut_off = 0  # entries whose bytes are no more
        self._torn = False

    def batch(self, record: bytes, data: int) -> Iterator[tuple[int, Entry]]:
        """The entries of the message that a record of the index speaks of."""
        seal = unpacked(record)
        if seal is None or seal.entries_before < self._entries:
            self._unread_records += 1
            return
        if self._unread_records:
            self._damaged += self._unread_records
            self._unread_records = 0
            if seal.first_entry - 1 > self._after_entry:
                self._missing += seal.entries_before - self._entries
        self._end = seal.end
        self._entries = seal.entries_before + seal.entries
        if seal.entries and seal.last_entry <= self._after_entry:
            return
        if seal.end > os.fstat(data).st_size:
            self._cut_off += seal.entries
            self._torn = True
            return
        message = _message(seal, data)
        if message is None:
            self._damaged += 1
            self._missing += seal.entries
        elif seal.entries:
            yield from self._entries_in(seal, message)

    def _entries_in(self, seal: Seal, message: bytes) -> Iterator[tuple[int, Entry]]:
        try:
            batch = pa.ipc.read_record_batch(pa.py_buffer(message), SCHEMA)
            if batch.num_rows != seal.entries:
                raise pa.ArrowInvalid(f"{batch.num_rows} entries, sealed as {seal.entries}")
            entries = list(entries_of(batch))
        except (pa.ArrowException, OSError) as error:
            self._damaged += 1
            self._missing += seal.entries
            self._refusal = self._refusal or BadInput(str(error).partition("\n")[0])
            return
        for number, entry in enumerate(entries, seal.first_entry):
            if number <= self._after_entry:
                continue
            if isinstance(entry, BadInput):
                self._missing += 1
                self._refusal = self._refusal or entry
            else:
                yield number, entry

    def finish(self, data_bytes: int) -> None:
        self._torn = self._torn or self._unread_records > 0 or data_bytes > self._end

    def line(self) -> str | None:
        """What there is to tell, if anything."""
        parts: list[str] = []
        if self._damaged or self._missing:
            because = f": {self._refusal}" if self._refusal else ""
            parts.append(
                f"damaged: {self._missing} of its {self._entries} entries are missing "
                f"({self._damaged} messages){because}"
            )
        if self._torn and not self._segment.newest:
            parts.append(f"ends in the middle of a batch: {self._cut_off} sealed entries are missing")
        return f"{self._segment.path}: {'; '.join(parts)}" if parts else None


def _message(seal: Seal, data: int) -> bytes | None:
    """The bytes that a seal vouches for; None where they are others, or cannot be read."""
    try:
        message = os.pread(data, seal.length, seal.offset)
    except OSError:  # a bad block of the disk
        return None
    return message if len(message) == seal.length and zlib.crc32(message) == seal.crc else None
