"""The one ordered log: entries appended in batches to files that a crash leaves readable.

A journal is a folder of segments. A segment is an Arrow IPC stream that any Arrow reader opens,
`<first entry, 20 digits>.arrows`, and an index with a checksum for each of its messages, `<...>.seals`
(`journal_seals.py`). An entry is there once its batch's seal is. `docs/journal.md` has the format.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

from .frames import NS_PER_S
from .journal_entries import SCHEMA, Entry, Note, batch_of
from .journal_seals import Seal, seals_path
from .journal_segments import Segment, read_segment, remove_segment, segment_path, segments

__all__ = ["Entry", "Journal", "Note", "Segment", "read_segment", "remove_segment", "segments"]

SEGMENT_BYTES = 64 * 1024 * 1024
SEGMENT_SECONDS = 3600.0


class Journal:
    """The writer: one a folder, used from one thread. Opening it writes no file.

    It never touches a segment that was there before it. A segment is begun by an append when there is
    none open, when the open one would become larger than `segment_bytes`, or is `segment_seconds` old.
    """

    next_entry: int
    """One beyond every number that this folder may have seen; the least that `append` takes."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index in folder.glob("*.seals"):
            if not index.with_suffix(".arrows").exists():  # a removal that did not come to its end
                with suppress(OSError):
                    index.unlink()
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment_ns = segment_seconds * NS_PER_S
        self._monotonic_ns = monotonic_ns
        self._segment: _OpenSegment | None = None
        self._begun_ns = 0
        # A segment's name is a number used, even where nothing in it can be believed.
        self.next_entry = 1 + max(
            (max(each.first_entry, each.last_entry) for each in segments(folder)), default=-1
        )

    @property
    def open_segment(self) -> Path | None:
        """The data of the segment that the next append may go to."""
        return None if self._segment is None else self._segment.path

    def append(self, first_entry: int, entries: Sequence[Entry]) -> None:
        """Hand entries, numbered from `first_entry`, to the operating system: all of them or none.

        OSError (disk full, read-only, failing) leaves the files ending at the last whole batch, and the
        same entries may be given again. ValueError or TypeError, nothing written, for numbers that do not
        rise and for notes that cannot be stored.
        """
        if not entries:
            return
        if first_entry < self.next_entry:
            raise ValueError(
                f"{self._folder}: entry {first_entry} after {self.next_entry - 1}; limit: rising numbers"
            )
        message = batch_of(first_entry, entries).serialize()
        if self._segment is not None and (
            self._segment.data_bytes + message.size > self._segment_bytes
            or self._monotonic_ns() - self._begun_ns >= self._segment_ns
        ):
            self.rotate()
        if self._segment is None:
            self._begun_ns = self._monotonic_ns()
            self._segment = _OpenSegment(segment_path(self._folder, first_entry))
        try:
            if not self._segment.data_bytes:
                self._segment.add(memoryview(SCHEMA.serialize()), first_entry, 0)
            self._segment.add(memoryview(message), first_entry, len(entries))
        except BaseException:
            if not self._segment.cut_back():
                self._segment = None
            raise
        self.next_entry = first_entry + len(entries)

    def flush(self) -> None:
        """Everything appended lasts through a power cut after this.

        OSError where the system cannot promise it: the segment is ended then, as its last batches may be
        lost although they can still be read; those that are will be told of when it is read.
        """
        try:
            if self._segment is not None:
                self._segment.sync()
        except OSError:
            self._let_go()
            raise

    def rotate(self) -> None:
        """Flush and close the open segment, if there is one; the next append begins another."""
        try:
            self.flush()
        finally:
            self._let_go()

    def close(self) -> None:
        """The same as `rotate`: nothing else is held."""
        self.rotate()

    def _let_go(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None


class _OpenSegment:
    """The two files that are being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data_bytes = 0  # up to the end of the last whole batch
        self._index_bytes = 0
        self._entries = 0
        self._synced = True
        self._listed = False  # the folder's own entry for the files is on the disk
        # Whatever has this name is what an append of ours that failed could not remove.
        self._data = FileIO(path, "wb")
        try:
            self._index = FileIO(seals_path(path), "wb")
        except OSError:
            self._data.close()
            with suppress(OSError):
                path.unlink()
            raise

    def add(self, message: memoryview, first_entry: int, entries: int) -> None:
        """Write a message, then its seal. OSError part of the way: `cut_back` is due."""
        seal = Seal(
            self.data_bytes, message.nbytes, first_entry, entries, self._entries, zlib.crc32(message)
        ).packed()
        _write(self._data, message)
        _write(self._index, memoryview(seal))
        self.data_bytes += message.nbytes
        self._index_bytes += len(seal)
        self._entries += entries
        self._synced = False

    def cut_back(self) -> bool:
        """Whether the files end at their last whole batch now; if not they are closed.

        Where there is no batch the files are gone.
        """
        if self._entries:
            with suppress(OSError):
                for file, whole_bytes in ((self._index, self._index_bytes), (self._data, self.data_bytes)):
                    file.truncate(whole_bytes)
                    file.seek(whole_bytes)
                return True
        self.close()
        if not self._entries:
            for path in (self.path, seals_path(self.path)):
                with suppress(OSError):
                    path.unlink()
        return False

    def sync(self) -> None:
        if self._synced:
            return
        os.fsync(self._data.fileno())
        os.fsync(self._index.fileno())
        if not self._listed:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._listed = True
        self._synced = True

    def close(self) -> None:
        for file in (self._data, self._index):
            with suppress(OSError):  # of a file system that reports at closing what fsync already said
                file.close()


def _write(file: FileIO, content: memoryview) -> None:
    """All of it: a full disk takes a part first, and says so only when asked again."""
    content = content.cast("B")
    while content:
        written = file.write(content)
        content = content[written or 0 :]
