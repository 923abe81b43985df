"""The store on a disk that may be full, read-only, or not ours: what cannot be written is counted."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

from ..config.schema import Store as StoreLimits
from ..pipeline.errors import BadInput
from ..pipeline.frames import PsdFrame
from ..pipeline.journal import Entry
from ..pipeline.state import State
from .failure import Failure
from .lost_entries import Lost
from .state import StateFolder
from .telemetry import Telemetry

if TYPE_CHECKING:
    from ..pipeline.store import Store

RETRY_SECONDS = 5.0
LOOK_SECONDS = 1.0
MORE_ROOM_BYTES = 64 * 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A band's state after journal entry `entry`, and the settings that it rests on."""

    folder: StateFolder
    node: str
    band: str
    entry: int
    settings: State
    state: State


class Disk:
    """The store for the recorder's thread, which it never stops by an error.

    When the disk is full the store makes room, oldest first; where that is not enough, and on every other
    error, recording stops with an alarm and is tried again every five seconds. What was not recorded
    stands in the journal as `unrecorded` once it goes on.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        directory: Path,
        telemetry: Telemetry,
        *,
        keep_free_bytes: int,
        utc_ns: Callable[[], int] = time_ns,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_store = open_store
        self._directory = directory
        self._telemetry = telemetry
        self.keep_free_bytes = keep_free_bytes
        self._utc_ns = utc_ns
        self._monotonic_seconds = monotonic_seconds
        self._retry_at = self._look_at = -1e9
        self._stopped_by: str | None = None
        self._lost: Lost | None = None
        self._kept: dict[tuple[str, str], int] = {}
        self._ahead = 0
        self.store: Store | None = None
        self.went_on = False
        """Entries are missing from the journal: a new snapshot is needed; for the reader to take back."""

    def open(self) -> None:
        """Open the store where that can be done; said once where not. Raises Failure where another has it."""
        if self.store is not None:
            return
        try:
            self.store = self._open_store()
        except OSError as error:
            self._stop(f"{self._directory}: {error.strerror or error}")
        except BadInput as refusal:
            self._stop(str(refusal))
        else:
            self._telemetry.recording_started()

    def append(self, first: int, entries: Sequence[Entry]) -> None:
        """Write consecutive entries, or count them as lost.

        `first` is the recorder's number. Where the store has seen higher ones, because it could only be
        opened late, those on the disk run ahead of the recorder's from then on.
        """
        now_seconds = self._monotonic_seconds()
        waits = self._stopped_by is not None and now_seconds < self._retry_at
        try:
            if not waits and self._has_room() and self._write_lost() and self._try(first, entries):
                self._went_on()
                return
        except Exception as error:  # noqa: BLE001 - recording may fail in any way, the agent may not
            self._stop(f"{self._directory}: {error!r}")
            self.close()
        if not waits:
            self._retry_at = now_seconds + RETRY_SECONDS
        lost = Lost(first, self._stopped_by or "disk", self._utc_ns())
        lost.add(entries)
        self.lose(lost)

    def lose(self, lost: Lost) -> None:
        """These were not recorded."""
        for (node, band), rows in lost.rows.items():
            self._telemetry.rows_unrecorded(node, band, rows)
        if self._lost is None:
            self._lost = lost
        else:
            self._lost.merge(lost)

    def write_losses(self) -> None:
        """Tell the journal of what was lost, if it can be told now."""
        if self._lost is not None:
            self._guarded(lambda: self._has_room() and self._write_lost())

    def keep(self, snapshot: Snapshot) -> int:
        """Write a band's state, after the entries it rests on; its size, 0 where it cannot be written."""
        if self._stopped_by is not None or self.store is None:
            return 0
        entry = snapshot.entry + self._ahead
        try:
            self.store.journal.flush()
            size = snapshot.folder.write(
                snapshot.node, snapshot.band, entry, snapshot.settings, snapshot.state
            )
        except Exception as error:  # noqa: BLE001 - recording may fail in any way, the agent may not
            reason = error.strerror if isinstance(error, OSError) else None
            self._telemetry.bad_input(
                f"{snapshot.node}/{snapshot.band}: its state cannot be kept: {reason or repr(error)}"
            )
            return 0
        self._kept[snapshot.node, snapshot.band] = entry
        return size

    def limit(self, limits: StoreLimits) -> None:
        """Other limits hold from now on."""
        self.keep_free_bytes = limits.keep_free_bytes
        store = self.store
        if store is not None:
            store.limit(
                most_bytes=limits.most_bytes,
                most_days=limits.most_days,
                keep_free_bytes=limits.keep_free_bytes,
            )

    def flush(self) -> None:
        if self.store is not None:
            self._guarded(self.store.journal.flush)

    def tidy(self) -> bool:
        """One bounded piece of compaction, merging or retention; whether more waits."""
        store = self.store
        if store is None:
            return False
        keep_from = min(self._kept.values(), default=-1) + 1
        more = self._guarded(lambda: store.tidy(keep_from))
        self._telemetry.store_bytes(store.bytes)
        return bool(more)

    def known_bands(self, kept: dict[tuple[str, str], int]) -> None:
        """Bands and the entries their states hold: the journal after them is needed."""
        self._kept |= kept

    def close(self) -> None:
        if self.store is not None:
            store, self.store = self.store, None
            self._guarded(store.close)

    # ---- behind them --------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        try:
            self.open()
        except Failure as failure:
            self._stop(str(failure))
        store, now_seconds = self.store, self._monotonic_seconds()
        if store is None:
            return False
        if self._stopped_by is None and now_seconds < self._look_at:
            return True
        self._look_at = now_seconds + LOOK_SECONDS
        if not _is_there(store, self._directory):
            self._stop(f"{self._directory}: its files are gone")
            self.close()
            return False
        try:
            if self._free_bytes() < self.keep_free_bytes:
                store.make_room(self.keep_free_bytes - self._free_bytes())
            free_bytes = self._free_bytes()
        except OSError as error:
            self._stop(f"{self._directory}: {error.strerror or error}")
            return False
        if free_bytes < self.keep_free_bytes:
            self._stop(
                f"{self._directory}: {free_bytes:,} bytes free on its disk; "
                f"limit: {self.keep_free_bytes:,} (store.keep_free_bytes)"
            )
            return False
        return True

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._directory).free

    def _write_lost(self) -> bool:
        if self._lost is None:
            return True
        if not self._try(self._lost.first, self._lost.notes()):
            return False
        self._lost = None
        self.went_on = True
        return True

    def _try(self, first: int, entries: Sequence[Entry]) -> bool:
        store = self.store
        if store is None or not entries:
            return store is not None
        self._ahead = max(self._ahead, store.next_entry - first)
        for last_chance in (False, True):
            try:
                store.journal.append(first + self._ahead, entries)
            except OSError as error:
                # On a disk that fails in another way, what is stored would be deleted in vain.
                makes_room = error.errno in _FULL and not last_chance
                try:
                    made = store.make_room(MORE_ROOM_BYTES) if makes_room else 0
                except OSError:
                    made = 0
                if not made:
                    self._stop(f"{self._directory}: {error.strerror or error}")
                    return False
            else:
                break
        for entry in entries:
            if isinstance(entry, PsdFrame):
                self._telemetry.row_stored(entry.node, entry.band)
        return True

    def _guarded(self, do: Callable[[], object]) -> object:
        try:
            return do()
        except OSError as error:
            self._telemetry.bad_input(f"{self._directory}: {error.strerror or error}")
        except BadInput as refusal:
            self._telemetry.bad_input(str(refusal))
        except Exception as error:  # noqa: BLE001 - recording may fail in any way, the agent may not
            self._telemetry.bad_input(f"{self._directory}: {error!r}")
        return None

    def _stop(self, reason: str) -> None:
        if self._stopped_by is None:
            self._telemetry.recording_stopped(reason)
        self._stopped_by = reason

    def _went_on(self) -> None:
        if self._stopped_by is not None:
            self._stopped_by = None
            self._telemetry.recording_resumed()


def _is_there(store: Store, directory: Path) -> bool:
    """Whether what is written is in the directory: a file that was deleted takes anything."""
    segment = store.journal.open_segment
    return directory.exists() if segment is None else segment.exists()
