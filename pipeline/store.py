"""What an agent has seen and found: a journal of the last hours, parquet files of the last weeks.

`docs/store.md` says what is where and what may be relied on.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from .durable_file import PART_SUFFIX, new_folder
from .frames import NS_PER_S, Gap, PsdFrame
from .journal import Entry, Journal, Segment, read_segment, remove_segment, segments
from .store_clock import SteadyClock
from .store_compaction import compact
from .store_layout import (
    DAMAGED_NAME,
    EVENTS_FOLDER,
    JOURNAL_FOLDER,
    ROWS_FOLDER,
    Listing,
    StoredFile,
    glance,
    superseded,
)
from .store_merging import MERGED_BYTES, DamagedFileError, due_merge, merge
from .store_reading import newest_rows, stored_events, stored_rows
from .store_retention import Limits, to_go, too_old
from .store_version import bring_up_to_date

__all__ = ["Store", "stored_events", "stored_rows"]

SEGMENT_BYTES = 16 * 1024 * 1024
TIDY_SECONDS = 0.25
RETRY_NS = 60 * NS_PER_S


class Store:
    """The store of a directory, for its one writer: one agent, one thread.

    `journal` takes what happens, numbered from `next_entry` on; `tidy`, called again and again, does all
    else a quarter of a second at a time. `told` hears of damage, a line each. Reading (`last_rows`,
    `stored_rows`) may be done from any thread. Raises `BadInput` for a store of a later version, OSError
    where the directory cannot be used.
    """

    def __init__(
        self,
        directory: Path,
        *,
        most_bytes: int,
        most_days: float,
        keep_free_bytes: int,
        told: Callable[[str], None],
        utc_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._directory = directory
        self._limits = Limits(most_bytes, most_days, keep_free_bytes)
        self._told = told
        self._clock = SteadyClock(utc_ns, monotonic_ns)
        self._monotonic_ns = monotonic_ns
        self._compacted: set[Path] = set()
        self._work: Iterator[None] | None = None
        self._files: tuple[StoredFile, ...] | None = None
        self._retry_at_ns = 0
        new_folder(directory)
        bring_up_to_date(directory)
        _sweep(directory)
        # Whatever is let go at a time, or kept because it is the newest, is a small part of what may be.
        segment_bytes = min(SEGMENT_BYTES, most_bytes // 8)
        self.journal = Journal(
            directory / JOURNAL_FOLDER, segment_bytes=segment_bytes, monotonic_ns=monotonic_ns
        )
        found = self._look()
        self.next_entry = max([self.journal.next_entry, *(each.last_entry + 1 for each in found.files)])
        """One beyond the last number that is stored anywhere, when the store was opened."""
        self.bytes = _bytes_in(found)
        """What journal, rows and events take on the disk, at the latest look."""

    def limit(self, *, most_bytes: int, most_days: float, keep_free_bytes: int) -> None:
        """Other limits hold from now on."""
        self._limits = Limits(most_bytes, most_days, keep_free_bytes)

    def tidy(self, keep_from_entry: int, seconds: float = TIDY_SECONDS) -> bool:
        """Compact closed segments, merge the days that are over, let go of what is beyond the limits.

        Works for about `seconds`; True if more waits. Segments that end before `keep_from_entry` are
        deleted once they are compacted; the others are kept, if there is room, for `entries_after`.
        OSError where the disk fails: it is tried again after a minute.
        """
        now_ns = self._monotonic_ns()
        until_ns = now_ns + round(seconds * NS_PER_S)
        self._clock.steady()
        if now_ns < self._retry_at_ns:
            return False
        try:
            while True:
                self._work = self._work or self._next_work(keep_from_entry)
                if self._work is None:
                    return False
                self._do(self._work)
                if self._monotonic_ns() >= until_ns:
                    return True
        except OSError as error:
            self._work, self._files = None, None
            if error.errno == errno.ENOENT:  # deleted to make room, while it was being merged
                return True
            self._retry_at_ns = self._monotonic_ns() + RETRY_NS
            if error.errno != errno.ENOSPC:  # whose disk is full hears of it from every append
                raise
            return False

    def make_room(self, wanted_bytes: int) -> int:
        """Delete the oldest until so many bytes are freed; returns how many were. Nothing is spared but
        the open segment and whatever bears the highest number."""
        freed = self._let_go(self._look(), wanted_bytes)
        if freed < wanted_bytes:
            self._drop_work()  # and what it has written so far
        self.bytes = _bytes_in(self._look())
        return freed

    def entries_after(self, entry: int) -> Iterator[tuple[int, Entry]]:
        """The entries of the journal with higher numbers, in order."""
        for segment in segments(self._directory / JOURNAL_FOLDER):
            if segment.last_entry > entry:
                yield from read_segment(segment, self._told, after_entry=entry)

    def last_rows(self, node: str, band: str, most_rows: int) -> Iterator[tuple[int, PsdFrame | Gap]]:
        """The newest rows of a band, oldest first, and the gaps among them, with their entries' numbers."""
        return newest_rows(self._directory, node, band, most_rows, self._told)

    def close(self) -> None:
        """Leave everything on the disk. OSError where the last seconds cannot be forced there."""
        self._drop_work()
        self.journal.close()

    # ---- the pieces of tidying ----------------------------------------------------------------------

    def _next_work(self, keep_from_entry: int) -> Iterator[None] | None:
        """Do what is done at once; return what takes long, None where nothing is left to do."""
        found = self._within_limits(self._without_leftovers(keep_from_entry))
        self.bytes = _bytes_in(found)
        for segment in self._closed(found):
            if segment.path not in self._compacted:
                return self._compact(segment)
        room_bytes = min(
            self._limits.most_bytes - self.bytes, self._free_bytes() - self._limits.keep_free_bytes
        )
        most_bytes = min(MERGED_BYTES, self._limits.most_bytes // 8, room_bytes)
        files = due_merge(found, self._clock.now_ns(), most_bytes)
        return merge(files) if files else None

    def _do(self, work: Iterator[None]) -> None:
        try:
            next(work)
        except StopIteration:
            self._work, self._files = None, None
            pa.default_memory_pool().release_unused()
        except DamagedFileError as damage:
            self._work, self._files = None, None
            aside = damage.path.with_name(DAMAGED_NAME.format(damage.path.name))
            self._told(f"{damage}; it is set aside as {aside.name}")
            damage.path.replace(aside)

    def _compact(self, segment: Segment) -> Iterator[None]:
        yield from compact(segment, self._directory, self._told)
        self._compacted.add(segment.path)

    def _drop_work(self) -> None:
        """What was under way begins anew at the next tidying."""
        work, self._work, self._files = self._work, None, None
        close = getattr(work, "close", None)
        if close is not None:
            close()

    def _look(self) -> Listing:
        """What there is; folders are only read again when files may have come or gone."""
        if self._files is None:
            self._files = glance(self._directory).files
        return Listing(tuple(segments(self._directory / JOURNAL_FOLDER)), self._files)

    def _without_leftovers(self, keep_from_entry: int) -> Listing:
        """Delete what other files stand for, and segments that nobody needs; returns what is left."""
        found = self._look()
        for segment in self._closed(found):
            if segment.last_entry < keep_from_entry and segment.path in self._compacted:
                self._remove(segment)
        for file in superseded(found.files):
            self._remove(file)
        return self._look()

    def _within_limits(self, found: Listing) -> Listing:
        """Delete what is too old or too much; returns what is left."""
        if self._clock.steady():
            for file in too_old(found, self._clock.now_ns(), self._limits.most_days):
                self._remove(file)
            found = self._look()
        free_bytes = self._free_bytes()
        over_bytes = max(
            _bytes_in(found) - self._limits.most_bytes, self._limits.keep_free_bytes - free_bytes
        )
        if over_bytes > 0:
            self._let_go(found, over_bytes)
        return self._look()

    def _let_go(self, found: Listing, wanted_bytes: int) -> int:
        kept = [each for each in found.segments if each.path == self.journal.open_segment]
        freed = 0
        for each in to_go(found, kept):
            if freed >= wanted_bytes:
                break
            self._remove(each)
            freed += each.size_bytes
        return freed

    def _remove(self, each: StoredFile | Segment) -> None:
        if isinstance(each, Segment):
            remove_segment(each)
            self._compacted.discard(each.path)
            return
        self._files = None
        each.path.unlink(missing_ok=True)
        for folder in (each.folder, each.folder.parent, each.folder.parent.parent):
            try:
                folder.rmdir()  # only where it is empty
            except OSError:
                return

    def _closed(self, found: Listing) -> list[Segment]:
        return [each for each in found.segments if each.path != self.journal.open_segment]

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._directory).free


def _bytes_in(found: Listing) -> int:
    return sum(each.size_bytes for each in (*found.segments, *found.files))


def _sweep(directory: Path) -> None:
    """Delete what a killed process left half written, and indexes whose segments are gone."""
    for folder in (ROWS_FOLDER, EVENTS_FOLDER):
        for part in (directory / folder).rglob(f".*{PART_SUFFIX}"):
            part.unlink(missing_ok=True)
    for index in (directory / JOURNAL_FOLDER).glob("*.seals"):
        if not index.with_suffix(".arrows").exists():
            index.unlink(missing_ok=True)
