"""The thread that writes what the loop has found: journal, snapshots, and the tidying of the store."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from time import time_ns

from ..pipeline.frames import PsdFrame
from ..pipeline.journal import Entry
from ..pipeline.state import State
from .disk import Disk, Snapshot
from .lost_entries import Lost
from .snapshot_schedule import SnapshotSchedule
from .state import StateFolder

WRITE_SECONDS = 0.5
WRITE_BYTES = 4 * 1024 * 1024
MOST_WAITING_BYTES = 64 * 1024 * 1024
ENTRY_BYTES = 512  # of memory, beside a row's values
TIDY_SECONDS = 2.0
CLOSE_SECONDS = 3.0

_Waiting = tuple[int, list[Entry]] | Snapshot | Lost


class Recorder:
    """Takes units of entries from the loop, numbers them, and writes them within half a second.

    `record` never waits: what does not fit into 64 MiB, because the disk is slow, is not recorded and
    counted as such (see `Disk`). `record` and `snapshot` are the loop's; all else is done in a thread.
    """

    def __init__(self, disk: Disk, schedule: SnapshotSchedule, *, flush_seconds: float) -> None:
        self._disk = disk
        self._schedule = schedule
        self.flush_seconds = flush_seconds
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._next = 0
        self._snapshots = 0
        self._closing = False
        self._written_wanted = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    @property
    def depth(self) -> int:
        """Units that wait to be written."""
        return len(self._waiting)

    @property
    def keeps(self) -> bool:
        """Whether a state waits to be written: it takes much memory, and so one is enough."""
        return self._snapshots > 0

    def start(self, least_number: int) -> None:
        """Begin to write; the disk has been opened if it could be.

        No entry gets a number below `least_number`: a state may hold entries that the journal lost.
        """
        store = self._disk.store
        self._next = least_number if store is None else max(least_number, store.next_entry)
        self._thread.start()

    def record(self, unit: Sequence[Entry]) -> None:
        """Take what one arriving item caused; all of it is written, or none."""
        if not unit:
            return
        size = sum(ENTRY_BYTES + (each.power_db.nbytes if isinstance(each, PsdFrame) else 0) for each in unit)
        self._schedule.journaled(size)
        with self._changed:
            first = self._next
            self._next += len(unit)
            if self._waiting_bytes + size > MOST_WAITING_BYTES:
                if not self._waiting or not isinstance(self._waiting[-1], Lost):
                    self._waiting.append(Lost(first, "the disk is too slow", time_ns()))
                lost = self._waiting[-1]
                assert isinstance(lost, Lost)
                lost.add(unit)
                return
            self._waiting.append((first, list(unit)))
            self._waiting_bytes += size
            if self._waiting_bytes > WRITE_BYTES:
                self._changed.notify_all()

    def snapshot(self, folder: StateFolder, node: str, band: str, settings: State, state: State) -> None:
        """Keep a band's state, which holds all that has been recorded so far."""
        with self._changed:
            self._snapshots += 1
            self._waiting.append(Snapshot(folder, node, band, self._next - 1, settings, state))

    def flush(self, timeout_seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until all that was taken so far has been written; False if that took too long."""
        with self._changed:
            self._written_wanted = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._written_wanted, timeout_seconds)

    def close(self) -> bool:
        """Write what waits, force it to the disk, close the store; False if the disk did not answer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        flushed_at = tidy_at = time.monotonic()
        closing = False
        while not closing:
            with self._changed:
                if not self._closing and not self._written_wanted and self._waiting_bytes <= WRITE_BYTES:
                    self._changed.wait(WRITE_SECONDS)
                closing, asked = self._closing, self._written_wanted
                waiting, self._waiting = self._waiting, deque()
                taken_bytes = self._waiting_bytes
            self._write(waiting)
            with self._changed:
                self._waiting_bytes -= taken_bytes
                if asked:
                    self._written_wanted = False
                    self._changed.notify_all()
            now = time.monotonic()
            if now - flushed_at >= self.flush_seconds:
                self._disk.flush()
                flushed_at = now
            if now >= tidy_at and not closing:
                # More waits: at once again, once what has come meanwhile is written.
                tidy_at = now + (0 if self._disk.tidy() else TIDY_SECONDS)
        self._disk.write_losses()
        self._disk.flush()
        self._disk.close()

    def _write(self, waiting: deque[_Waiting]) -> None:
        first, batch = 0, list[Entry]()
        while waiting:
            item = waiting.popleft()
            if isinstance(item, tuple) and batch and item[0] == first + len(batch):
                batch += item[1]
                continue
            if batch:
                self._disk.append(first, batch)
                batch = []
            if isinstance(item, tuple):
                first, batch = item[0], list(item[1])
            elif isinstance(item, Lost):
                self._disk.lose(item)
            else:
                self._schedule.kept(self._disk.keep(item))
                with self._changed:
                    self._snapshots -= 1
        if batch:
            self._disk.append(first, batch)
        if self._disk.went_on:
            self._disk.went_on = False
            self._schedule.want()
