"""When the bands' states are kept: often enough for a quick restart, rarely enough for the disk."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_SECONDS = 20.0
MOST_SECONDS = 3600.0
JOURNAL_SHARE = 4


class SnapshotSchedule:
    """A state of all bands is due twenty seconds after the start, then once the journal has grown by four
    times the states' size, twenty seconds to an hour after the last; at once when asked for.

    So states take at most a fifth of what is written, and a restart goes through some tens of MB of rows.
    """

    def __init__(self, monotonic_seconds: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_seconds = monotonic_seconds
        self._at_seconds = monotonic_seconds()
        self._journaled_bytes = 0
        self._kept_bytes = 0
        self._wanted = False

    @property
    def due(self) -> bool:
        since_seconds = self._monotonic_seconds() - self._at_seconds
        if self._wanted or since_seconds >= MOST_SECONDS:
            return True
        return since_seconds >= LEAST_SECONDS and self._journaled_bytes >= JOURNAL_SHARE * self._kept_bytes

    def begin(self) -> None:
        """The states of all bands are being taken."""
        self._at_seconds = self._monotonic_seconds()
        self._journaled_bytes = self._kept_bytes = 0
        self._wanted = False

    def want(self) -> None:
        """Something happened that the journal does not tell."""
        self._wanted = True

    def journaled(self, size_bytes: int) -> None:
        self._journaled_bytes += size_bytes

    def kept(self, size_bytes: int) -> None:
        self._kept_bytes += size_bytes
